"""Values and gradients of both engines equal PennyLane's default.qubit with torch backprop, to 1e-10 in float64."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from compiled_engine import ENGINES
from random_circuits import random_circuit, random_groups, random_paulis
from torch import Tensor

from counterspin.circuits import (
    GATES,
    Amplitudes,
    Angle,
    Circuit,
    Measurement,
    OutcomeGroups,
    PauliExpectations,
    Readout,
    feature,
    weight,
)
from counterspin.simulation import run

pytestmark = pytest.mark.slow  # importing takes seconds

qml = pytest.importorskip("pennylane")

NAMES = {
    "X": "PauliX",
    "Y": "PauliY",
    "Z": "PauliZ",
    "H": "Hadamard",
    "P": "PhaseShift",
    "CP": "ControlledPhaseShift",
    "RXX": "IsingXX",
    "RYY": "IsingYY",
    "RZZ": "IsingZZ",
}


def apply(kind: str, wires: tuple[int, ...], angles: list[Tensor]) -> None:
    if kind == "MCZ":
        if len(wires) == 1:
            qml.PauliZ(wires[0])
        else:
            qml.ctrl(qml.PauliZ(wires[-1]), control=wires[:-1])
    else:
        getattr(qml, NAMES.get(kind, kind))(*angles, wires=wires)


def angle_values(angle: Angle, x: Tensor, w: Tensor) -> Tensor:
    """`(batch,)` where inputs occur, otherwise `()`."""
    value = torch.tensor(angle.constant, dtype=torch.float64)
    for term in angle.terms:
        factor = torch.tensor(term.coefficient, dtype=torch.float64)
        factor = factor if term.weight is None else factor * w[term.weight]
        value = value + (factor if term.input is None else factor * x[:, term.input])
    return value


def starting_states(circuit: Circuit, x: Tensor) -> Tensor:
    assert circuit.amplitudes is not None
    data = x[:, : circuit.amplitudes.features]
    length = circuit.amplitudes.length
    data = torch.complex(data[:, :length], data[:, length:]) if circuit.amplitudes.complex_data else data + 0j
    data = torch.nn.functional.pad(data, (0, 2**circuit.qubits - length))
    return data / data.abs().square().sum(1, keepdim=True).sqrt()


def values(circuit: Circuit, x: Tensor, w: Tensor, measurement: Measurement) -> Tensor:
    """Measured values `(batch, values)` by PennyLane."""

    def evolved() -> None:
        if circuit.amplitudes is not None:
            qml.StatePrep(starting_states(circuit, x), wires=range(circuit.qubits))
        for gate in circuit.gates:
            apply(gate.kind, gate.qubits, [angle_values(a, x, w) for a in gate.angles if isinstance(a, Angle)])

    def node(measured: Callable[[], object]) -> object:
        def body() -> object:
            evolved()
            return measured()

        device = qml.device("default.qubit", wires=circuit.qubits)
        return qml.QNode(body, device, interface="torch", diff_method="backprop")()

    if isinstance(measurement, OutcomeGroups):
        outcomes = node(lambda: qml.probs(wires=measurement.measured))
        return torch.stack([outcomes[:, list(group)].sum(1) for group in measurement.groups], 1)
    strings = [qml.prod(*[getattr(qml, f"Pauli{p}")(q) for q, p in s]) for s in measurement.observables]
    return torch.stack(node(lambda: [qml.expval(s) for s in strings]), 1)


def leaf(rng: np.random.Generator, *shape: int) -> Tensor:
    return torch.tensor(rng.normal(size=shape), requires_grad=True)


def check(circuit: Circuit, measurement: Measurement, rng: np.random.Generator) -> None:
    x, w = leaf(rng, 3, circuit.inputs), leaf(rng, circuit.weights)
    theirs = values(circuit, x, w, measurement)
    direction = torch.tensor(rng.normal(size=theirs.shape))
    their_gradients = torch.autograd.grad((theirs * direction).sum(), (x, w))
    # Agreement on zeros would show nothing.
    assert all(float(gradient.abs().max()) > 1e-6 for gradient in their_gradients)
    for engine in ENGINES:
        ours = run(circuit, x, w, Readout(measurement), engine=engine)
        assert torch.allclose(ours, theirs, atol=1e-10, rtol=0), engine
        gradients = torch.autograd.grad((ours * direction).sum(), (x, w))
        for mine, other in zip(gradients, their_gradients, strict=True):
            assert torch.allclose(mine, other, atol=1e-10, rtol=0), engine


@pytest.mark.one_fast
@pytest.mark.parametrize("read", [random_paulis, random_groups])
@pytest.mark.parametrize("qubits", range(1, 7))
def test_gate_encoded_circuits(qubits: int, read: Callable[..., Measurement]) -> None:
    rng = np.random.default_rng(10 + qubits)
    circuit = random_circuit(rng, qubits, extra=8 * qubits)
    assert {g.kind for g in circuit.gates} == {name for name, kind in GATES.items() if kind.qubits <= qubits}
    check(circuit, PauliExpectations.of("X0", "Y0") if qubits == 1 else read(rng, qubits), rng)


@pytest.mark.one_fast
@pytest.mark.parametrize("complex_data", [False, True])
@pytest.mark.parametrize("qubits", range(1, 7))
def test_padded_amplitudes_with_uploads_in_gates(qubits: int, complex_data: bool) -> None:
    rng = np.random.default_rng(20 + qubits)
    amplitudes = Amplitudes(2**qubits - (qubits > 1), complex_data)
    circuit = random_circuit(rng, qubits, amplitudes=amplitudes, extra=8 * qubits, uploads=qubits % 2 == 0)
    check(circuit, random_paulis(rng, qubits), rng)


@pytest.mark.parametrize("kind", [name for name, gate in GATES.items() if gate.angles])
def test_each_parametrised_gate_alone(kind: str) -> None:
    # The gate between fixed ones that make every angle count.
    rng = np.random.default_rng(30)
    wires = (1, 0)[: GATES[kind].qubits]
    circuit = Circuit(2).add("U3", 0, 0.4, 0.9, 0.2).add("U3", 1, 1.1, -0.5, 0.7).add("CNOT", (0, 1))
    for step in range(2):
        base = 3 * step
        angles = [0.8 * feature(k) * weight(base + k) + feature(k) for k in range(GATES[kind].angles)]
        circuit = circuit.add(kind, wires, *angles).add("RX", 0, 0.3).add("RY", 1, -0.9).add("CNOT", (1, 0))
    check(circuit, PauliExpectations.of("X0", "Y0 Z1", "Z0", "Y1"), rng)
