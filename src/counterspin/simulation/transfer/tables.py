"""Passes and reads as the flat tables of kernels/c/transfer_program.h."""

from __future__ import annotations

import functools
import operator
from collections.abc import Hashable, Sequence

import numpy as np

from counterspin.circuits import Angle
from counterspin.simulation.kernels.abi import ANGLE, ROTATION, TERM
from counterspin.simulation.transfer.abi import ADDITIONS_KIND, OP, PASS, RUN_KIND, SPARSE_KIND
from counterspin.simulation.transfer.factoring import Additions
from counterspin.simulation.transfer.fusion import Run
from counterspin.simulation.transfer.primitives import AXES, Turn
from counterspin.simulation.transfer.reads import Reads
from counterspin.simulation.transfer.schedule import Op, offsets
from counterspin.simulation.transfer.trimming import Trimmed

__all__ = ["tabulated"]

_FIXED_AXIS = 3
_NEEDS_WEIGHTS, _NEEDS_INPUTS = 1, 2


def tabulated(
    first: Sequence[Run], passes: Sequence[Trimmed], reads: Reads, real: type[np.floating]
) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """The tables by their names in the structure, and the counts of both structures."""
    runs = [*first, *(op for step in passes for op, _ in step.ops if isinstance(op, Run))]
    turns = [turn for run in runs for turn in run.turns]
    # Those without inputs come first, computed once for all samples.
    distinct = sorted(dict.fromkeys(turn.angle for turn in turns), key=lambda angle: bool(angle.inputs))
    writer = _Writer({angle: k for k, angle in enumerate(distinct)}, prepared=bool(first))
    for run in first:
        writer.run(run, 0, np.zeros(0, dtype=np.int64))
    for step in passes:
        writer.add(step)
    terms = [term for angle in distinct for term in angle.terms]
    starts = np.cumsum([0, *(len(angle.terms) for angle in distinct)])
    tables = {
        "angle": np.array(
            [(a.constant, s, len(a.terms), _needs(a), 0) for a, s in zip(distinct, starts, strict=False)], dtype=ANGLE
        ),
        "term": np.array(
            [(t.coefficient, -1 if t.input is None else t.input, -1 if t.weight is None else t.weight) for t in terms],
            dtype=TERM,
        ),
        "rotation": np.array(writer.rotations, dtype=ROTATION),
        "pass_": np.array(writer.passes, dtype=PASS),
        "op": np.array(writer.ops, dtype=OP),
        "offset": _joined(writer.offsets.parts, np.int32),
        "source": _joined(writer.sources, np.int32),
        "scale": _joined(writer.scales, real),
        "map": _joined(writer.maps, real),
        "start": _joined(writer.starts.parts, np.int32),
        "entry": _joined(writer.entries, np.int32),
        "coefficient": _joined(writer.coefficients, real),
        "read_start": np.ascontiguousarray(reads.starts, dtype=np.int32),
        "read_entry": np.ascontiguousarray(_spaced(reads.indices), dtype=np.int32),
        "read_coefficient": np.ascontiguousarray(reads.coefficients, dtype=real),
    }
    counts = {
        "angles": len(distinct),
        "shared": sum(not angle.inputs for angle in distinct),
        "passes": len(passes),
        "most_ops": max((len(step.ops) for step in passes), default=0),
        "most_taped": max((sum(bool(_op_needs(op)) for op, _ in step.ops) for step in passes), default=0),
        "longest": max((len(run.elements) for run in runs), default=0),
    }
    return tables, counts


def _joined(parts: Sequence[np.ndarray], dtype: type) -> np.ndarray:
    return np.ascontiguousarray(np.concatenate([np.zeros(0), *map(np.ravel, parts)]), dtype=dtype)


def _needs(angle: Angle) -> int:
    return (_NEEDS_WEIGHTS if angle.weights else 0) | (_NEEDS_INPUTS if angle.inputs else 0)


def _op_needs(op: Op) -> int:
    return functools.reduce(operator.or_, (_needs(turn.angle) for turn in op.turns), 0) if isinstance(op, Run) else 0


def _spaced(strings: np.ndarray) -> np.ndarray:
    """Where these strings lie in a vector, as in kernels/c/transfer_program.h."""
    return strings + (strings >> 8)


