"""Lowering a circuit to passes: rotations fused per qubit, permutations into the frame, the rest split exactly."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from counterspin.circuits import Angle, Circuit, Gate, Given, Measurement, PauliExpectations, feature
from counterspin.errors import ResourceError
from counterspin.simulation.kernels.frame import Frame, PhysicalQubit
from counterspin.simulation.kernels.program import FlatProgram, Pass, PassKind, Rotation

__all__ = ["lower"]

_MOST_QUBITS = 31

_HALF, _FULL = Angle(math.pi / 2), Angle(math.pi)

# Fixed gates as a phase, which no measurement sees, and rotations.
_FIXED = {
    "Y": (math.pi / 2, (Rotation("Y", _FULL),)),
    "Z": (math.pi / 2, (Rotation("Z", _FULL),)),
    "H": (math.pi / 2, (Rotation("Z", _FULL), Rotation("Y", _HALF))),
    "S": (math.pi / 4, (Rotation("Z", _HALF),)),
    "T": (math.pi / 8, (Rotation("Z", Angle(math.pi / 4)),)),
    "SX": (math.pi / 4, (Rotation("X", _HALF),)),
}


@lru_cache(maxsize=256)
def lower(circuit: Circuit, measurement: Measurement | None = None) -> FlatProgram:
    """The passes of a circuit; compiled once per circuit and measurement (None: only the final states are wanted).

    Example:
        >>> from counterspin.circuits import PauliExpectations, strongly_entangling
        >>> program = lower(strongly_entangling(4, 1), PauliExpectations.of("Z0"))
        >>> [step.kind.name for step in program.passes]
        ['LOCAL_PAIR', 'LOCAL_PAIR']

    Raises:
        ResourceError: more qubits than 32-bit indices reach.
    """
    if circuit.qubits > _MOST_QUBITS:
        raise ResourceError(
            f"the circuit has {circuit.qubits} qubits; the compiled engine addresses at most {_MOST_QUBITS}. "
            "Use engine='torch'."
        )
    lowering = _Lowering(circuit)
    for index, gate in enumerate(circuit.gates):
        lowering.add(index, gate)
    lowering.finish()
    paulis, group = _reads(measurement, lowering.frame, circuit.qubits)
    amplitudes = circuit.amplitudes
    return FlatProgram(
        qubits=circuit.qubits,
        inputs=circuit.inputs + len(lowering.given),
        weights=circuit.weights,
        values=0 if measurement is None else measurement.values,
        amplitudes=0 if amplitudes is None else amplitudes.length,
        complex_data=amplitudes is not None and amplitudes.complex_data,
        passes=tuple(lowering.passes),
        paulis=paulis,
        group=group,
        given=tuple(lowering.given),
        phase=lowering.phase,
        final=tuple(lowering.frame.qubit(q) for q in range(circuit.qubits)),
    )


class _Lowering:
    """The passes so far, the frame, and what is not emitted yet: a run of rotations per qubit, and signs.

    A run waits until a gate couples its qubit to another one, signs until a pass does not commute with them.
    """

    def __init__(self, circuit: Circuit) -> None:
        self.passes: list[Pass] = []
        self.frame = Frame(circuit.qubits)
        self.given: list[Given] = []
        self.phase = Angle()
        self._circuit = circuit
        self._runs: list[list[Rotation]] = [[] for _ in range(circuit.qubits)]
        self._signs = np.zeros(2**circuit.qubits, dtype=bool)
        self._next_single = _next_single(circuit)

    def add(self, index: int, gate: Gate) -> None:
        angles = [self._expression(angle) for angle in gate.angles]
        first, last = gate.qubits[0], gate.qubits[-1]
        match gate.kind:
            case "X" if not self._runs[first]:
                self.frame.x(first)
            case "X":
                self.phase += math.pi / 2
                self._runs[first].append(Rotation("X", _FULL))
            case "SWAP":
                self.frame.swap(first, last)
                self._runs[first], self._runs[last] = self._runs[last], self._runs[first]
            case "CNOT":
                self._flush(index, first, last)
                self.frame.cnot(first, last)
            case "ECR":
                # (X⊗1) exp(-iπ/4 Z⊗X), whose exponential is a CNOT up to local quarter turns: it costs no pass.
                self._flush(index, first, last)
                self.frame.cnot(first, last)
                self.phase += 0.75 * math.pi
                self._runs[first] += [Rotation("Z", _HALF), Rotation("X", _FULL)]
                self._runs[last].append(Rotation("X", _HALF))
            case "CZ" | "MCZ":
                self._flush(index, *gate.qubits)
                self._signs ^= np.logical_and.reduce([self.frame.values(q) == 1 for q in gate.qubits])
            case "RX" | "RY" | "RZ":
                self._runs[first].append(Rotation(gate.kind[1], angles[0]))
            case "P":
                self.phase += 0.5 * angles[0]
                self._runs[first].append(Rotation("Z", angles[0]))
            case "Rot":
                self._runs[first] += [Rotation(axis, angle) for axis, angle in zip("ZYZ", angles, strict=True)]
            case "U3":
                theta, phi, lam = angles
                self.phase += 0.5 * (phi + lam)
                self._runs[first] += [Rotation("Z", lam), Rotation("Y", theta), Rotation("Z", phi)]
            case "CRX" | "CRY" | "CRZ":
                self._controlled(index, first, last, Rotation(gate.kind[2], angles[0]))
            case "CP":
                # diag(1, 1, 1, e^{iθ}) = e^{iθ/4} RZ(θ/2) on the control, then CRZ(θ).
                self.phase += 0.25 * angles[0]
                self._runs[first].append(Rotation("Z", 0.5 * angles[0]))
                self._controlled(index, first, last, Rotation("Z", angles[0]))
            case "RZZ":
                self._couple(index, gate, PassKind.PHASE_PAIR, angles[0])
            case "RXX" | "RYY":
                self._couple(index, gate, PassKind.FLIP_PAIR, angles[0], sign=1 if gate.kind == "RXX" else -1)
            case kind:
                phase, run = _FIXED[kind]
                self.phase += phase
                self._runs[first] += run

    def finish(self) -> None:
        self._flush(len(self._circuit.gates), *range(self._circuit.qubits))
        self._emit_signs()

    def _expression(self, angle: Angle | Given) -> Angle:
        """Tensors given as angles become inputs after the circuit's own."""
        if isinstance(angle, Angle):
            return angle
        if not any(angle is known for known in self.given):
            self.given.append(angle)
        position = next(k for k, known in enumerate(self.given) if known is angle)
        return feature(self._circuit.inputs + position)

    def _flush(self, index: int, *qubits: int) -> None:
        """Emit the runs of these qubits, and of one more whose run is complete if that makes a pair."""
        for qubit in qubits:
            self._emit_local(qubit)
        if self.passes and self.passes[-1].kind is PassKind.LOCAL:
            for qubit, run in enumerate(self._runs):
                if run and not self._next_single[index].get(qubit, False):
                    self._emit_local(qubit)
                    return

    def _emit_local(self, qubit: int) -> None:
        run, self._runs[qubit] = tuple(self._runs[qubit]), []
        if not run:
            return
        physical = self.frame.qubit(qubit)
        self._make_way(physical)
        last = self.passes[-1] if self.passes else None
        if last is not None and last.kind is PassKind.LOCAL and physical.commutes_with(last.qubits[0]):
            self.passes[-1] = Pass(
                kind=PassKind.LOCAL_PAIR,
                wires=(*last.wires, qubit),
                qubits=(*last.qubits, physical),
                runs=(*last.runs, run),
            )
        else:
            self.passes.append(Pass(kind=PassKind.LOCAL, wires=(qubit,), qubits=(physical,), runs=(run,)))

    def _controlled(self, index: int, control: int, target: int, rotation: Rotation) -> None:
        self._flush(index, control, target)
        qubits = (self.frame.qubit(control), self.frame.qubit(target))
        self._make_way(*qubits)
        last = self.passes[-1] if self.passes else None
        if last is not None and last.kind is PassKind.CONTROLLED and last.qubits == qubits:
            runs = ((), (*last.runs[1], rotation))
            self.passes[-1] = Pass(kind=PassKind.CONTROLLED, wires=last.wires, qubits=qubits, runs=runs)
        else:
            wires = (control, target)
            self.passes.append(Pass(kind=PassKind.CONTROLLED, wires=wires, qubits=qubits, runs=((), (rotation,))))

    def _couple(self, index: int, gate: Gate, kind: PassKind, angle: Angle, sign: int = 1) -> None:
        self._flush(index, *gate.qubits)
        qubits = tuple(self.frame.qubit(q) for q in gate.qubits)
        if kind is PassKind.FLIP_PAIR:
            self._make_way(*qubits)
        self.passes.append(Pass(kind=kind, wires=gate.qubits, qubits=qubits, angle=angle, sign=sign))

    def _make_way(self, *qubits: PhysicalQubit) -> None:
        """Emit the waiting signs unless they are the same on both values of every qubit: then they may come later."""
        if not self._signs.any():
            return
        indices = np.arange(len(self._signs))
        if any(bool((self._signs != self._signs[indices ^ qubit.flip]).any()) for qubit in qubits):
            self._emit_signs()

    def _emit_signs(self) -> None:
        if self._signs.any():
            self.passes.append(Pass(kind=PassKind.SIGNS, signs=tuple(self._signs.nonzero()[0].tolist())))
            self._signs = np.zeros_like(self._signs)


