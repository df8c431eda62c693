"""Any QNode over the gates, templates and measurements that are read equals its import, to 1e-10 in float64."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pennylane_reading import features, read_qnode, same_as_home

pytestmark = pytest.mark.slow

QUBITS, FEATURES = 3, 4
# Name, wires, angles: everything with angles or without that PennyLane decomposes into gates known here.
GATES = [
    *[(name, 1, 0) for name in ("PauliX", "PauliY", "PauliZ", "Hadamard", "S", "T", "SX")],
    *[(name, 1, 1) for name in ("RX", "RY", "RZ", "PhaseShift", "U1")],
    *[("U2", 1, 2), ("Rot", 1, 3), ("U3", 1, 3)],
    *[(name, 2, 0) for name in ("CNOT", "CZ", "CY", "CH", "SWAP", "ISWAP", "SISWAP", "ECR")],
    *[(name, 2, 1) for name in ("CRX", "CRY", "CRZ", "ControlledPhaseShift", "IsingXX", "IsingYY", "IsingZZ")],
    *[(name, 2, 1) for name in ("IsingXY", "PSWAP", "SingleExcitation", "CPhaseShift00", "CPhaseShift01")],
    *[(name, 3, 0) for name in ("Toffoli", "CSWAP", "CCZ", "MultiControlledX", "QFT")],
    ("MultiRZ", 3, 1),
]


def test_the_list_covers_every_gate_read_as_it_is():
    from counterspin.models.integrations.pennylane.operations import _SAME

    assert set(_SAME) <= {name for name, _, _ in GATES}


def _gate(qml, rng, x, w):
    """One random gate, whose angles are affine in features, of weights, or numbers; now and then its inverse."""
    name, wires, angles = GATES[rng.integers(len(GATES))]
    wires = [int(q) for q in rng.permutation(QUBITS)[:wires]]
    given = []
    for _ in range(angles):
        match rng.integers(4):
            case 0:
                # PennyLane itself cannot mix numbers and tensors in every gate of several angles.
                number = float(rng.uniform(-3, 3))
                given.append(number if angles == 1 else torch.tensor(number, dtype=torch.float64))
            case 1:
                given.append(w[rng.integers(len(w))] + 0.5)
            case _:
                i, j = rng.integers(FEATURES, size=2)
                given.append(2.0 * x[..., i] - x[..., j] + w[0])
    gate = getattr(qml, name)
    match rng.integers(4):
        case 0 if name not in ("ECR", "QFT", "SISWAP"):
            qml.adjoint(gate)(*given, wires=wires)
        case 1 if len(wires) == 1 and angles == 1:
            others = [q for q in range(QUBITS) if q not in wires]
            qml.ctrl(gate, control=others, control_values=[0, 1])(*given, wires=wires[0])
        case _:
            gate(*given, wires=wires)


def _measurement(qml, rng):
    first, second = (int(q) for q in rng.permutation(QUBITS)[:2])
    matrix = rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4))
    match rng.integers(9):
        case 0:
            return qml.expval(qml.Z(first))
        case 1:
            return qml.expval(qml.X(first) @ qml.Y(second))
        case 2:
            return qml.expval(qml.Hermitian(matrix + matrix.conj().T, wires=[first, second]))
        case 3:
            return qml.expval(qml.Projector([1, 0], wires=[first, second]))
        case 4:
            return qml.expval(0.5 * qml.X(first) @ qml.Z(second) + 2.0 * qml.I(0) - qml.Hadamard(second))
        case 5:
            return qml.expval(qml.Hamiltonian([0.3, -1.2, 0.7], [qml.Y(first), qml.I(0), qml.Z(0) @ qml.Z(2)]))
        case 6:
            return qml.probs(wires=[first, second])
        case 7:
            return qml.probs(op=qml.X(first) @ qml.Y(second))
        case _:
            return qml.probs(wires=second)


def _random_qnode(qml, seed):
    @qml.qnode(qml.device("default.qubit", wires=QUBITS), interface="torch", diff_method="backprop")
    def circuit(x, w):
        rng = np.random.default_rng(seed)
        if rng.integers(3) == 0:
            qml.AmplitudeEmbedding(x, wires=[int(q) for q in rng.permutation(QUBITS)[:2]], normalize=True)
        else:
            qml.AngleEmbedding(x[..., :QUBITS], wires=range(QUBITS), rotation=str(rng.choice(["X", "Y"])))
        for _ in range(10):
            _gate(qml, rng, x, w)
        return [_measurement(qml, rng) for _ in range(rng.integers(1, 4))]

    return circuit


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**31))
def test_an_imported_qnode_equals_its_home(qml, seed):
    x = features(FEATURES, samples=6, seed=seed % 1000)
    weights = torch.rand(5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    candidate = read_qnode(_random_qnode(qml, seed), x, gradient="none", w=weights)
    same_as_home(candidate, x, values=1e-10, gradients=1e-9, flat=True)


@pytest.mark.filterwarnings("ignore:Using qp.probs with a Hermitian observable:UserWarning")
@pytest.mark.parametrize("measured", ["hermitian alone", "probabilities in a basis", "all wires"])
def test_single_measurements(qml, measured):
    @qml.qnode(qml.device("default.qubit", wires=2))
    def circuit(x):
        qml.AngleEmbedding(x, wires=range(2))
        qml.CNOT([0, 1])
        qml.RZ(0.4, wires=1)
        match measured:
            case "hermitian alone":
                return qml.expval(qml.Hermitian(np.array([[1, 1j], [-1j, 0.3]]), 1))
            case "probabilities in a basis":
                return qml.probs(op=qml.Hermitian(np.array([[1, 1j], [-1j, 0.3]]), 1))
        return qml.probs()

    x = features(2)
    same_as_home(read_qnode(circuit, x), x)


@pytest.mark.parametrize("size", [1, 2])
def test_matrices_and_templates(qml, size):
    rng = np.random.default_rng(0)
    unitary, _ = np.linalg.qr(rng.normal(size=(2**size,) * 2) + 1j * rng.normal(size=(2**size,) * 2))

    @qml.qnode(qml.device("default.qubit", wires=3))
    def circuit(x, w):
        qml.BasisEmbedding([1, 0, 1], wires=range(3))
        qml.AngleEmbedding(x, wires=range(3), rotation="Y")
        qml.QubitUnitary(unitary, wires=range(size))
        qml.BasicEntanglerLayers(w, wires=range(3), rotation=qml.RZ)
        qml.PauliRot(x[..., 1], "XYZ", wires=range(3))
        qml.adjoint(qml.QFT)(wires=range(3))
        qml.pow(qml.RX(x[..., 0], wires=0), 2)
        qml.GlobalPhase(0.3)
        qml.Barrier(range(3))
        return [qml.expval(qml.Z(i)) for i in range(3)]

    x = features(3)
    reading = same_as_home(read_qnode(circuit, x, w=torch.ones(2, 3)), x)
    assert reading.circuit.weights == 6