class _Pool:
    """Arrays one behind the other, equal ones once."""

    def __init__(self) -> None:
        self.parts: list[np.ndarray] = []
        self._places: dict[Hashable, int] = {}
        self._length = 0

    def place(self, values: np.ndarray) -> int:
        key = values.tobytes()
        if key not in self._places:
            self._places[key] = self._length
            self._length += len(values)
            self.parts.append(values)
        return self._places[key]


class _Writer:
    """The tables that grow with each pass."""

    def __init__(self, angles: dict[Angle, int], *, prepared: bool) -> None:
        self.passes: list[tuple[int, ...]] = []
        self.ops: list[tuple] = []
        self.rotations: list[tuple[int, int]] = []
        self.maps: list[np.ndarray] = []
        self.entries: list[np.ndarray] = []
        self.coefficients: list[np.ndarray] = []
        self.sources: list[np.ndarray] = []
        self.scales: list[np.ndarray] = []
        self.offsets, self.starts = _Pool(), _Pool()
        self._angles, self._prepared = angles, prepared
        self._known: dict[Hashable, int] = {}
        self._written = 0

    def add(self, step: Trimmed) -> None:
        """One pass with its maps."""
        needs = functools.reduce(operator.or_, (_op_needs(op) for op, _ in step.ops), 0)
        sizes = (len(step.entries), len(step.bases))
        tile, base = (self.offsets.place(_spaced(part)) for part in (step.entries, step.bases))
        index = self._index(step)
        self.passes.append((len(self.ops), len(step.ops), needs, index, tile, sizes[0], base, sizes[1]))
        for (op, rest), strides in zip(step.ops, step.strides, strict=True):
            if isinstance(op, Run):
                self.run(op, strides[0], rest)
            elif isinstance(op, Additions):
                places = (len(op.targets), self.offsets.place(op.targets), 0, 0)
                self.ops.append((ADDITIONS_KIND, 0, 0, 0, (0, 0), *places, self._entries(op.sources, op.factors), 0))
            else:
                local = offsets(strides)
                places = (len(local), self.offsets.place(local), self.offsets.place(rest), len(rest))
                tables = (self._rows(op.transfer), self._rows(op.transfer.T))
                self.ops.append((SPARSE_KIND, 0, 0, 0, (0, 0), *places, *tables))

    def run(self, op: Run, stride: int, rest: np.ndarray) -> None:
        """A run on the digit of a stride, at these offsets."""
        run = (len(self.rotations), len(op.elements))
        for element in op.elements:
            self.rotations.append(self._element(element))
        places = (0, 0, self.offsets.place(rest), len(rest))
        self.ops.append((RUN_KIND, _op_needs(op), op.shifts, stride, run, *places, 0, 0))

    def _index(self, step: Trimmed) -> int:
        """What its tiles read, in the order in which they are walked. A product lies at no place."""
        product = self._prepared and not self.passes
        if step.index.is_identity and not product:
            return -1
        own = (step.bases[:, None] + step.entries).ravel()
        source, scale = step.index.source[own], step.index.scale[own]
        self.sources.append(_spaced(source))
        self.scales.append(scale)
        return sum(map(len, self.sources[:-1]))

    def _element(self, element: Turn | np.ndarray) -> tuple[int, int]:
        if isinstance(element, Turn):
            return AXES.index(element.axis), self._angles[element.angle]
        self.maps.append(element[1:])
        return _FIXED_AXIS, len(self.maps) - 1

    def _rows(self, matrix: np.ndarray) -> int:
        """Where the row starts of the matrix lie; its entries are written once."""
        key = ("rows", matrix.tobytes(), matrix.shape)
        if key not in self._known:
            rows, columns = matrix.nonzero()
            counts = np.bincount(rows, minlength=len(matrix))
            starts = self._entries(columns, matrix[rows, columns]) + np.cumsum([0, *counts])
            self._known[key] = self.starts.place(starts)
        return self._known[key]

    def _entries(self, columns: np.ndarray, coefficients: np.ndarray) -> int:
        """Where they begin in the table of entries."""
        begin, self._written = self._written, self._written + len(columns)
        self.entries.append(columns)
        self.coefficients.append(coefficients)
        return begin
