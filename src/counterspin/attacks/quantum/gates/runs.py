"""Running circuits that are not the declared one on the data of a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from counterspin.circuits import Amplitudes, Angle, Circuit, Gate, Given, Readout
from counterspin.simulation import final_states, run
from counterspin.simulation.measurement import measured_values, rotated, settings
from counterspin.simulation.statevector import probabilities

__all__ = ["Bench", "at_angles", "through"]


def through(qubits: int, gates: Sequence[Gate], states: Tensor, inputs: Tensor, weights: Tensor) -> Tensor:
    """States `(batch, 2**qubits)` complex128 behind some gates.

    Args:
        qubits: of the register.
        gates: with angles of `inputs` and `weights`.
        states: in front of the gates `(batch, 2**qubits)`, unit vectors.
        inputs: of the circuit the gates come from `(batch, inputs)` float64.
        weights: of that circuit, float64.

    Example:
        >>> state = torch.tensor([[1.0, 0.0]], dtype=torch.complex128)
        >>> through(1, [Gate("X", (0,))], state, torch.zeros(1, 0).double(), torch.zeros(0).double()).real.tolist()
        [[0.0, 1.0]]
    """
    if not gates:
        return states
    # The states enter as encoded amplitudes, so that the inputs of the gates are numbered after those.
    width = 2 * 2**qubits
    moved = tuple(
        replace(gate, angles=tuple(a if isinstance(a, Given) else a.shifted(inputs=width) for a in gate.angles))
        for gate in gates
    )
    circuit = Circuit(qubits, moved, Amplitudes(2**qubits, complex_data=True))
    rows = torch.cat([states.real, states.imag, inputs.to(states.real)], dim=1)
    return final_states(circuit, rows[:, : circuit.inputs], weights[: circuit.weights])


@dataclass(frozen=True, kw_only=True, eq=False)
class Bench:
    """The data of a model, on which any circuit of its qubits can be run.

    Args:
        circuit: the declared one.
        inputs: what enters it `(batch, inputs)` float64.
        weights: `(weights,)` float64.
        readout: measurement and head.
    """

    circuit: Circuit
    inputs: Tensor
    weights: Tensor
    readout: Readout

    @classmethod
    def of(cls, model: Any, x: Tensor) -> Bench:
        """The bench of a model that shows its circuit, on `x` `(batch, features)` float64."""
        with torch.no_grad():
            inputs = model.circuit_inputs(x).detach().double()
        return cls(circuit=model.circuit, inputs=inputs, weights=model.weights.detach().double(), readout=model.readout)

    def rows(self, chosen: Tensor) -> Bench:
        """The same for some of the samples."""
        return replace(self, inputs=self.inputs[chosen])

    def scores(self, circuit: Circuit, extra: Tensor | None = None) -> Tensor:
        """Scores `(batch, classes)` float64 of a circuit; `extra` weights are numbered after those of the model."""
        weights = self.weights if extra is None else torch.cat([self.weights, extra])
        return run(circuit, self.inputs[:, : circuit.inputs], weights[: circuit.weights], self.readout)

    def with_gates(self, gates: Iterable[Gate]) -> Circuit:
        """The declared encoding and qubits with other gates, without layer ends."""
        return replace(self.circuit, gates=tuple(gates), layers=())

    def start(self) -> Tensor:
        """The states in front of the first gate `(batch, 2**qubits)` complex128."""
        empty = replace(self.circuit, gates=(), layers=())
        states = final_states(empty, self.inputs[:, : empty.inputs], self.weights[:0])
        return states.expand(len(self.inputs), -1)

    def values(self, states: Tensor) -> Tensor:
        """Measured values `(..., values)` of final states `(..., 2**qubits)`."""
        qubits, flat = self.circuit.qubits, states.flatten(0, -2)
        chosen = settings(self.readout.measurement, qubits)
        values = measured_values([probabilities(rotated(flat, setting, qubits)) for setting in chosen], chosen)
        return values.unflatten(0, states.shape[:-1])


def at_angles(circuit: Circuit, first: int, angles: Tensor) -> Circuit:
    """The circuit with its weights from `first` on written as numbers, without layer ends.

    Example:
        >>> from counterspin.circuits import weight
        >>> str(at_angles(Circuit(1).add("RX", 0, weight(0)), 0, torch.tensor([0.5])).gates[0])
        'RX(0.5) q0'
    """
    values = angles.tolist()

    def bound(angle: Any) -> Any:
        if not isinstance(angle, Angle) or not any(index >= first for index in angle.weights):
            return angle
        return Angle(sum(t.coefficient * values[t.weight - first] for t in angle.terms if t.weight is not None))

    gates = tuple(Gate(gate.kind, gate.qubits, tuple(bound(a) for a in gate.angles)) for gate in circuit.gates)
    return Circuit(circuit.qubits, gates, circuit.amplitudes)
