"""Fused steps as passes: one change of index for all that is monomial, then several maps on a tile of few qubits.

A pass gathers the entries of a tile, as many as fit into the nearest cache, applies all maps it can to them and writes
them back, so that memory is walked once for many maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from counterspin.simulation.transfer.fusion import Fused, is_monomial
from counterspin.simulation.transfer.primitives import Constant

__all__ = ["TILE_QUBITS", "Index", "Pass", "schedule"]

TILE_QUBITS = 4


@dataclass(frozen=True, eq=False)
class Index:
    """A monomial map of the whole vector: entry i of the result is `scale[i] * r[source[i]]`."""

    source: np.ndarray
    scale: np.ndarray

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing."""
        return bool((self.source == np.arange(len(self.source))).all() and (self.scale == 1).all())


@dataclass(frozen=True, eq=False)
class Pass:
    """One walk over the vector.

    Args:
        index: what is read instead of the vector itself.
        tile: the qubits of a tile, ascending.
        ops: what is applied to each tile, first applied first.
    """

    index: Index
    tile: tuple[int, ...]
    ops: tuple[Fused, ...]


def schedule(ops: Sequence[Fused], qubits: int, tile: int = TILE_QUBITS) -> tuple[tuple[Pass, ...], Index]:
    """Passes, and the change of index between the last of them and the values.

    Args:
        ops: of `fuse`, each on at most `tile` qubits unless it is monomial.
        qubits: of the circuit.
        tile: the most qubits of a tile.
    """
    passes = []
    waiting = list(ops)
    while True:
        index, waiting = _monomials(waiting, qubits)
        chosen, taken, waiting = _tile(waiting, tile)
        if not taken:
            return tuple(passes), index
        passes.append(Pass(index, chosen, tuple(taken)))


def _monomials(ops: Sequence[Fused], qubits: int) -> tuple[Index, list[Fused]]:
    """Everything monomial that waits for nothing else, as one change of index, and the rest."""
    source, scale = np.arange(4**qubits, dtype=np.int32), np.ones(4**qubits)
    blocked: set[int] = set()
    rest: list[Fused] = []
    for op in ops:
        if isinstance(op, Constant) and not blocked & set(op.qubits) and is_monomial(op.transfer):
            own = _index(op, qubits)
            source, scale = source[own.source], own.scale * scale[own.source]
        else:
            blocked |= set(op.qubits)
            rest.append(op)
    return Index(source, scale), rest


def _tile(ops: Sequence[Fused], most: int) -> tuple[tuple[int, ...], list[Fused], list[Fused]]:
    """The qubits of a tile, what is applied to it, and the rest."""
    chosen: set[int] = set()
    blocked: set[int] = set()
    taken: list[Fused] = []
    rest: list[Fused] = []
    for op in ops:
        own = set(op.qubits)
        free = not blocked & own and len(chosen | own) <= most
        if free and not (isinstance(op, Constant) and is_monomial(op.transfer)):
            chosen |= own
            taken.append(op)
        else:
            blocked |= own
            rest.append(op)
    return tuple(sorted(chosen)), taken, rest


def _index(op: Constant, qubits: int) -> Index:
    """A monomial map of some qubits on all of them."""
    rows = np.arange(len(op.transfer))
    columns = (op.transfer != 0).argmax(axis=1)
    places = np.arange(4**qubits, dtype=np.int32)
    strides = [4 ** (qubits - 1 - q) for q in op.qubits]
    weights = [4 ** (len(op.qubits) - 1 - k) for k in range(len(op.qubits))]
    digits = [places // stride % 4 for stride in strides]
    row = sum(weight * digit for weight, digit in zip(weights, digits, strict=True))
    moved = columns[row]
    source = places + sum(
        ((moved // weight % 4 - digit) * stride) for weight, digit, stride in zip(weights, digits, strides, strict=True)
    )
    return Index(source.astype(np.int32), op.transfer[rows, columns][row])
