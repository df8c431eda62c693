"""What qubits suffer while they wait: relaxation, detuning and coupling to their neighbours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate

from counterspin.circuits import Circuit
from counterspin.errors import UsageError
from counterspin.noise.channels import overrotation, thermal_relaxation, zz_crosstalk
from counterspin.noise.kraus import Channel, Placed
from counterspin.noise.representations import compose
from counterspin.noise.schedule import Durations, Schedule, alap_schedule

__all__ = ["IdleRule"]

_CROSSTALK_WHEN = ("idle", "always")


@dataclass(frozen=True, kw_only=True, eq=False)
class IdleRule:
    r"""Noise of waiting times on a schedule as late as possible.

    A waiting qubit relaxes with T1 and T2 and turns about z at its detuning; coupled qubits turn by :math:`e^{-i\,
    \mathrm{rate}\,t\,Z \otimes Z/2}`.

    Args:
        durations: seconds by `(kind, qubits)` or `(kind, ())`, see `alap_schedule`.
        t1: relaxation time of each qubit in seconds, `math.inf`: none.
        t2: coherence time of each qubit, at most twice its T1.
        excited: population of 1 in equilibrium, of each qubit; (): 0.
        detuning: rotation about z of each waiting qubit in radians per second; (): none.
        crosstalk: radians per second of ZZ between two qubits.
        crosstalk_when: "idle": while both qubits wait; "always": all the time but during gates on both, where a gate
            on one of them counts as acting at its middle.

    Raises:
        UsageError: times that are none, lists of different lengths, pairs outside the qubits.

    Example:
        >>> rule = IdleRule(durations={("X", ()): 1e-6}, t1=(1e-4, 1e-4), t2=(1e-4, 1e-4))
        >>> [(p.after, p.qubits) for p in rule.place(Circuit(2).add("X", 0).add("X", 0).add("X", 1))]
        [(-1, (1,))]
    """

    durations: Durations
    t1: tuple[float, ...]
    t2: tuple[float, ...]
    excited: tuple[float, ...] = ()
    detuning: tuple[float, ...] = ()
    crosstalk: Mapping[tuple[int, int], float] = field(default_factory=dict)
    crosstalk_when: str = "idle"

    def __post_init__(self) -> None:
        """Refuse times that are none."""
        for name in ("t2", "excited", "detuning"):
            given = getattr(self, name)
            if len(given) != len(self.t1) and (name == "t2" or given):
                raise UsageError(f"{name} has {len(given)} values and t1 {len(self.t1)}; give one for each qubit.")
        for t1, t2, excited in zip(self.t1, self.t2, self._of(self.excited), strict=True):
            thermal_relaxation(t1, t2, 0.0, excited)
        if not all(math.isfinite(rate) for rate in (*self.detuning, *self.crosstalk.values())):
            raise UsageError("a rate of detuning or crosstalk is not finite; give radians per second.")
        for pair in self.crosstalk:
            if len(set(pair)) != 2 or not set(pair) <= set(range(self.qubits)):
                raise UsageError(f"crosstalk names {pair}; give two of the qubits 0 to {self.qubits - 1}.")
        if self.crosstalk_when not in _CROSSTALK_WHEN:
            raise UsageError(f"crosstalk_when is {self.crosstalk_when!r}; give one of {', '.join(_CROSSTALK_WHEN)}.")

    @property
    def qubits(self) -> int:
        """How many qubits it knows."""
        return len(self.t1)

    def channel(self, qubit: int, seconds: float) -> Channel | None:
        """What a qubit suffers in so many seconds of waiting; None: nothing."""
        t1, t2, excited = self.t1[qubit], self.t2[qubit], self._of(self.excited)[qubit]
        angle = self._of(self.detuning)[qubit] * seconds
        if math.isinf(t1) and math.isinf(t2):
            return overrotation("Z", angle) if angle else None
        relaxed = thermal_relaxation(t1, t2, seconds, excited)
        return compose(relaxed, overrotation("Z", angle)) if angle else relaxed

    def place(self, circuit: Circuit, plan: Schedule | None = None) -> tuple[Placed, ...]:
        """The channels of all waiting times of a circuit, by the gate they act after.

        Args:
            circuit: what runs.
            plan: when its gates run; None: as late as possible.

        Raises:
            UsageError: another number of qubits, a gate without duration, or crosstalk between gates that are not
                listed in the order of time.
        """
        if circuit.qubits != self.qubits:
            raise UsageError(
                f"the idle rule is for {self.qubits} qubits and the circuit has {circuit.qubits}; give one for each."
            )
        plan = alap_schedule(circuit, self.durations) if plan is None else plan
        placed = []
        for window in plan.idle:
            channel = self.channel(window.qubit, window.seconds)
            if channel is not None:
                placed.append(Placed(after=window.after, qubits=(window.qubit,), channel=channel))
        for pair, rate in self.crosstalk.items():
            for after, seconds in _coupled(circuit, plan, pair, always=self.crosstalk_when == "always") if rate else ():
                placed.append(Placed(after=after, qubits=pair, channel=zz_crosstalk(rate * seconds)))
        return tuple(sorted(placed, key=lambda p: p.after))

    def scaled(self, factor: float) -> IdleRule:
        """The same waiting times with all rates multiplied: every channel to the power `factor`."""
        if factor == 0:
            endless = (math.inf,) * self.qubits
            return replace(self, t1=endless, t2=endless, detuning=(), crosstalk={})
        return replace(
            self,
            t1=tuple(t / factor for t in self.t1),
            t2=tuple(t / factor for t in self.t2),
            detuning=tuple(rate * factor for rate in self.detuning),
            crosstalk={pair: rate * factor for pair, rate in self.crosstalk.items()},
        )

    def _of(self, values: tuple[float, ...]) -> tuple[float, ...]:
        return values or (0.0,) * self.qubits


def _coupled(circuit: Circuit, plan: Schedule, pair: tuple[int, int], *, always: bool) -> list[tuple[int, float]]:
    """Gates after which two qubits couple undisturbed, and for how many seconds."""
    touching = [index for index, gate in enumerate(circuit.gates) if not set(pair).isdisjoint(gate.qubits)]
    spans = []
    for index in touching:
        start, end = plan.starts[index], plan.ends[index]
        on_both = set(pair) <= set(circuit.gates[index].qubits)
        spans.append((start, end) if on_both or not always else ((start + end) / 2,) * 2)
    found = _gaps(spans, plan.total)
    # Parallel gates may be listed in any order; a gap is lost where a gate listed later ran before it.
    if math.fsum(seconds for _, seconds in found) < math.fsum(s for _, s in _gaps(sorted(spans), plan.total)) * (
        1 - 1e-9
    ):
        raise UsageError(
            f"crosstalk between qubits {pair} has no place between gates listed in another order than that of time; "
            "run time_ordered(circuit, durations)."
        )
    return [(touching[position - 1] if position else -1, seconds) for position, seconds in found]


def _gaps(spans: list[tuple[float, float]], total: float) -> list[tuple[int, float]]:
    """Positions in a list of time spans between which nothing runs, neither listed earlier nor later, and seconds."""
    nexts = list(accumulate((start for start, _ in reversed(spans)), min, initial=total))[::-1]
    clocks = list(accumulate((end for _, end in spans), max, initial=0.0))
    gaps = ((position, nexts[position] - clocks[position]) for position in range(len(spans) + 1))
    return [(position, seconds) for position, seconds in gaps if seconds > 1e-12 * total]
