"""Products of gates that follow each other on few qubits, for one batch: all gates of a kind in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from counterspin.circuits import GATES, Circuit
from counterspin.simulation.angles import AngleValues, pick
from counterspin.simulation.compiler import compile_circuit

__all__ = ["GateProducts", "ProductPlanning", "embedded"]


def embedded(matrices: Tensor, positions: Sequence[int], size: int) -> Tensor:
    """Matrices `(..., 2**k, 2**k)` of k qubits as ones of `size` qubits, of which those are at `positions`.

    Returns:
        `(..., 2**size, 2**size)`, the first qubit most significant.

    Example:
        >>> z = torch.tensor([[1.0, 0.0], [0.0, -1.0]])
        >>> embedded(z, (1,), 2).diagonal().tolist()
        [1.0, -1.0, 1.0, -1.0]
    """
    if tuple(positions) == tuple(range(size)):
        return matrices
    lead = matrices.shape[:-2]
    identity = torch.eye(2 ** (size - len(positions)), dtype=matrices.dtype, device=matrices.device)
    product = (matrices[..., :, None, :, None] * identity[:, None, :]).reshape(*lead, *(2,) * (2 * size))
    given = [*positions, *(q for q in range(size) if q not in positions)]
    order = [given.index(q) for q in range(size)]
    axes = [*range(len(lead)), *(len(lead) + q for q in order), *(len(lead) + size + q for q in order)]
    return product.permute(axes).reshape(*lead, 2**size, 2**size)


@dataclass(frozen=True, eq=False)
class _Pool:
    """Gates of one kind at the same positions of as many qubits.

    Args:
        kind: their kind.
        positions: which of the qubits they act on.
        size: how many qubits there are.
        angles: addresses of their angles, `(gates, angles)`.
        per_sample: whether any of the angles varies.
    """

    kind: str
    positions: tuple[int, ...]
    size: int
    angles: np.ndarray
    per_sample: bool


@dataclass(frozen=True, eq=False)
class _Stack:
    """Products on as many qubits, all of which vary between samples or none.

    Args:
        size: how many qubits there are.
        rows: which products they are.
        factors: addresses of matrices `(longest, rows)`, the first one acting first; 0 is the identity.
    """

    size: int
    rows: tuple[int, ...]
    factors: np.ndarray


@dataclass(frozen=True, eq=False)
class GateProducts:
    """Products of a circuit's gates."""

    pools: tuple[_Pool, ...]
    stacks: tuple[_Stack, ...]

    def matrices(self, angles: AngleValues) -> dict[int, Tensor]:
        """Every product by its row, `(1, d, d)` or, where it varies, `(batch, d, d)`, attached to autograd."""
        dtype, device = angles.shared.dtype.to_complex(), angles.shared.device
        found: dict[int, Tensor] = {}
        for size in sorted({stack.size for stack in self.stacks}):
            identity = torch.eye(2**size, dtype=dtype, device=device)
            shared, per_sample = [identity[None]], [identity.new_zeros(angles.batch, 0, *identity.shape)]
            for pool in self.pools:
                if pool.size == size:
                    gates = GATES[pool.kind].matrix(angles.at(pool.angles).to(dtype))
                    (per_sample if pool.per_sample else shared).append(embedded(gates, pool.positions, size))
            one, own = torch.cat(shared), torch.cat(per_sample, dim=1)
            for stack in self.stacks:
                if stack.size == size:
                    product = pick(one, own, stack.factors[0])
                    for addresses in stack.factors[1:]:
                        product = pick(one, own, addresses) @ product
                    rows = (product if product.ndim == 4 else product[None]).unbind(1)
                    found.update(zip(stack.rows, rows, strict=True))
        return found


@dataclass(frozen=True)
class _Alike:
    """What the gates of a pool have in common."""

    kind: str
    positions: tuple[int, ...]
    size: int
    per_sample: bool


class ProductPlanning:
    """Collects the products of a circuit's gates one after the other."""

    def __init__(self, circuit: Circuit) -> None:
        address = compile_circuit(circuit).angles.address
        self._circuit = circuit
        self._addresses = np.split(address, np.cumsum([len(gate.angles) for gate in circuit.gates]))[:-1]
        self._pools: dict[_Alike, list[int]] = {}
        self._products: list[tuple[int, list[tuple[_Alike, int]]]] = []

    def add(self, gates: Sequence[tuple[int, tuple[int, ...]]], size: int) -> int:
        """The row of a new product of gates, each by its index and its positions among `size` qubits, in order."""
        members: list[tuple[_Alike, int]] = []
        for index, positions in gates:
            own = bool((self._addresses[index] < 0).any())
            alike = _Alike(self._circuit.gates[index].kind, positions, size, own)
            pool = self._pools.setdefault(alike, [])
            members.append((alike, len(pool)))
            pool.append(index)
        self._products.append((size, members))
        return len(self._products) - 1

    def finished(self) -> GateProducts:
        """The products so far."""
        counts: dict[tuple[int, bool], int] = {}
        starts: dict[_Alike, int] = {}
        for alike, gates in self._pools.items():
            kept = (alike.size, alike.per_sample)
            starts[alike] = counts.get(kept, 0 if alike.per_sample else 1)  # the identity is the first that is shared
            counts[kept] = starts[alike] + len(gates)
        stacks: dict[tuple[int, bool], list[int]] = {}
        for row, (size, members) in enumerate(self._products):
            stacks.setdefault((size, any(alike.per_sample for alike, _ in members)), []).append(row)
        return GateProducts(
            pools=tuple(
                _Pool(a.kind, a.positions, a.size, np.stack([self._addresses[g] for g in gates]), a.per_sample)
                for a, gates in self._pools.items()
            ),
            stacks=tuple(_Stack(size, tuple(rows), self._factors(rows, starts)) for (size, _), rows in stacks.items()),
        )

    def _factors(self, rows: Sequence[int], starts: dict[_Alike, int]) -> np.ndarray:
        members = [self._products[row][1] for row in rows]
        factors = np.zeros((max(map(len, members)), len(rows)), dtype=np.int64)
        for column, of_row in enumerate(members):
            places = [(alike.per_sample, starts[alike] + position) for alike, position in of_row]
            factors[: len(places), column] = [~place if own else place for own, place in places]
        return factors