def _next_single(circuit: Circuit) -> list[dict[int, bool]]:
    """For each gate, and the end, whether the next gate on a qubit after it acts on that qubit alone."""
    found: list[dict[int, bool]] = [{}]
    for gate in reversed(circuit.gates):
        single = len(gate.qubits) == 1 or gate.kind == "SWAP"
        found.append({**found[-1], **{q: single for q in gate.qubits}})
    return [*found[-2::-1], {}] if circuit.gates else [{}]


def _reads(
    measurement: Measurement | None, frame: Frame, qubits: int
) -> tuple[tuple[tuple[int, int, int, int], ...], np.ndarray]:
    if isinstance(measurement, PauliExpectations):
        return tuple(_pauli(string, frame) for string in measurement.observables), np.zeros(0, dtype=np.int32)
    group = np.full(2**qubits, -1, dtype=np.int32)
    if measurement is None:
        return (), group
    outcome = np.zeros(2**qubits, dtype=np.int64)
    for qubit in measurement.measured:
        outcome = 2 * outcome + frame.values(qubit)
    for value, outcomes in enumerate(measurement.groups):
        group[np.isin(outcome, outcomes)] = value
    return (), group


def _pauli(string: tuple[tuple[int, str], ...], frame: Frame) -> tuple[int, int, int, int]:
    flip = mask = offset = turns = 0
    for q, letter in string:
        qubit = frame.qubit(q)
        if letter in "XY":
            flip ^= qubit.flip
        if letter in "YZ":
            mask ^= qubit.mask
            offset ^= qubit.offset
        turns += letter == "Y"
    return flip, mask, offset, turns % 4
