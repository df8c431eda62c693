"""What a circuit compiles to for the compiled engine: a flat list of passes over the state."""

from __future__ import annotations

import ctypes
import functools
import operator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from counterspin.circuits import Angle, Given
from counterspin.simulation.kernels.abi import ANGLE, PASS, PAULI, ROTATION, TERM, ProgramStruct
from counterspin.simulation.kernels.frame import PhysicalQubit

__all__ = ["AXES", "FlatProgram", "Pass", "PassKind", "Rotation"]

AXES = "XYZ"
_NEEDS_WEIGHTS, _NEEDS_INPUTS = 1, 2
_NO_QUBIT = PhysicalQubit(0, 0, 0)


class PassKind(IntEnum):
    """Kinds of passes, numbered as in c/program.h."""

    LOCAL = 0
    LOCAL_PAIR = 1
    CONTROLLED = 2
    PHASE_PAIR = 3
    FLIP_PAIR = 4
    SIGNS = 5


# Floating-point operations per amplitude: forward, and backward (both states back, gradients of the angles). A pair of
# amplitudes through an SU(2) takes 16 products and 12 sums; v takes 12 products and 12 sums.
_FLOPS = {
    PassKind.LOCAL: (14.0, 40.0),
    PassKind.LOCAL_PAIR: (28.0, 80.0),
    PassKind.CONTROLLED: (7.0, 20.0),
    PassKind.PHASE_PAIR: (6.0, 16.0),
    PassKind.FLIP_PAIR: (6.0, 16.0),
}


@dataclass(frozen=True)
class Rotation:
    """exp(-i angle/2 P) with P the Pauli matrix of the axis."""

    axis: str
    angle: Angle

    def __str__(self) -> str:
        """For example `RY(3.14·x0)`."""
        return f"R{self.axis}({self.angle})"


@dataclass(frozen=True, kw_only=True)
class Pass:
    """One sweep over the state.

    Args:
        kind: what it does.
        wires: logical qubits, as the circuit names them.
        qubits: their masks at that point of the program.
        runs: rotations fused to one SU(2) per qubit, first applied first; a controlled pass has none on its control.
        angle: of a two-qubit rotation.
        sign: -1 for YY instead of XX.
        signs: physical indices that change sign.
    """

    kind: PassKind
    wires: tuple[int, ...] = ()
    qubits: tuple[PhysicalQubit, ...] = ()
    runs: tuple[tuple[Rotation, ...], ...] = ()
    angle: Angle | None = None
    sign: int = 1
    signs: tuple[int, ...] = ()

    def flops(self, qubits: int) -> tuple[float, float]:
        """Estimated floating-point operations per sample, forward and backward."""
        if self.kind is PassKind.SIGNS:
            return 2.0 * len(self.signs), 4.0 * len(self.signs)
        forward, backward = _FLOPS[self.kind]
        return forward * 2**qubits, backward * 2**qubits

    def __str__(self) -> str:
        """For example `local pair q0: RY(x0) Rot | q1: …`."""
        match self.kind:
            case PassKind.SIGNS:
                return f"{len(self.signs)} basis states"
            case PassKind.PHASE_PAIR | PassKind.FLIP_PAIR:
                name = "ZZ" if self.kind is PassKind.PHASE_PAIR else "XX" if self.sign > 0 else "YY"
                return f"R{name}({self.angle}) q{self.wires[0]},q{self.wires[1]}"
            case PassKind.CONTROLLED:
                return f"q{self.wires[0]} controls q{self.wires[1]}: {_text(self.runs[1])}"
        return "; ".join(f"q{q}: {_text(run)}" for q, run in zip(self.wires, self.runs, strict=True))


def _text(run: tuple[Rotation, ...]) -> str:
    return " ".join(str(rotation) for rotation in run)


