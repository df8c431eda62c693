"""Gate angles of a batch: the affine map of a program applied to inputs and weights."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from counterspin.circuits import Given
from counterspin.errors import InputError
from counterspin.simulation.program import Program

__all__ = ["AngleValues", "angle_values", "given_columns", "pick"]


@dataclass(frozen=True, eq=False)
class AngleValues:
    """The angles of one batch.

    Args:
        shared: angles that all samples share, `(angles,)`; angles that vary hold only their constants there.
        per_sample: angles that vary between samples, `(batch, per-sample angles)` in the order of the circuit.
    """

    shared: Tensor
    per_sample: Tensor

    @property
    def batch(self) -> int:
        """Number of samples."""
        return self.per_sample.shape[0]

    def at(self, address: np.ndarray) -> Tensor:
        """Angles at the addresses of the table, `address.shape`, or `(batch, *address.shape)` if any of them varies."""
        return pick(self.shared, self.per_sample, address)


def pick(shared: Tensor, per_sample: Tensor, address: np.ndarray) -> Tensor:
    """Entries at addresses: k >= 0 is entry k of `shared`, ~k entry k of `per_sample`.

    Args:
        shared: `(entries, ...)`.
        per_sample: `(batch, entries, ...)`.
        address: integers of any shape.

    Returns:
        `(*address.shape, ...)`, with a leading batch axis if any entry is per sample.
    """
    own = address < 0
    if not own.any():
        return shared[_index(address, shared.device)]
    chosen = per_sample[:, _index(np.where(own, ~address, 0), shared.device)]
    if own.all():
        return chosen
    fixed = shared[_index(np.where(own, 0, address), shared.device)]
    mask = torch.as_tensor(own, device=shared.device).reshape(own.shape + (1,) * (shared.ndim - 1))
    return torch.where(mask, chosen, fixed)


def angle_values(program: Program, inputs: Tensor, weights: Tensor) -> AngleValues:
    """Angles for `inputs` `(batch, inputs)` and `weights` `(weights,)`, attached to autograd for both.

    Raises:
        InputError: a tensor given as angle has another batch size.
    """
    table, device = program.angles, inputs.device
    constants = torch.as_tensor(table.constants, dtype=inputs.dtype, device=device)
    varies = table.address[table.target] < 0
    target = _index(table.target[~varies], device)
    shared = constants.index_add(0, target, _products(program, ~varies, None, weights))
    positions = (table.address < 0).nonzero()[0]
    per_sample = constants[_index(positions, device)].expand(inputs.shape[0], -1)
    if not len(positions):
        return AngleValues(shared, per_sample)
    column = _index(~table.address[table.target[varies]], device)
    per_sample = per_sample.index_add(1, column, _products(program, varies, inputs, weights))
    if table.given:
        column = _index(~table.address[list(table.given)], device)
        per_sample = per_sample.index_copy(1, column, given_columns(_given(program), inputs))
    return AngleValues(shared, per_sample)


def _index(values: np.ndarray, device: torch.device) -> Tensor:
    return torch.as_tensor(values, dtype=torch.int64, device=device)


def _products(program: Program, terms: np.ndarray, inputs: Tensor | None, weights: Tensor) -> Tensor:
    """Value of each selected term, `(terms,)` or with inputs `(batch, terms)`."""
    table, device = program.angles, weights.device
    values = torch.as_tensor(table.coefficient[terms], dtype=weights.dtype, device=device)
    # Index 0 of the extended vectors is the factor 1, which -1 + 1 points to.
    one = torch.ones(1, dtype=weights.dtype, device=device)
    values = values * torch.cat([one, weights])[_index(table.weight[terms] + 1, device)]
    if inputs is None:
        return values
    extended = torch.cat([one.expand(inputs.shape[0], 1), inputs], dim=1)
    return values * extended[:, _index(table.input[terms] + 1, device)]


def given_columns(given: Sequence[Given], inputs: Tensor) -> Tensor:
    """Tensors given as angles, `(batch, given)`, in the dtype of the inputs and attached to autograd.

    Raises:
        InputError: one of them has another batch size.
    """
    batch = inputs.shape[0]
    for angle in given:
        if angle.value.ndim == 1 and angle.value.shape[0] != batch:
            raise InputError(
                f"a gate angle given as a tensor has {angle.value.shape[0]} values for a batch of {batch} samples; "
                "give one value per sample, or one for all with shape ()."
            )
    return torch.stack([angle.value.to(inputs).expand(batch) for angle in given], dim=1)


def _given(program: Program) -> list[Given]:
    return [angle for gate in program.circuit.gates for angle in gate.angles if isinstance(angle, Given)]
