"""A QNode as PennyLane computes it: raw values of a batch, in as few calls as it allows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from counterspin.errors import ModelError
from counterspin.models.integrations.pennylane.calls import Call
from counterspin.models.integrations.pennylane.foreign import foreign_values
from counterspin.models.integrations.pennylane.outputs import Layout, side_by_side

__all__ = ["Home", "home_of"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Home:
    """Raw values `(batch, values)` of features `(batch, features)`.

    Args:
        call: the QNode's call.
        layout: how a batch enters one call.
    """

    call: Call
    layout: Layout

    def __call__(self, x: Tensor) -> Tensor:
        """All outputs side by side, in the dtype of `x`."""
        if self.call.numeric:
            return foreign_values(self.call, x, self.layout)
        if self.layout == "loop":
            return torch.cat([side_by_side(self.call(row), 1) for row in x]).to(x.dtype)
        return side_by_side(self.call(x.T if self.layout == "columns" else x), len(x)).to(x.dtype)


def home_of(call: Call, x: Tensor, probes: Tensor | None = None) -> Home:
    """The home of a QNode: batched where that gives what single samples give.

    Args:
        call: its call, without shots; the interface is torch, or `numeric`.
        x: some samples.
        probes: points beyond them, where code may take another branch.

    Raises:
        ModelError: the QNode fails on the samples.
    """
    home = Home(call=call, layout="loop")
    batch = x[:2].repeat(2, 1)[: 3 if x.shape[1] != 3 else 4]
    try:
        with torch.no_grad():
            expected = home(batch)
    except Exception as error:  # the user's code and device run here
        raise ModelError(
            f"the QNode failed on samples of {x.shape[1]} features ({type(error).__name__}: {error}); check the number "
            "of features and the weights."
        ) from error
    batch, expected = _with_probes(home, batch, expected, probes)
    options: tuple[Layout, ...] = ("rows", "columns")
    for layout in options:
        batched = replace(home, layout=layout)
        try:
            with torch.no_grad():
                got = batched(batch)
        except Exception:  # noqa: S112 - a shape the user's code does not know
            continue
        if got.shape == expected.shape and torch.allclose(got, expected, rtol=1e-5, atol=1e-6, equal_nan=True):
            return batched
    return home


def _with_probes(home: Home, batch: Tensor, expected: Tensor, probes: Tensor | None) -> tuple[Tensor, Tensor]:
    """Points and their values one by one, with the probes where the QNode runs on all of them."""
    if probes is None or not len(probes):
        return batch, expected
    # A square batch would not tell rows from columns.
    probes = probes[1:] if len(batch) + len(probes) == batch.shape[1] else probes
    try:
        with torch.no_grad():
            return torch.cat([batch, probes]), torch.cat([expected, home(probes)])
    except Exception:  # the user's code and device run here, off the samples
        return batch, expected
