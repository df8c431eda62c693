"""Dynamical decoupling of waiting qubits (Viola, Knill and Lloyd, quant-ph/9809071)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from counterspin.circuits import Angle, Circuit, Gate
from counterspin.errors import ConditionsError, UsageError
from counterspin.mitigation.base import Variant
from counterspin.mitigation.places import by_gate, gate_places, with_places
from counterspin.noise import IdleRule, IdleWindow, NoiseModel, Schedule, alap_schedule

__all__ = ["SEQUENCES", "SPACINGS", "Decoupling", "gaps"]

SEQUENCES = {"XX": "XX", "XY4": "XYXY"}
SPACINGS = ("symmetric", "even")


@dataclass(frozen=True, kw_only=True)
class Decoupling:
    r"""Pulses in the waiting times of the schedule that turn slow phases back and multiply to the identity.

    Between gates a qubit turns about z at its detuning and by ZZ with its neighbours; each X or Y reverses the sign.
    With symmetric spacing a phase that is constant over the window cancels. ZZ between two qubits that wait together is
    not cancelled where both get the same pulses at the same times. Relaxation stays, and every pulse brings the noise
    of its gate.

    Windows shorter than twice the pulses stay empty, and those before a qubit's first gate where it waits in 0. A Y is
    a virtual RZ(π) before an X; without X among the durations, an X is two SX.

    Args:
        sequence: `"XX"` or `"XY4"` (X, Y, X, Y).
        spacing: `"symmetric"`: half a gap before the first and after the last pulse; `"even"`: equal gaps everywhere,
            as mitiq does, with which k pulses leave a share of 1/(k+1) of the phase.

    Raises:
        UsageError: an unknown sequence or spacing.

    Example:
        >>> durations = {("X", ()): 1e-8, ("H", ()): 1e-8, ("CZ", ()): 4e-8}
        >>> rule = IdleRule(durations=durations, t1=(1e-4, 1e-4), t2=(1e-4, 1e-4))
        >>> circuit = Circuit(2).add("CZ", (0, 1)).add("H", 0).add("H", 0).add("H", 0).add("H", 0).add("CZ", (0, 1))
        >>> variant = Decoupling().construct(circuit, NoiseModel(idle=rule))[0]
        >>> print(*[str(gate) for gate in variant.circuit.gates if gate.qubits == (1,)])
        X q1 X q1
    """

    sequence: str = "XX"
    spacing: str = "symmetric"

    linear = True

    def __post_init__(self) -> None:
        """Refuse unknown names."""
        if self.sequence not in SEQUENCES:
            raise UsageError(f"sequence is {self.sequence!r}; allowed: {', '.join(SEQUENCES)}.")
        if self.spacing not in SPACINGS:
            raise UsageError(f"spacing is {self.spacing!r}; allowed: {', '.join(SPACINGS)}.")

    @property
    def name(self) -> str:
        """For example `decoupling (XX)`."""
        return f"decoupling ({self.sequence})"

    def construct(self, circuit: Circuit, noise: NoiseModel) -> tuple[Variant, ...]:
        """One variant with pulses between the given gates, whose order stays.

        Raises:
            ConditionsError: the noise model has no waiting times.
            UsageError: neither X nor SX has a duration, or crosstalk has no place between gates that are not listed in
                the order of time.
        """
        rule = noise.idle
        if rule is None:
            raise ConditionsError(
                "dynamical decoupling fills waiting times, and this noise model has no idle rule; give one with "
                "durations and T1, T2 (a device model has it), or use another mitigation."
            )
        events = sorted(self._events(circuit, rule), key=lambda event: event.place)
        gates = tuple(event.gate for event in events)
        pulsed = Circuit(circuit.qubits, gates, circuit.amplitudes)
        plan = Schedule.of(
            pulsed, [e.start for e in events], [e.end for e in events], alap_schedule(circuit, rule.durations).total
        )
        waiting = by_gate(rule.place(pulsed, plan))
        original = gate_places(noise, circuit)
        # Pulses suffer what the rules say of their kind; layers and explicit places belong to the given gates.
        pulses = by_gate(NoiseModel(rules=noise.rules).place(pulsed))
        placed = [*original.get(-1, ()), *waiting.get(-1, ())]
        for position, event in enumerate(events):
            own = pulses.get(position, ()) if event.origin is None else original.get(event.origin, ())
            placed += [replace(channel, after=position) for channel in own]
            placed += waiting.get(position, ())
        return (Variant(circuit=pulsed, noise=with_places(noise, placed)),)

    def combine(self, values: Tensor) -> Tensor:
        """The values `(1, batch, values)` of the only variant."""
        return values[0]

    def linear_map(self, variants: int, values: int) -> tuple[Tensor, Tensor]:
        """The identity."""
        return torch.eye(values, dtype=torch.float64)[None], torch.zeros(values, dtype=torch.float64)

    def shot_factor(self, circuit: Circuit, noise: NoiseModel) -> float:
        """1."""
        return 1.0

    def _events(self, circuit: Circuit, rule: IdleRule) -> Iterator[_Event]:
        plan = alap_schedule(circuit, rule.durations)
        for index, gate in enumerate(circuit.gates):
            start, end = plan.starts[index], plan.ends[index]
            yield _Event(gate=gate, start=start, end=end, place=(index, True, start), origin=index)
        middles = [start + end for start, end in zip(plan.starts, plan.ends, strict=True)]
        for window in plan.idle:
            if window.after < 0 and circuit.amplitudes is None:
                continue
            for gate, start, end in self._pulses(window, circuit.qubits, rule):
                later = (i for i in range(window.after + 1, len(middles)) if middles[i] > start + end)
                place = (next(later, len(middles)), False, start)
                yield _Event(gate=gate, start=start, end=end, place=place)

    def _pulses(self, window: IdleWindow, qubits: int, rule: IdleRule) -> Iterator[tuple[Gate, float, float]]:
        letters, kinds = SEQUENCES[self.sequence], _native(rule, window.qubit)
        seconds = alap_schedule(Circuit(qubits, tuple(Gate(k, (window.qubit,)) for k in kinds)), rule.durations).total
        slack = window.seconds - len(letters) * seconds
        if slack < len(letters) * seconds * (1 - 1e-9):
            return
        clock = window.start
        for letter, gap in zip(letters, gaps(slack, len(letters), self.spacing), strict=False):
            clock += gap
            if letter == "Y":
                yield Gate("RZ", (window.qubit,), (Angle(math.pi),)), clock, clock
            for kind in kinds:
                end = clock + seconds / len(kinds)
                yield Gate(kind, (window.qubit,)), clock, end
                clock = end


def gaps(slack: float, pulses: int, spacing: str) -> tuple[float, ...]:
    """Waiting times before, between and after so many pulses, `pulses + 1` of them, that add up to `slack`.

    Example:
        >>> gaps(8.0, 2, "symmetric"), gaps(9.0, 2, "even")
        ((2.0, 4.0, 2.0), (3.0, 3.0, 3.0))
    """
    if spacing == "even":
        return (slack / (pulses + 1),) * (pulses + 1)
    between = slack / pulses
    return (between / 2, *(between,) * (pulses - 1), between / 2)


@dataclass(frozen=True, kw_only=True)
class _Event:
    """A gate and its time; without origin it is a pulse, whose place is before a given gate and by time."""

    gate: Gate
    start: float
    end: float
    place: tuple[int, bool, float]
    origin: int | None = None


def _native(rule: IdleRule, qubit: int) -> tuple[str, ...]:
    """What an X is made of on this qubit."""
    for kinds in (("X",), ("SX", "SX")):
        if any((kinds[0], wires) in rule.durations for wires in ((qubit,), ())):
            return kinds
    raise UsageError(
        f"durations has neither X nor SX on qubit {qubit}, of which decoupling pulses are made; add ('X', ({qubit},)) "
        "in seconds."
    )
