"""Fused steps as passes: one change of index for all that is monomial, then several maps on a tile of few qubits.

A pass gathers the entries of a tile, as many as fit into the nearest cache, applies all maps it can to them and writes
them back, so that memory is walked once for many maps. A map that is monomial but for a few additions makes those in
its tile, and its monomial part joins the next change of index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from counterspin.simulation.transfer.factoring import Additions, Factored, factored
from counterspin.simulation.transfer.fusion import Fused, Run
from counterspin.simulation.transfer.primitives import Constant

__all__ = ["TILE_QUBITS", "Index", "Op", "Pass", "offsets", "schedule"]

TILE_QUBITS = 4

Op = Run | Constant | Additions


@dataclass(frozen=True, eq=False)
class Index:
    """A monomial map of a vector: entry i of the result is `scale[i] * r[source[i]]`."""

    source: np.ndarray
    scale: np.ndarray

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing."""
        return bool((self.source == np.arange(len(self.source))).all() and (self.scale == 1).all())

    def then(self, other: Index) -> Index:
        """This change and then another one."""
        return Index(self.source[other.source], other.scale * self.scale[other.source])


@dataclass(frozen=True, eq=False)
class Pass:
    """One walk over the vector.

    Args:
        index: what is read instead of the vector itself.
        tile: the qubits of a tile, ascending.
        ops: what is applied to each tile, first applied first; additions number the entries of the tile.
    """

    index: Index
    tile: tuple[int, ...]
    ops: tuple[Op, ...]


def schedule(ops: Sequence[Fused], qubits: int, tile: int = TILE_QUBITS) -> tuple[tuple[Pass, ...], Index]:
    """Passes, and the change of index between the last of them and the values.

    Args:
        ops: of `fuse`, each on at most `tile` qubits unless it is monomial.
        qubits: of the circuit.
        tile: the most qubits of a tile.
    """
    passes = []
    waiting = [_factored(op) for op in ops]
    left_over = _unchanged(qubits)
    while True:
        index, waiting = _monomials(waiting, qubits)
        index = left_over.then(index)
        chosen, taken, waiting = _tile(waiting, qubits, tile)
        if not taken:
            return tuple(passes), index
        made, inner = _within(chosen, taken)
        passes.append(Pass(index, chosen, made))
        left_over = _widened(inner.source, inner.scale, chosen, qubits)


def offsets(strides: Sequence[int]) -> np.ndarray:
    """Offsets of all digits of the qubits with these strides, the first most significant."""
    found = np.zeros(1, dtype=np.int64)
    for stride in strides:
        found = (found[:, None] + stride * np.arange(4)).ravel()
    return found


def _factored(op: Fused) -> Fused | Factored:
    """Maps without turns as factors, where they have some."""
    if isinstance(op, Run):
        element = op.elements[0] if len(op.elements) == 1 else None
        return (factored(element, op.qubits) if isinstance(element, np.ndarray) else None) or op
    return factored(op.transfer, op.qubits) or op


def _monomials(ops: Sequence[Fused | Factored], qubits: int) -> tuple[Index, list[Fused | Factored]]:
    """Everything monomial that waits for nothing else, as one change of index, and the rest."""
    index = _unchanged(qubits)
    blocked: set[int] = set()
    rest: list[Fused | Factored] = []
    for op in ops:
        if isinstance(op, Factored) and op.is_monomial and not blocked & set(op.qubits):
            index = index.then(_widened(op.source, op.scale, op.qubits, qubits))
        else:
            blocked |= set(op.qubits)
            rest.append(op)
    return index, rest


def _is_free(op: Fused | Factored) -> bool:
    return isinstance(op, Factored) and op.is_monomial


