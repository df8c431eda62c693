"""A device on one day: what its calibration says about every qubit and every native gate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from counterspin.errors import UsageError

__all__ = ["ENTANGLERS", "GateCalibration", "QubitCalibration", "Snapshot", "clipped_note", "named", "worthless"]

# The two-qubit gates without an angle that devices calibrate, under the names of the circuits' gate set.
ENTANGLERS = ("CNOT", "CZ", "ECR")


def worthless(error: float, qubits: int) -> bool:
    r"""Whether a gate is broken: its average infidelity reaches that of full depolarisation, :math:`1 - 2^{-k}`.

    Vendors mark what is out of order with error 1.

    Example:
        >>> worthless(1.0, 2), worthless(0.5, 2)
        (True, False)
    """
    return error >= 1 - 0.5**qubits


@dataclass(frozen=True, kw_only=True)
class QubitCalibration:
    """What is known about one qubit; None: not in the calibration.

    Args:
        label: what the vendor calls it, for example "17" or "3_2" (row and column).
        t1: relaxation time in seconds.
        t2: dephasing time in seconds, at most `2 * t1`.
        frequency: of the qubit, in Hz.
        readout: probabilities to read 1 where it is 0, and 0 where it is 1.
        readout_length: duration of a measurement in seconds.
    """

    label: str
    t1: float | None
    t2: float | None
    frequency: float | None = None
    readout: tuple[float, float] | None = None
    readout_length: float | None = None

    @property
    def works(self) -> bool:
        """Whether everything a noise model needs is known, and its readout says something about the qubit."""
        if self.t1 is None or self.t2 is None or self.readout is None:
            return False
        # From 1 on a reading says nothing, or the opposite of what it should.
        return sum(self.readout) < 1


@dataclass(frozen=True, kw_only=True)
class GateCalibration:
    """One native gate on its qubits.

    Args:
        error: average gate infidelity, below that of full depolarisation.
        length: duration in seconds.
    """

    error: float
    length: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshot:
    """The calibration of one device.

    Qubits are numbered from 0 in the order of `qubits`.

    Args:
        name: what it is asked for by, for example "ibm:manila".
        vendor: "ibm", "google" or what a calibration file says.
        date: when it was calibrated, ISO 8601.
        qubits: every qubit of the device, working or not.
        gates: working gates by kind (of the circuits' gate set) and qubits, the control first. A gate that is missing
            or broken has no entry; `holes` names it.
        basis: the native kinds circuits are to be written in.
        assumptions: what had to be assumed of the whole device, one sentence each.
        clipped: qubits whose T2 was above 2 T1 and is taken as 2 T1.
        holes: everything that was missing, broken or had to be assumed, one sentence each.

    Example:
        >>> one = QubitCalibration(label="0", t1=1e-4, t2=1e-4, readout=(0.01, 0.03))
        >>> sx = {("SX", (0,)): GateCalibration(error=1e-3, length=4e-8)}
        >>> Snapshot(name="toy", vendor="own", date="2026-01-31", qubits=(one,), gates=sx, basis=("SX",)).working
        (0,)
    """

    name: str
    vendor: str
    date: str
    qubits: tuple[QubitCalibration, ...]
    gates: Mapping[tuple[str, tuple[int, ...]], GateCalibration]
    basis: tuple[str, ...]
    assumptions: tuple[str, ...] = ()
    clipped: tuple[int, ...] = ()
    holes: tuple[str, ...] = ()

    @cached_property
    def working(self) -> tuple[int, ...]:
        """Qubits with coherence times, an informative readout and working pulses (SX, X where native), ascending."""
        pulses = {"SX", "X"} & {"SX", *self.basis}
        return tuple(
            q
            for q, known in enumerate(self.qubits)
            if known.works and all((pulse, (q,)) in self.gates for pulse in pulses)
        )

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Each coupled pair of working qubits with a working entangler once, in the gate's native direction.

        Where both directions are calibrated, the faster one (IBM's slower direction is the faster one between
        one-qubit gates); among equals, the lower number first. Pairs come in ascending order.
        """
        working = set(self.working)
        best: dict[tuple[int, int], tuple[float, tuple[int, int]]] = {}
        for (kind, qubits), gate in self.gates.items():
            if kind in ENTANGLERS and kind in self.basis and working.issuperset(qubits):
                a, b = qubits
                pair = (min(a, b), max(a, b))
                best[pair] = min(best.get(pair, (float("inf"), (a, b))), (gate.length, (a, b)))
        return tuple(best[pair][1] for pair in sorted(best))

    @cached_property
    def neighbours(self) -> Mapping[int, tuple[int, ...]]:
        """Working neighbours of every working qubit, ascending."""
        around: dict[int, list[int]] = {qubit: [] for qubit in self.working}
        for a, b in self.edges:
            around[a].append(b)
            around[b].append(a)
        return {qubit: tuple(sorted(others)) for qubit, others in around.items()}

    def entangler(self, a: int, b: int) -> tuple[str, tuple[int, int]]:
        """Kind and native direction of the entangler of a coupled pair, in whichever order it is named.

        Raises:
            UsageError: a pair that is not coupled, or whose entangler or qubits are out of order.
        """
        if b not in self.neighbours.get(a, ()):
            raise UsageError(
                f"qubits {a} and {b} of {self.name} have no working two-qubit gate between them; "
                f"neighbours of {a}: {', '.join(map(str, self.neighbours.get(a, ()))) or 'none'}."
            )
        _, pair, kind = min(
            (self.gates[kind, pair].length, pair, kind)
            for kind in ENTANGLERS
            for pair in ((a, b), (b, a))
            if kind in self.basis and (kind, pair) in self.gates
        )
        return kind, pair

    def relaxation_error(self, qubits: Sequence[int], seconds: float) -> float:
        r"""Average infidelity of nothing but the relaxation of some qubits over a time.

        .. math:: \frac{d}{d+1} \Bigl(1 - \prod_q \tfrac14 \bigl(1 + e^{-t/T_1} + 2 e^{-t/T_2}\bigr)\Bigr)
        """
        kept, dimension = 1.0, 2 ** len(qubits)
        for qubit in qubits:
            known = self.qubits[qubit]
            relaxed = math.exp(-seconds / (known.t1 or math.inf)) + 2 * math.exp(-seconds / (known.t2 or math.inf))
            kept *= (1 + relaxed) / 4
        return dimension / (dimension + 1) * (1 - kept)

    def infidelity(self, kind: str, qubits: tuple[int, ...]) -> float:
        """Average infidelity a gate has in the noise model: calibrated, or of relaxation alone where that is more.

        Raises:
            KeyError: a gate that is not calibrated in this direction, or broken.
        """
        gate = self.gates[kind, qubits]
        return max(gate.error, self.relaxation_error(qubits, gate.length))

    def require(self, chosen: Sequence[int]) -> None:
        """Refuse a choice of qubits that cannot be used.

        Raises:
            UsageError: no qubit, a qubit named twice, that the device does not have, or that is out of order.
        """
        count = len(self.qubits)
        if not chosen or len(set(chosen)) != len(chosen):
            raise UsageError(f"qubits of {self.name} are {tuple(chosen)}; name at least one, and none of them twice.")
        if len(chosen) > count or min(chosen) < 0 or max(chosen) >= count:
            raise UsageError(f"qubits of {self.name} are {tuple(chosen)}; it has {count}, numbered 0 to {count - 1}.")
        broken = [qubit for qubit in chosen if qubit not in self.working]
        if broken:
            raise UsageError(
                f"{named('qubit', broken)} of {self.name} cannot be used (out of order or without calibration); choose "
                "among its working qubits, or let best_subgraph choose."
            )

    def restricted(self, chosen: Sequence[int]) -> Snapshot:
        """The snapshot of some working qubits only, renumbered in the order given.

        Raises:
            UsageError: as `require`.
        """
        self.require(chosen)
        place = {qubit: index for index, qubit in enumerate(chosen)}
        gates = {
            (kind, tuple(place[q] for q in qubits)): gate
            for (kind, qubits), gate in self.gates.items()
            if place.keys() >= set(qubits)
        }
        clipped = tuple(place[q] for q in self.clipped if q in place)
        return replace(self, qubits=tuple(self.qubits[q] for q in chosen), gates=gates, clipped=clipped)


def named(what: str, items: Sequence[object]) -> str:
    """`qubit 3`, or `qubits 3, 5`.

    Example:
        >>> named("pair", ["0-1", "3-4"])
        'pairs 0-1, 3-4'
    """
    return f"{what}{'s' if len(items) > 1 else ''} {', '.join(map(str, items))}"


def clipped_note(qubits: Sequence[int]) -> str:
    """What is said about qubits whose T2 was clipped."""
    return f"T2 of {named('qubit', qubits)} is above 2 T1: taken as 2 T1."
