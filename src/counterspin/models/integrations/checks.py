"""What a foreign model does when it is called: checked once, when it is wrapped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from counterspin.errors import ModelError
from counterspin.models.integrations.wrapped import raw_values
from counterspin.validation import all_finite

__all__ = ["Behaviour", "behaviour"]

_REPEATS = 5
_SAMPLES = 4
# Agreement of scores one by one and in a batch, relative, where values are exact, and in units of their rounding.
_EXACT, _ROUNDINGS = 1e-9, 100
# Fourth differences of steps so short tell rounding from the slope, see Moré and Wild, doi:10.1137/100786125.
_STEP = 1e-5
_FOURTH = torch.tensor([1.0, -4.0, 6.0, -4.0, 1.0], dtype=torch.float64)
_DRIFTING = 0.9


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """What calling a model showed.

    Args:
        stochastic: five calls with one input differ.
        noise: rounding of the values, in their units; what float32 leaves inside a model shows here.
        remarks: what was mended or is worth knowing, one sentence each.
    """

    stochastic: bool
    noise: float
    remarks: tuple[str, ...] = ()


def behaviour(
    home: Callable[[Tensor], Tensor], x: Tensor, spans: Tensor, state: Callable[[], dict[str, Tensor]] | None = None
) -> Behaviour:
    """Call a model often enough to know that its answers mean something.

    Args:
        home: features -> raw values, see `Candidate.home`.
        x: samples `(samples, features)` float64.
        spans: what counts as a large step of each feature `(features,)`.
        state: the model's weights by name.

    Raises:
        ModelError: values that are not finite, that depend on the other samples of a batch, or a model that trains
            itself when it is called.

    Example:
        >>> x = torch.linspace(0, 1, 6, dtype=torch.float64).reshape(3, 2)
        >>> behaviour(lambda x: x.sum(dim=1), x, torch.ones(2)).stochastic
        False
    """
    x = x[:_SAMPLES]
    before = _copied(state)
    drawn_from = _generators()
    given, writes = x.clone(), False

    def watched(points: Tensor) -> Tensor:
        nonlocal writes
        handed = points.clone()
        values = home(points)
        writes = writes or not torch.equal(handed, points)
        return values

    with torch.no_grad():
        calls = torch.stack([raw_values(watched, given) for _ in range(_REPEATS)])
        remarks = ["it writes into its input, and is handed a copy"] if writes else []
        if _generators() != drawn_from:
            remarks.append("it draws from a global random generator, which only a global seed repeats")
        if not all_finite(calls):
            raise ModelError(
                "model returned NaN or infinite values for the samples in x; mend it before it is wrapped."
            )
        _refuse_training(before, state, calls)
        stochastic = not bool((calls == calls[0]).all())
        noise = _rounding(home, x, spans)
        if not stochastic:
            _refuse_batches(home, x, calls[0], noise)
    return Behaviour(stochastic=stochastic, noise=noise, remarks=tuple(remarks))


def _copied(state: Callable[[], dict[str, Tensor]] | None) -> dict[str, Tensor]:
    return {} if state is None else {name: value.detach().clone() for name, value in state().items()}


def _generators() -> tuple[bytes, bytes]:
    """The states of torch's and numpy's global generators."""
    # NumPy's legacy state is read, never drawn from: a model that draws from it must be noticed.
    numbers = cast("tuple[Any, ...]", np.random.get_state(legacy=True))  # noqa: NPY002
    return torch.get_rng_state().numpy().tobytes(), bytes(numbers[1]) + str(numbers[2:]).encode()


def _refuse_training(before: dict[str, Tensor], state: Callable[[], dict[str, Tensor]] | None, calls: Tensor) -> None:
    after = {} if state is None else state()
    moved = [name for name, value in before.items() if name in after and not torch.equal(value, after[name])]
    if moved:
        raise ModelError(
            f"model changes its own weights when it is called ({', '.join(moved[:3])}); an audit needs a model that "
            "stands still: put it in evaluation mode, or take the training step out of the call."
        )
    steps = calls.diff(dim=0)
    moving = (steps != 0).any(dim=0)
    # Noise is monotone over five calls once in 60 values; a model that learns is in nearly all of them.
    monotone = ((steps > 0).all(dim=0) | (steps < 0).all(dim=0)) & moving
    if int(moving.sum()) >= _SAMPLES and float(monotone.sum()) >= _DRIFTING * float(moving.sum()):
        raise ModelError(
            "model's values drift in one direction from call to call with the same input, as if it trained itself; an "
            "audit needs a model that stands still: take the training step out of the call."
        )


def _rounding(home: Callable[[Tensor], Tensor], x: Tensor, spans: Tensor) -> float:
    """Standard deviation of the rounding in raw values, from fourth differences along one direction per sample."""
    generator = torch.Generator().manual_seed(0)
    direction = spans * torch.randn(x.shape, generator=generator, dtype=torch.float64)
    offsets = _STEP * torch.arange(-2, 3, dtype=torch.float64)
    points = (x[:, None] + offsets[:, None] * direction[:, None]).flatten(0, 1)
    values = raw_values(home, points).reshape(len(x), len(offsets), -1)
    fourth = torch.einsum("sov,o->sv", values, _FOURTH)
    return float((fourth.square().mean() / _FOURTH.square().sum()).sqrt())


def _refuse_batches(home: Callable[[Tensor], Tensor], x: Tensor, whole: Tensor, noise: float) -> None:
    tolerance = _EXACT * max(1.0, float(whole.abs().max())) + _ROUNDINGS * noise
    # Pairs first: batch normalisation in training mode raises for single samples.
    for size in (2, 1):
        parts = torch.cat([raw_values(home, part) for part in x.flip(0).split(size)]).flip(0)
        error = float((parts - whole).abs().max())
        if error <= tolerance:
            continue
        raise ModelError(
            f"model's values of a sample differ by {error:.2g} with the other samples of its batch; put the model in "
            "evaluation mode (batch normalisation does this in training mode)."
        )
