"""Passes and reads as the flat tables of kernels/c/transfer_program.h."""

from __future__ import annotations

import functools
import operator
from collections.abc import Hashable, Sequence

import numpy as np

from counterspin.circuits import Angle
from counterspin.simulation.kernels.abi import ANGLE, ROTATION, TERM
from counterspin.simulation.transfer.abi import OP, PASS, RUN_KIND, SPARSE_KIND
from counterspin.simulation.transfer.fusion import Fused, Run
from counterspin.simulation.transfer.primitives import AXES, Turn
from counterspin.simulation.transfer.reads import Reads
from counterspin.simulation.transfer.schedule import Index, Pass

__all__ = ["tabulated"]

_FIXED_AXIS = 3
_NEEDS_WEIGHTS, _NEEDS_INPUTS = 1, 2


def tabulated(
    passes: Sequence[Pass], reads: Reads, qubits: int, real: type[np.floating]
) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """The tables by their names in the structure, and the counts of both structures."""
    turns = [turn for step in passes for op in step.ops if isinstance(op, Run) for turn in op.turns]
    # Those without inputs come first, computed once for all samples.
    distinct = sorted(dict.fromkeys(turn.angle for turn in turns), key=lambda angle: bool(angle.inputs))
    writer = _Writer({angle: k for k, angle in enumerate(distinct)}, qubits)
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
        "source": _joined([index.source for index in writer.indices], np.int32),
        "scale": _joined([index.scale for index in writer.indices], real),
        "map": _joined(writer.maps, real),
        "start": _joined(writer.starts.parts, np.int32),
        "entry": _joined(writer.entries, np.int32),
        "coefficient": _joined(writer.coefficients, real),
        "read_start": np.ascontiguousarray(reads.starts, dtype=np.int32),
        "read_entry": np.ascontiguousarray(reads.indices, dtype=np.int32),
        "read_coefficient": np.ascontiguousarray(reads.coefficients, dtype=real),
    }
    counts = {
        "angles": len(distinct),
        "shared": sum(not angle.inputs for angle in distinct),
        "passes": len(passes),
        "most_ops": max((len(step.ops) for step in passes), default=0),
        "most_taped": max((sum(bool(_op_needs(op)) for op in step.ops) for step in passes), default=0),
        "longest": max((len(op.elements) for step in passes for op in step.ops if isinstance(op, Run)), default=0),
    }
    return tables, counts


def _joined(parts: Sequence[np.ndarray], dtype: type) -> np.ndarray:
    return np.ascontiguousarray(np.concatenate([np.zeros(0), *map(np.ravel, parts)]), dtype=dtype)


def _needs(angle: Angle) -> int:
    return (_NEEDS_WEIGHTS if angle.weights else 0) | (_NEEDS_INPUTS if angle.inputs else 0)


def _op_needs(op: Fused) -> int:
    return functools.reduce(operator.or_, (_needs(turn.angle) for turn in op.turns), 0) if isinstance(op, Run) else 0


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

    def __init__(self, angles: dict[Angle, int], qubits: int) -> None:
        self.passes: list[tuple[int, ...]] = []
        self.ops: list[tuple] = []
        self.rotations: list[tuple[int, int]] = []
        self.maps: list[np.ndarray] = []
        self.entries: list[np.ndarray] = []
        self.coefficients: list[np.ndarray] = []
        self.indices: list[Index] = []
        self.offsets, self.starts = _Pool(), _Pool()
        self._angles, self._qubits = angles, qubits
        self._known: dict[Hashable, int] = {}
        self._written = 0

    def add(self, step: Pass) -> None:
        """One pass with its maps."""
        needs = functools.reduce(operator.or_, map(_op_needs, step.ops), 0)
        strides = [4 ** (self._qubits - 1 - q) for q in step.tile]
        others = [4 ** (self._qubits - 1 - q) for q in range(self._qubits) if q not in step.tile]
        tile, base = _offsets(strides), _offsets(others)
        places = (self.offsets.place(tile), len(tile), self.offsets.place(base), len(base))
        self.passes.append((len(self.ops), len(step.ops), needs, self._index(step.index), *places))
        for op in step.ops:
            self._op(op, step.tile)

    def _index(self, index: Index) -> int:
        if index.is_identity:
            return -1
        key = (index.source.tobytes(), index.scale.tobytes())
        if key not in self._known:
            self._known[key] = len(self.indices) * 4**self._qubits
            self.indices.append(index)
        return self._known[key]

    def _op(self, op: Fused, tile: tuple[int, ...]) -> None:
        strides = [4 ** (len(tile) - 1 - tile.index(q)) for q in op.qubits]
        if isinstance(op, Run):
            first = len(self.rotations)
            for element in op.elements:
                self.rotations.append(self._element(element))
            run = (first, len(op.elements))
            self.ops.append((RUN_KIND, _op_needs(op), op.shifts, strides[0], run, 0, 0, 0, 0, 0, 0))
            return
        local = _offsets(strides)
        rest = _offsets([4 ** (len(tile) - 1 - k) for k, q in enumerate(tile) if q not in op.qubits])
        places = (len(local), self.offsets.place(local), self.offsets.place(rest), len(rest))
        tables = (self._rows(op.transfer), self._rows(op.transfer.T))
        self.ops.append((SPARSE_KIND, 0, 0, 0, (0, 0), *places, *tables))

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
            starts = self._written + np.cumsum([0, *counts])
            self._written += len(rows)
            self.entries.append(columns)
            self.coefficients.append(matrix[rows, columns])
            self._known[key] = self.starts.place(starts)
        return self._known[key]


def _offsets(strides: Sequence[int]) -> np.ndarray:
    """Offsets of all digits of the qubits with these strides, the first most significant."""
    found = np.zeros(1, dtype=np.int64)
    for stride in strides:
        found = (found[:, None] + stride * np.arange(4)).ravel()
    return found
