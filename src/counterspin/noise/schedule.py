"""When each gate of a circuit runs, as late as possible, and which qubits wait in between."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from counterspin.circuits import Circuit, Gate
from counterspin.errors import UsageError

__all__ = ["Durations", "IdleWindow", "Schedule", "alap_schedule", "time_ordered"]

# Seconds by gate kind and qubits; qubits () stand for any.
Durations = Mapping[tuple[str, tuple[int, ...]], float]

# Rotations about z are changes of the drive's phase on superconducting devices (McKay et al., arXiv:1612.00858).
_VIRTUAL = frozenset({"RZ"})
_SYMMETRIC = frozenset({"CZ", "CP", "SWAP", "RXX", "RYY", "RZZ"})


@dataclass(frozen=True, kw_only=True)
class IdleWindow:
    """A time in which no gate acts on a qubit.

    Args:
        qubit: the qubit.
        after: index of the last gate on it, or of none of them: -1.
        start: seconds from the start of the circuit.
        seconds: how long it lasts.
    """

    qubit: int
    after: int
    start: float
    seconds: float

    @property
    def end(self) -> float:
        """Seconds from the start of the circuit."""
        return self.start + self.seconds


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Start and end of every gate in seconds, and the waiting times of every qubit.

    Args:
        starts: of each gate.
        ends: of each gate.
        total: when the measurement begins.
        idle: the windows longer than rounding, by qubit and time. A qubit waits from the start of the circuit to its
            first gate (in the prepared state, which amplitude encodings make exciting) and from its last gate to
            `total`.
    """

    starts: tuple[float, ...]
    ends: tuple[float, ...]
    total: float
    idle: tuple[IdleWindow, ...]

    @classmethod
    def of(cls, circuit: Circuit, starts: Sequence[float], ends: Sequence[float], total: float) -> Schedule:
        """The schedule of given times, one start and end per gate; gates on one qubit are listed in order."""
        idle = _windows(circuit, starts, ends, total)
        return cls(starts=tuple(starts), ends=tuple(ends), total=total, idle=idle)


def alap_schedule(circuit: Circuit, durations: Durations) -> Schedule:
    """The circuit's gates as late as possible: qubits wait in their initial state rather than in a superposition.

    Args:
        circuit: what runs.
        durations: seconds by `(kind, qubits)`, or by `(kind, ())` for any qubits; `RZ` takes no time where it is not
            listed.

    Raises:
        UsageError: a gate whose duration is missing, or a duration that is negative or not finite.

    Example:
        >>> plan = alap_schedule(
        ...     Circuit(2).add("H", 0).add("X", 1).add("X", 1).add("CNOT", (0, 1)),
        ...     {("H", ()): 1.0, ("X", ()): 2.0, ("CNOT", (0, 1)): 5.0},
        ... )
        >>> plan.starts, plan.total, [(w.qubit, w.after, w.seconds) for w in plan.idle]
        ((3.0, 0.0, 2.0, 4.0), 9.0, [(0, -1, 3.0)])
    """
    lengths = [_seconds(gate, durations) for gate in circuit.gates]
    # Times counted back from the measurement.
    free = [0.0] * circuit.qubits
    ends_back = [0.0] * len(lengths)
    for index in range(len(lengths) - 1, -1, -1):
        qubits = circuit.gates[index].qubits
        ends_back[index] = max(free[q] for q in qubits)
        for q in qubits:
            free[q] = ends_back[index] + lengths[index]
    total = max(free)
    ends = [total - back for back in ends_back]
    starts = [total - (back + length) for back, length in zip(ends_back, lengths, strict=True)]
    return Schedule.of(circuit, starts, ends, total)


def time_ordered(circuit: Circuit, durations: Durations) -> Circuit:
    """The same circuit with its gates listed in the order of time (of their middles), where crosstalk has its place.

    Raises:
        UsageError: as `alap_schedule`; a circuit with layers, whose ends would lose their meaning.
    """
    if circuit.layers:
        raise UsageError("the circuit has layers, which have no place in the order of time; drop its layers first.")
    plan = alap_schedule(circuit, durations)
    order = sorted(range(len(circuit.gates)), key=lambda index: (plan.starts[index] + plan.ends[index], index))
    return replace(circuit, gates=tuple(circuit.gates[index] for index in order))


def _windows(circuit: Circuit, starts: Sequence[float], ends: Sequence[float], total: float) -> tuple[IdleWindow, ...]:
    negligible = 1e-12 * total
    found = []
    for qubit in range(circuit.qubits):
        last, clock = -1, 0.0
        gates = [index for index, gate in enumerate(circuit.gates) if qubit in gate.qubits]
        for index, start in [*((index, starts[index]) for index in gates), (-1, total)]:
            if start - clock > negligible:
                found.append(IdleWindow(qubit=qubit, after=last, start=clock, seconds=start - clock))
            last, clock = index, ends[index] if index >= 0 else total
    return tuple(found)


def _seconds(gate: Gate, durations: Durations) -> float:
    reversed_too = (gate.qubits, gate.qubits[::-1]) if gate.kind in _SYMMETRIC else (gate.qubits,)
    for qubits in (*reversed_too, ()):
        seconds = durations.get((gate.kind, qubits))
        if seconds is None:
            continue
        if not (math.isfinite(seconds) and seconds >= 0):
            raise UsageError(
                f"the duration of {gate.kind} on {qubits or 'any qubits'} is {seconds}; give finite seconds of at "
                "least 0."
            )
        return seconds
    if gate.kind in _VIRTUAL:
        return 0.0
    raise UsageError(
        f"durations has no entry for gate {gate.kind} on {gate.qubits}; add {(gate.kind, gate.qubits)} or "
        f"{(gate.kind, ())} in seconds."
    )
