"""A circuit on a device: its native gates, the qubits it runs on, and the noise there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from counterspin.circuits import Angle, Circuit, Gate, Given, Measurement, OutcomeGroups, PauliExpectations, Term
from counterspin.errors import UsageError
from counterspin.noise.devices.native import cancelled, coupled, reduced
from counterspin.noise.devices.qiskit_transpiler import transpiled
from counterspin.noise.devices.recipe import noise_of
from counterspin.noise.devices.routing import Route, interaction_order, route, start_layouts
from counterspin.noise.devices.selection import best_subgraph
from counterspin.noise.devices.snapshot import QubitCalibration, Snapshot
from counterspin.noise.devices.words import fused
from counterspin.noise.model import NoiseModel

__all__ = ["Placement", "Transpiler", "place"]

Transpiler = Literal["auto", "own", "qiskit"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Placement:
    """A circuit as a device runs it.

    Args:
        circuit: native gates only, on as many qubits as before, called positions; same inputs, weights and encoding.
            Logical qubit q starts at position q. Layer ends are gone: the gates of two layers may have become one.
        noise: of the device, for `circuit`.
        final: position of each logical qubit at the end.
        physical: the device's qubit at each position.
        snapshot: the device.
        swaps: how many SWAPs routing inserted; they are dissolved in two-qubit gates.
        transpiler: which one was used.
        duration: of one run without preparation and readout, in seconds.
    """

    circuit: Circuit
    noise: NoiseModel
    final: tuple[int, ...]
    physical: tuple[int, ...]
    snapshot: Snapshot
    swaps: int
    transpiler: Literal["own", "qiskit"]
    duration: float

    @property
    def two_qubit_gates(self) -> int:
        """How many native two-qubit gates the circuit has."""
        return sum(len(gate.qubits) == 2 for gate in self.circuit.gates)

    def measured(self, measurement: Measurement) -> Measurement:
        """A measurement of logical qubits as one of the positions where they end.

        Raises:
            UsageError: a measurement of more qubits than the circuit has.
        """
        if measurement.qubits > self.circuit.qubits:
            raise UsageError(
                f"the measurement reads {measurement.qubits} qubits and the placed circuit has {self.circuit.qubits}."
            )
        if isinstance(measurement, OutcomeGroups):
            return OutcomeGroups(tuple(self.final[q] for q in measurement.measured), measurement.groups)
        strings = (tuple(sorted((self.final[q], p) for q, p in string)) for string in measurement.observables)
        return PauliExpectations(tuple(strings))


def place(circuit: Circuit, snapshot: Snapshot, *, transpiler: Transpiler = "auto", seed: int = 0) -> Placement:
    """Translate a circuit to a device's native gates, on the qubits where it errs least, with the noise there.

    Angles stay symbols: expressions of inputs and weights, or tensors. RZ are done by the clock, every other one-qubit
    gate takes at most two pulses. Circuits whose gates lie on a line, or a ring, are routed here; others by Qiskit.

    Args:
        circuit: what to run.
        snapshot: the device.
        transpiler: "own": lines and rings only; "qiskit": Qiskit's, extra `qiskit`; "auto": own where it can.
        seed: of Qiskit's layout and routing; the own routing is deterministic.

    Returns:
        The placement, kept for equal arguments (unless the circuit holds tensors).

    Raises:
        UsageError: more qubits than the device has or than hang together, a pattern the own transpiler does not route,
            or a gate without translation.
        MissingExtraError: Qiskit is needed and not installed.

    Example:
        >>> from counterspin.circuits import feature
        >>> from counterspin.noise.devices.assembly import assemble
        >>> from counterspin.noise.devices.snapshot import QubitCalibration
        >>> qubits = [QubitCalibration(label=str(q), t1=1e-4, t2=1e-4, readout=(0.01, 0.02)) for q in range(3)]
        >>> gates = {("SX", (q,)): (1e-3, 4e-8) for q in range(3)}
        >>> gates |= {("CZ", pair): (0.01, 3e-7) for pair in ((0, 1), (1, 2))}
        >>> toy = assemble(
        ...     name="toy", vendor="own", date="2026-01-31", qubits=qubits, gates=gates, basis=("SX", "CZ")
        ... )
        >>> ring = Circuit(3).add("RY", 0, feature(0)).add("CNOT", (0, 1)).add("CNOT", (1, 2)).add("CNOT", (2, 0))
        >>> placed = place(ring, toy)
        >>> placed.two_qubit_gates, placed.swaps, placed.final
        (4, 1, (0, 2, 1))
    """
    if transpiler not in ("auto", "own", "qiskit"):
        raise UsageError(f"transpiler is {transpiler!r}; allowed: auto, own, qiskit.")
    if any(isinstance(angle, Given) for gate in circuit.gates for angle in gate.angles):
        # Halves of tensors are part of an autograd graph, which is walked once.
        return _placed(circuit, snapshot, transpiler, seed)
    return _remembered(circuit, snapshot, transpiler, seed)


def _placed(circuit: Circuit, snapshot: Snapshot, transpiler: Transpiler, seed: int) -> Placement:
    gates = cancelled(reduced(circuit))
    along = interaction_order(gates, circuit.qubits)
    if along is None and transpiler == "own":
        raise UsageError(
            "the circuit's two-qubit gates lie neither on a line nor on a ring through its qubits, and the own "
            "transpiler routes nothing else; use transpiler='qiskit'."
        )
    if along is None or transpiler == "qiskit":
        chosen = best_subgraph(snapshot, circuit.qubits, shape="any", circuit=circuit)
        found = transpiled(circuit, snapshot.restricted(chosen).edges, seed=seed)
        return _finished(_Native.of(circuit, snapshot, chosen, found), snapshot, "qiskit")
    candidates = [_Native.of(circuit, snapshot, chosen, found) for chosen, found in _ways(gates, snapshot, *along)]
    return _finished(max(candidates, key=lambda native: native.success), snapshot, "own")


_remembered = lru_cache(maxsize=64)(_placed)


def _ways(
    gates: Sequence[Gate], snapshot: Snapshot, shape: str, order: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], Route]]:
    """Routes worth a try, each with the device's qubits by slot."""
    count = len(order)
    line = {(slot, slot + 1): 1.0 for slot in range(count - 1)}
    layouts = start_layouts(shape, order)
    if shape == "ring":
        closed = route(gates, line | {(count - 1, 0): 1.0}, layouts[:1])
        try:
            yield best_subgraph(snapshot, count, shape="ring", circuit=Circuit(count, closed.gates)), closed
            return
        except UsageError:  # no such ring on the device
            pass
    # First as few CNOT as possible, which tells how much each link of the line is used and hence where it should lie;
    # then, there, as few errors as possible, over all links its qubits have among themselves.
    found = route(gates, line, layouts)
    chosen = best_subgraph(snapshot, count, shape="line", circuit=Circuit(count, found.gates))
    yield chosen, found
    yield chosen, route(gates, _prices(snapshot.restricted(chosen)), layouts)