def _tile(
    ops: Sequence[Fused | Factored], qubits: int, most: int
) -> tuple[tuple[int, ...], list[Fused | Factored], list[Fused | Factored]]:
    """The qubits of a tile, what is applied to it, and the rest: the tile that takes most of what others wait for."""
    heights = _heights(ops)
    choices = [_taken(ops, set(tile)) for tile in combinations(range(qubits), min(most, qubits))]
    taken = max(
        choices, key=lambda positions: sorted((heights[k] for k in positions if not _is_free(ops[k])), reverse=True)
    )
    chosen = {q for position in taken for q in ops[position].qubits}
    rest = [op for position, op in enumerate(ops) if position not in taken]
    return tuple(sorted(chosen)), [ops[position] for position in sorted(taken)], rest


def _heights(ops: Sequence[Fused | Factored]) -> list[int]:
    """For each op the most that come one after the other from it on, monomial ones not counted."""
    found, last = [0] * len(ops), dict[int, int]()
    for position in reversed(range(len(ops))):
        own = ops[position].qubits
        found[position] = (not _is_free(ops[position])) + max((last.get(q, 0) for q in own), default=0)
        last.update(dict.fromkeys(own, found[position]))
    return found


def _taken(ops: Sequence[Fused | Factored], tile: set[int]) -> set[int]:
    """Which ops can be applied to a tile at once. Nothing follows a monomial map but additions."""
    blocked: set[int] = set()
    moved: set[int] = set()
    taken = set()
    for position, op in enumerate(ops):
        own = set(op.qubits)
        fixed = isinstance(op, Factored)
        if own <= tile and not own & blocked and (fixed or not own & moved):
            taken.add(position)
            moved |= own if fixed else set()
        else:
            blocked |= own
    return taken


def _within(tile: tuple[int, ...], taken: Sequence[Fused | Factored]) -> tuple[tuple[Op, ...], Index]:
    """What is applied to a tile, all monomial parts behind the rest, and those.

    With M the monomial parts so far, adding to r[t] from r[s] behind them is adding to r[M(t)] from r[M(s)] before.
    """
    index = _unchanged(len(tile))
    made: list[Op] = []
    for op in taken:
        if not isinstance(op, Factored):
            made.append(op)
            continue
        places = tuple(tile.index(q) for q in op.qubits)
        index = index.then(_widened(op.source, op.scale, places, len(tile)))
        if not op.is_monomial:
            added = _before(_spread(op.additions, places, len(tile)), index)
            last = made[-1] if made else None
            if isinstance(last, Additions):
                made[-1] = _joined(last, added)
            else:
                made.append(added)
    return tuple(made), index


def _spread(own: Additions, places: Sequence[int], count: int) -> Additions:
    """Additions on some digits for all values of the others."""
    local = offsets([4 ** (count - 1 - q) for q in places])
    rest = offsets([4 ** (count - 1 - q) for q in range(count) if q not in places])
    targets, sources = ((local[part][:, None] + rest).ravel() for part in (own.targets, own.sources))
    return Additions(targets, sources, np.repeat(own.factors, len(rest)))


def _before(own: Additions, index: Index) -> Additions:
    factors = own.factors * index.scale[own.sources] / index.scale[own.targets]
    return Additions(index.source[own.targets], index.source[own.sources], factors)


def _joined(first: Additions, second: Additions) -> Additions:
    pairs = ((getattr(first, name), getattr(second, name)) for name in ("targets", "sources", "factors"))
    return Additions(*map(np.concatenate, pairs))


def _unchanged(qubits: int) -> Index:
    return Index(np.arange(4**qubits, dtype=np.int32), np.ones(4**qubits))


def _widened(source: np.ndarray, scale: np.ndarray, places: Sequence[int], count: int) -> Index:
    """A monomial map of some of `count` digits on all of them."""
    local = offsets([4 ** (count - 1 - q) for q in places])
    rest = offsets([4 ** (count - 1 - q) for q in range(count) if q not in places])
    found, factors = np.empty(4**count, dtype=np.int32), np.empty(4**count)
    found[local[:, None] + rest] = local[source][:, None] + rest
    factors[local[:, None] + rest] = scale[:, None]
    return Index(found, factors)
