"""Placed circuits under their device's noise against Qiskit Aer's density matrices, given the same instructions; 1e-8.

Aer gets the native gates by its own names, an error for each rule of the noise model, and the waiting times as Kraus
instructions: what is attached where, in which order of qubits and time, is Aer's doing.
"""

import numpy as np
import pytest
import torch
from placed_circuits import check_native
from torch import Tensor

from counterspin.circuits import Circuit, PauliExpectations, Readout, bind, reuploading, strongly_entangling
from counterspin.noise.devices import load
from counterspin.noise.devices.placement import Placement, place
from counterspin.simulation.density import noisy_density, score_operators
from counterspin.simulation.transfer import transfer_values

aer = pytest.importorskip("qiskit_aer")
pytest.importorskip("qiskit")
pytestmark = pytest.mark.slow

NAMES = {"RZ": "rz", "SX": "sx", "X": "x", "CNOT": "cx", "CZ": "cz", "ECR": "ecr"}
MEASURED = PauliExpectations.of("Z0", "Z1", "Z2 Z3", "X1 Y2", "Y0 X3", "Z0 Z1 Z2 Z3")


def reordered(operators: Tensor) -> list[np.ndarray]:
    """Kraus operators whose first qubit is the least significant, as Qiskit takes them."""
    found = operators.numpy()
    if found.shape[1] == 4:
        found = found.reshape(-1, 2, 2, 2, 2).transpose(0, 2, 1, 4, 3).reshape(-1, 4, 4)
    return list(found)


def aer_density(placed: Placement, inputs: list[float], weights: list[float]) -> np.ndarray:
    """The density matrix of the placed circuit by Aer, our qubit 0 most significant."""
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import DensityMatrix, Kraus
    from qiskit_aer.noise import NoiseModel, QuantumError

    noise = placed.noise
    model = NoiseModel(basis_gates=[*NAMES.values(), "kraus"])
    for rule in noise.rules:
        assert rule.kinds is not None
        assert rule.qubits is not None
        assert rule.targets == "gate"
        error = QuantumError(Kraus(reordered(rule.channel.operators)))
        for kind in rule.kinds:
            model.add_quantum_error(error, NAMES[kind], list(rule.qubits))
    assert noise.idle is not None
    waiting = noise.idle.place(placed.circuit)
    assert waiting
    circuit = QuantumCircuit(placed.circuit.qubits)
    for index, gate in enumerate(bind(placed.circuit, inputs=inputs, weights=weights).gates, start=-1):
        angles = [angle.constant for angle in gate.angles]
        for channel in (c for c in waiting if c.after == index):
            circuit.append(Kraus(reordered(channel.channel.operators)), list(channel.qubits))
        getattr(circuit, NAMES[gate.kind])(*angles, *gate.qubits)
    for channel in (c for c in waiting if c.after == len(placed.circuit.gates) - 1):
        circuit.append(Kraus(reordered(channel.channel.operators)), list(channel.qubits))
    circuit.save_density_matrix()
    simulator = aer.AerSimulator(method="density_matrix", noise_model=model)
    data = simulator.run(circuit).result().data()["density_matrix"]
    return DensityMatrix(data).reverse_qargs().data


@pytest.mark.parametrize("transpiler", ["own", "qiskit"])
@pytest.mark.parametrize("device", ["ibm:manila", "ibm:fez"])
@pytest.mark.parametrize("layers", [1, 3])
def test_density_matrices_and_values_equal_aers(device: str, transpiler: str, layers: int) -> None:
    circuit = reuploading(4, layers, scale=np.pi)
    check(circuit, place(circuit, load(device), transpiler=transpiler))  # pyright: ignore[reportArgumentType]


def test_an_ecr_device_and_a_general_pattern_equal_aers() -> None:
    circuit = Circuit(4) + reuploading(4, 1) + strongly_entangling(4, 2)
    check(circuit, place(circuit, load("ibm:sherbrooke")))


def check(circuit: Circuit, placed: Placement) -> None:
    check_native(placed)
    rng = np.random.default_rng(1)
    x, w = rng.uniform(0, 1, circuit.inputs), rng.normal(size=circuit.weights)
    expected = aer_density(placed, x.tolist(), w.tolist())
    channels = placed.noise.place(placed.circuit)
    inputs, weights = torch.tensor(x)[None], torch.tensor(w)
    ours = noisy_density(placed.circuit, inputs, weights, channels)[0].numpy()
    assert np.abs(ours - expected).max() < 1e-8
    # The noise is felt, so that its absence would be too.
    assert np.trace(expected @ expected).real < 0.97
    measurement = placed.measured(MEASURED)
    theirs = np.einsum("kij,ji->k", score_operators(Readout(measurement), 4).numpy(), expected).real
    values = transfer_values(placed.circuit, inputs, weights, measurement, channels)
    assert np.abs(values[0].numpy() - theirs).max() < 1e-8
