"""Passes without what nobody reads: an observable of few strings looks at a part of the last vectors only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from counterspin.simulation.transfer.factoring import Additions
from counterspin.simulation.transfer.fusion import Run
from counterspin.simulation.transfer.reads import Reads
from counterspin.simulation.transfer.schedule import Index, Op, Pass, offsets

__all__ = ["Trimmed", "trimmed"]


@dataclass(frozen=True, eq=False)
class Trimmed:
    """What is left of a pass.

    Args:
        index: what is read instead of the vector itself.
        entries: offsets of the entries of a tile in the vector.
        bases: offsets of the tiles.
        ops: what is applied to each tile and at which offsets within it, for additions at none.
        strides: for each op those of its digits within the tile.
    """

    index: Index
    entries: np.ndarray
    bases: np.ndarray
    ops: tuple[tuple[Op, np.ndarray], ...]
    strides: tuple[tuple[int, ...], ...]

    @property
    def flops(self) -> float:
        """Floating-point operations forward."""
        per_tile = 2.0 * len(self.entries)
        for op, places in self.ops:
            if isinstance(op, Additions):
                per_tile += 2.0 * len(op.targets)
            else:
                per_tile += len(places) * (20.0 if isinstance(op, Run) else 2.0 * np.count_nonzero(op.transfer))
        return len(self.bases) * per_tile


def trimmed(passes: Sequence[Pass], reads: Reads, qubits: int) -> tuple[Trimmed, ...]:
    """The passes with the tiles, and in them the places, that reach what is read behind the last."""
    wanted = np.zeros(4**qubits, dtype=bool)
    wanted[reads.indices] = True
    found = []
    for step in reversed(passes):
        entries = offsets([4 ** (qubits - 1 - q) for q in step.tile])
        bases = offsets([4 ** (qubits - 1 - q) for q in range(qubits) if q not in step.tile])
        of_tiles = wanted[bases[:, None] + entries]
        bases, rows = bases[of_tiles.any(axis=1)], np.logical_or.reduce(of_tiles, axis=0)
        ops, strides = [], []
        for op in reversed(step.ops):
            own = (
                ()
                if isinstance(op, Additions)
                else tuple(4 ** (len(step.tile) - 1 - step.tile.index(q)) for q in op.qubits)
            )
            kept, places, rows = _kept(op, own, rows, len(step.tile))
            ops.append((kept, places))
            strides.append(own)
        found.append(Trimmed(step.index, entries, bases, tuple(reversed(ops)), tuple(reversed(strides))))
        wanted = np.zeros(4**qubits, dtype=bool)
        wanted[step.index.source[bases[:, None] + entries[rows]]] = True
    return tuple(reversed(found))


def _kept(op: Op, strides: Sequence[int], rows: np.ndarray, count: int) -> tuple[Op, np.ndarray, np.ndarray]:
    """What is left of an op, where it is applied, and which entries of the tile it reads for the wanted `rows`."""
    rows = rows.copy()
    if isinstance(op, Additions):
        kept = np.zeros(len(op.targets), dtype=bool)
        for k in reversed(range(len(kept))):
            kept[k] = rows[op.targets[k]]
            rows[op.sources[k]] |= kept[k]
        return Additions(op.targets[kept], op.sources[kept], op.factors[kept]), np.zeros(0, dtype=np.int64), rows
    rest = offsets([stride for stride in (4**k for k in reversed(range(count))) if stride not in strides])
    local = offsets(strides)
    if isinstance(op, Run):
        # The identity stays as it is: where nothing but it is wanted, nothing happens.
        reached = rows[rest[:, None] + local[1:]].any(1)
        reads = rest[reached][:, None] + (local if op.shifts else local[1:])
    else:
        asked = rows[rest[:, None] + local]
        reached = asked.any(1)
        rows[rest[:, None] + local] = asked @ (op.transfer != 0)
        reads = np.zeros(0, dtype=np.int64)
    rows[reads] = True
    return op, rest[reached], rows