@dataclass(frozen=True, eq=False, kw_only=True)
class FlatProgram:
    """A compiled circuit with its measurement.

    Args:
        qubits: number of qubits.
        inputs: number of inputs, tensors given as angles appended.
        weights: number of weights.
        values: number of measured values.
        amplitudes: number of encoded amplitudes, 0 for |0…0⟩.
        complex_data: inputs are real parts followed by imaginary parts.
        passes: what to apply, in order.
        paulis: for each value (flip, mask, offset, turns) of its Pauli string; empty for outcome groups.
        group: the value every physical index counts for, -1 for none; empty for Pauli strings.
        given: tensors given as gate angles, the inputs after the circuit's own.
        phase: angle of the factor the passes leave out of the state.
        final: the masks of every logical qubit at the end.
    """

    qubits: int
    inputs: int
    weights: int
    values: int
    amplitudes: int
    complex_data: bool
    passes: tuple[Pass, ...]
    paulis: tuple[tuple[int, int, int, int], ...]
    group: np.ndarray
    given: tuple[Given, ...]
    phase: Angle
    final: tuple[PhysicalQubit, ...]

    @property
    def encoded(self) -> int:
        """Number of leading inputs that are amplitudes."""
        return 2 * self.amplitudes if self.complex_data else self.amplitudes

    @functools.cached_property
    def leading(self) -> int:
        """Number of first passes that act on different single qubits of |0…0⟩: they make a product state."""
        if self.amplitudes:
            return 0
        seen: list[PhysicalQubit] = []
        for position, step in enumerate(self.passes):
            local = step.kind in (PassKind.LOCAL, PassKind.LOCAL_PAIR)
            if not local or any(not new.commutes_with(old) for new in step.qubits for old in seen):
                return position
            seen += step.qubits
        return len(self.passes)

    @functools.cached_property
    def costs(self) -> tuple[tuple[float, float], ...]:
        """Estimated floating-point operations of each pass per sample, forward and backward.

        A leading pass multiplies each amplitude made so far by two numbers per qubit, and only reads its gradients.
        """
        found, known = [], 0
        for position, step in enumerate(self.passes):
            forward, backward = step.flops(self.qubits)
            if position < self.leading:
                forward = sum(12.0 * 2 ** (known + k) for k in range(len(step.qubits)))
                backward = 12.0 * len(step.qubits) * 2**self.qubits
                known += len(step.qubits)
            found.append((forward, backward))
        return tuple(found)

    @functools.cached_property
    def flops(self) -> tuple[float, float]:
        """Estimated floating-point operations per sample, forward and backward."""
        return sum(f for f, _ in self.costs), sum(b for _, b in self.costs)

    @functools.cached_property
    def order(self) -> np.ndarray:
        """Physical index of every logical basis state, `(2**qubits,)`."""
        logical = np.arange(2**self.qubits)
        physical = np.zeros_like(logical)
        for position, qubit in enumerate(reversed(self.final)):
            physical ^= np.where(logical >> position & 1 ^ qubit.offset, qubit.flip, 0)
        return physical

    @functools.cached_property
    def struct(self) -> ProgramStruct:
        """The program as the kernel takes it."""
        tables = _tabulated(self.passes)
        tables["pauli"] = np.array(list(self.paulis), dtype=PAULI)
        tables["group"] = np.ascontiguousarray(self.group, dtype=np.int32)
        pointers = {name: table.ctypes.data_as(ctypes.c_void_p).value for name, table in tables.items()}
        struct = ProgramStruct(
            qubits=self.qubits,
            inputs=self.inputs,
            weights=self.weights,
            values=self.values,
            amplitudes=self.amplitudes,
            complex_data=self.complex_data,
            angles=len(tables["angle"]),
            shared=int(sum(not needs & _NEEDS_INPUTS for needs in tables["angle"]["needs"])),
            passes=len(self.passes),
            paulis=len(self.paulis),
            leading=self.leading,
            **pointers,
        )
        struct.tables = tables  # keeps the memory alive that the struct points to
        return struct


def _tabulated(passes: tuple[Pass, ...]) -> dict[str, np.ndarray]:
    rotations = [rotation for step in passes for run in step.runs for rotation in run]
    used = [*(r.angle for r in rotations), *(step.angle for step in passes if step.angle is not None)]
    # Equal expressions share their cosine and sine; those without inputs come first.
    distinct = sorted(dict.fromkeys(used), key=lambda angle: bool(angle.inputs))
    index = {angle: k for k, angle in enumerate(distinct)}
    terms = [term for angle in distinct for term in angle.terms]
    starts = np.cumsum([0, *(len(angle.terms) for angle in distinct)])
    signs = np.cumsum([0, *(len(step.signs) for step in passes)])
    rows, position = [], 0
    for step, first_sign in zip(passes, signs, strict=False):
        runs = []
        for run in step.runs:
            runs.append((position, len(run)))
            position += len(run)
        runs += [(position, 0)] * (2 - len(runs))
        qubits = [*step.qubits, _NO_QUBIT, _NO_QUBIT][:2]
        angles = [*(r.angle for run in step.runs for r in run), *([] if step.angle is None else [step.angle])]
        needs = functools.reduce(operator.or_, map(_needs, angles), 0)
        own = 0 if step.angle is None else index[step.angle]
        pivots = _pivots([qubit.flip for qubit in step.qubits])
        rows.append((step.kind, own, step.sign, needs, *qubits, *runs, *pivots, first_sign, len(step.signs)))
    return {
        "angle": np.array(
            [(a.constant, s, len(a.terms), _needs(a), 0) for a, s in zip(distinct, starts, strict=False)], dtype=ANGLE
        ),
        "term": np.array(
            [(t.coefficient, -1 if t.input is None else t.input, -1 if t.weight is None else t.weight) for t in terms],
            dtype=TERM,
        ),
        "rotation": np.array([(AXES.index(r.axis), index[r.angle]) for r in rotations], dtype=ROTATION),
        "pass_": np.array(rows, dtype=PASS),
        "signs": np.array([i for step in passes for i in step.signs], dtype=np.int32),
    }


def _needs(angle: Angle) -> int:
    return (_NEEDS_WEIGHTS if angle.weights else 0) | (_NEEDS_INPUTS if angle.inputs else 0)


def _pivots(flips: list[int]) -> tuple[int, int]:
    """Bits, ascending, that are zero in exactly one index of every coset of the flips."""
    if not flips:
        return 0, 0
    first = flips[0].bit_length() - 1
    if len(flips) == 1:
        return first, first
    rest = flips[1] ^ flips[0] if flips[1] >> first & 1 else flips[1]
    low, high = sorted((first, rest.bit_length() - 1))
    return low, high