def _prices(device: Snapshot) -> dict[tuple[int, int], float]:
    """Expected errors of a CNOT on each link: its own, and those of the other qubits, half of which wait for it."""
    rates = [_rate(known) for known in device.qubits]
    found = {}
    for a, b in device.edges:
        gate = device.gates[device.entangler(a, b)]
        found[a, b] = -math.log1p(-gate.error) + gate.length * (sum(rates) - rates[a] - rates[b]) / 2
    return found


def _rate(known: QubitCalibration) -> float:
    """Errors per second of a waiting qubit, roughly: the mean of 1/T1 and 1/T2."""
    return sum(1 / time for time in (known.t1, known.t2) if time) / 2


@dataclass(frozen=True, kw_only=True, eq=False)
class _Native:
    """A route in native gates, slots renumbered so that logical qubit q starts at position q."""

    circuit: Circuit
    final: tuple[int, ...]
    physical: tuple[int, ...]
    swaps: int
    device: Snapshot

    @classmethod
    def of(cls, circuit: Circuit, snapshot: Snapshot, chosen: tuple[int, ...], found: Route) -> _Native:
        """On the device's qubits `chosen`, by slot."""
        position = {slot: qubit for qubit, slot in enumerate(found.start)}
        physical = tuple(chosen[slot] for slot in found.start)
        moved = [Gate(gate.kind, tuple(position[slot] for slot in gate.qubits), gate.angles) for gate in found.gates]
        device = snapshot.restricted(physical)
        native = fused(coupled(moved, device), circuit.qubits, flips="X" in snapshot.basis)
        return cls(
            circuit=Circuit(circuit.qubits, tuple([*native, *_kept(circuit, native)]), circuit.amplitudes),
            final=tuple(position[slot] for slot in found.final),
            physical=physical,
            swaps=found.swaps,
            device=device,
        )

    @property
    def busy(self) -> list[float]:
        """How long each position is at work, in seconds."""
        return [
            sum(self._length(gate) for gate in self.circuit.gates if q in gate.qubits) for q in range(len(self.final))
        ]

    @property
    def duration(self) -> float:
        """When the last gate ends, every gate beginning as soon as its qubits are free."""
        free = [0.0] * self.circuit.qubits
        for gate in self.circuit.gates:
            end = max(free[qubit] for qubit in gate.qubits) + self._length(gate)
            for qubit in gate.qubits:
                free[qubit] = end
        return max(free)

    @property
    def success(self) -> float:
        """Logarithm of the chance that no gate errs and no waiting qubit relaxes, roughly: it ranks candidates."""
        errors = (self.device.gates[gate.kind, gate.qubits].error for gate in self.circuit.gates)
        total = sum(math.log1p(-error) for error in errors)
        duration = self.duration
        for known, busy in zip(self.device.qubits, self.busy, strict=True):
            total -= (duration - busy) * _rate(known)
            total += math.log1p(-sum(known.readout or (0.0,)) / 2)
        return total

    def _length(self, gate: Gate) -> float:
        return self.device.gates[gate.kind, gate.qubits].length


def _finished(native: _Native, snapshot: Snapshot, transpiler: Literal["own", "qiskit"]) -> Placement:
    return Placement(
        circuit=native.circuit,
        noise=noise_of(snapshot, native.physical),
        final=native.final,
        physical=native.physical,
        snapshot=snapshot,
        swaps=native.swaps,
        transpiler=transpiler,
        duration=native.duration,
    )


def _kept(circuit: Circuit, native: Sequence[Gate]) -> list[Gate]:
    """A turn by 0 that holds the last input and weight, where all their gates have cancelled: shapes stay the same."""
    placed = Circuit(circuit.qubits, tuple(native), circuit.amplitudes)
    lost = [Term(0.0, input=circuit.inputs - 1)] if placed.inputs < circuit.inputs else []
    lost += [Term(0.0, weight=circuit.weights - 1)] if placed.weights < circuit.weights else []
    return [Gate("RZ", (0,), (Angle(0.0, tuple(lost)),))] if lost else []
