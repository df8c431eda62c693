"""Matrices of a program's gates for one batch: all gates of a kind in one call, runs of single-qubit gates fused."""

import itertools
import math

import torch
from torch import Tensor

from counterspin.circuits import GATES
from counterspin.simulation.angles import AngleValues, pick
from counterspin.simulation.program import Program

__all__ = ["group_matrices", "local_factors"]

# Most qubits per Kronecker factor. Larger factors mean fewer matrix products (best for factors all samples share), but
# building one for each sample costs more than it saves beyond 3 (measured with gradients at 4 to 10 qubits).
_SHARED, _PER_SAMPLE = 4, 3


def group_matrices(program: Program, angles: AngleValues) -> list[Tensor]:
    """Matrices of each gate group, `(gates, d, d)` or `(batch, gates, d, d)`."""
    dtype = angles.shared.dtype.to_complex()
    return [GATES[group.kind].matrix(angles.at(group.angles).to(dtype)) for group in program.groups]


def local_factors(program: Program, angles: AngleValues, matrices: list[Tensor]) -> dict[int, list[Tensor]]:
    """Kronecker factors of every `Local` pass by its position, `(d, d)` or `(batch, d, d)`, first qubits first."""
    identity = torch.eye(2, dtype=angles.shared.dtype.to_complex(), device=angles.shared.device)
    shared, per_sample = [identity[None]], [identity.new_zeros(angles.batch, 0, 2, 2)]
    for group, values in zip(program.groups, matrices, strict=True):
        if GATES[group.kind].qubits == 1:
            (per_sample if group.per_sample else shared).append(values)
    pool, own_pool = torch.cat(shared), torch.cat(per_sample, dim=1)
    found: dict[int, list[Tensor]] = {}
    for stack in program.stacks:
        fused = pick(pool, own_pool, stack.matrices[0])
        for addresses in stack.matrices[1:]:
            fused = _product(pick(pool, own_pool, addresses), fused)
        factors = [_kronecker(part) for part in _split(fused, _SHARED if fused.ndim == 4 else _PER_SAMPLE)]
        found.update((step, [f[..., row, :, :] for f in factors]) for row, step in enumerate(stack.passes))
    return found


def _product(a: Tensor, b: Tensor) -> Tensor:
    # Written out: torch.matmul on very many 2×2 matrices is slower than broadcast products.
    return a[..., :, :1] * b[..., :1, :] + a[..., :, 1:] * b[..., 1:, :]


def _split(fused: Tensor, most: int) -> list[tuple[Tensor, ...]]:
    """The qubits' matrices `(..., qubits, 2, 2)` in groups of about equal size, at most `most` each."""
    singles = fused.unbind(-3)
    count = math.ceil(len(singles) / most)
    bounds = [len(singles) * k // count for k in range(count + 1)]
    return [singles[a:b] for a, b in itertools.pairwise(bounds)]


def _kronecker(matrices: tuple[Tensor, ...]) -> Tensor:
    product = matrices[0]
    for matrix in matrices[1:]:
        product = (product[..., :, None, :, None] * matrix[..., None, :, None, :]).flatten(-4, -3).flatten(-2, -1)
    return product
