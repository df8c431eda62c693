"""Noisy scores, readout errors included, against Qiskit Aer's density matrices."""

import numpy as np
import pytest
import torch

from counterspin.circuits import Circuit, OutcomeGroups, Readout, feature, weight
from counterspin.noise import (
    Channel,
    GateRule,
    NoiseModel,
    ReadoutErrors,
    amplitude_damping,
    depolarizing,
    thermal_relaxation,
)
from counterspin.simulation import run

# qiskit-aer imports a module of qiskit's that is on its way out.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

FLIPS = ((0.02, 0.05), (0.0, 0.1), (0.03, 0.01))
CHANNELS: dict[str, tuple[Channel, ...]] = {
    "RX": (thermal_relaxation(60e-6, 50e-6, 2e-6),),
    "RZ": (amplitude_damping(0.02),),
    "CZ": (depolarizing(0.03, qubits=2), amplitude_damping(0.05)),
}


def ours(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    circuit = Circuit(3)
    for qubit in range(3):
        circuit = circuit.add("RX", qubit, feature(qubit)).add("RZ", qubit, weight(qubit))
    circuit = circuit.add("CZ", (0, 1)).add("CZ", (1, 2))
    for qubit in range(3):
        circuit = circuit.add("RX", qubit, feature(qubit) * weight(qubit))
    rules = tuple(
        GateRule(channel=c, kinds=(kind,), targets="gate" if c.qubits == len(wires) else "each")
        for kind, wires in (("RX", (0,)), ("RZ", (0,)), ("CZ", (0, 1)))
        for c in CHANNELS[kind]
    )
    noise = NoiseModel(rules=rules, readout=ReadoutErrors(flips=FLIPS))
    readout = Readout(OutcomeGroups((0, 1, 2), tuple((k,) for k in range(8))))
    return run(circuit, x, w, readout, noise=noise)


def theirs(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import Kraus
    from qiskit_aer import AerSimulator
    from qiskit_aer.noise import NoiseModel as AerNoise
    from qiskit_aer.noise import ReadoutError

    noise = AerNoise()
    for name in ("RX", "RZ"):
        (channel,) = CHANNELS[name]
        noise.add_all_qubit_quantum_error(_error(Kraus(list(channel.operators.numpy()))), name.lower())
    pair, each = CHANNELS["CZ"]
    # Ours has its first qubit most significant, Qiskit its first qubit least significant: the roles are swapped.
    two = Kraus([_swapped(k) for k in pair.operators.numpy()])
    one = Kraus(list(each.operators.numpy()))
    noise.add_all_qubit_quantum_error(_error(two.compose(one.tensor(one))), "cz")
    for qubit, (up, down) in enumerate(FLIPS):
        noise.add_readout_error(ReadoutError([[1 - up, up], [down, 1 - down]]), [qubit])
    circuit = QuantumCircuit(3)
    for qubit in range(3):
        circuit.rx(x[qubit], qubit)
        circuit.rz(w[qubit], qubit)
    circuit.cz(0, 1)
    circuit.cz(1, 2)
    for qubit in range(3):
        circuit.rx(x[qubit] * w[qubit], qubit)
    circuit.save_density_matrix()
    simulator = AerSimulator(method="density_matrix", noise_model=noise, fusion_enable=False)
    rho = simulator.run(circuit, shots=1).result().data()["density_matrix"].data
    little = np.real(np.diag(rho))
    true = np.array([little[int(f"{k:03b}"[::-1], 2)] for k in range(8)])
    confusion = np.eye(1)
    for up, down in FLIPS:
        confusion = np.kron(confusion, [[1 - up, down], [up, 1 - down]])
    return confusion @ true


def _error(kraus):
    from qiskit_aer.noise import QuantumError

    return QuantumError(kraus)


def _swapped(matrix: np.ndarray) -> np.ndarray:
    return matrix.reshape(2, 2, 2, 2).transpose(1, 0, 3, 2).reshape(4, 4)


def test_probabilities_equal_those_of_aer() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(3, 3)), rng.normal(size=3)
    found = ours(torch.tensor(x), torch.tensor(w)).numpy()
    expected = np.stack([theirs(row, w) for row in x])
    np.testing.assert_allclose(found, expected, atol=1e-8)
