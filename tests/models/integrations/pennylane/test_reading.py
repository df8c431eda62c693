"""QNodes and TorchLayers of the real library: what is read equals what they compute, or the reason is named."""

import numpy as np
import pytest
import torch
from pennylane_reading import features, imported, read_qnode, same_as_home

from counterspin.errors import ModelError
from counterspin.models.integrations import adopt
from counterspin.models.integrations.pennylane import claims
from counterspin.models.polynomial import PolynomialMap
from counterspin.optimum import AffineMap

pytestmark = pytest.mark.slow

WEIGHTS = torch.rand(2, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.fixture
def device(qml):
    return qml.device("default.qubit", wires=3)


@pytest.fixture
def angle_qnode(qml, device):
    @qml.qnode(device, interface="torch")
    def circuit(inputs, w):
        qml.AngleEmbedding(inputs, wires=range(3))
        qml.StronglyEntanglingLayers(w, wires=range(3))
        qml.AngleEmbedding(2 * inputs + 1, wires=range(3), rotation="Y")
        qml.adjoint(qml.S)(0)
        qml.ctrl(qml.RX, control=1)(inputs[..., 0], wires=2)
        return qml.expval(qml.Z(0)), qml.probs(wires=[2, 0])

    return circuit


def test_claims_are_told_by_names(qml, angle_qnode):
    assert claims(angle_qnode)
    assert claims(qml.qnn.TorchLayer(angle_qnode, {"w": (2, 3, 3)}))
    assert not claims(torch.nn.Linear(2, 2))
    assert not claims(lambda x: x)


def test_affine_angles_become_angles_of_the_features(angle_qnode):
    x = features(3)
    candidate = read_qnode(angle_qnode, x, w=WEIGHTS)
    reading = same_as_home(candidate, x)
    assert (candidate.kind, candidate.values, candidate.stochastic) == ("pennylane.QNode", "expectations", False)
    assert candidate.home_differentiable
    assert candidate.repairs == ()
    assert reading.front is None
    assert (reading.circuit.qubits, reading.circuit.inputs, reading.circuit.weights) == (3, 3, 18)
    assert torch.equal(reading.weights, WEIGHTS.flatten())
    assert {a.constant for gate in reading.circuit.gates if gate.kind == "RY" for a in gate.angles} == {1.0}


def test_the_home_of_a_batch_is_what_the_qnode_gives_sample_by_sample(angle_qnode):
    x = features(3, samples=5)
    got = read_qnode(angle_qnode, x, w=WEIGHTS).home(x)
    for row, values in zip(x, got, strict=True):
        first, second = angle_qnode(row, WEIGHTS)
        torch.testing.assert_close(values, torch.cat([first[None], second]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("interface", ["torch", "autograd", "numpy", "jax", "auto"])
def test_code_that_runs_in_torch_is_read_whatever_the_interface(qml, angle_qnode, interface):
    x = features(3)
    same_as_home(read_qnode(angle_qnode.update(interface=interface), x, w=WEIGHTS.numpy()), x)


def test_code_for_one_sample_is_batched_by_columns(qml, device):
    @qml.qnode(device)
    def circuit(x, w):
        for i in range(3):
            qml.RX(x[i], wires=i)
            qml.RY(w[i] * x[i] + 0.5 * x[0], wires=i)
        qml.Toffoli([0, 1, 2])
        qml.MultiControlledX([0, 1, 2], control_values=[0, 1])
        return [qml.expval(qml.X(i) @ qml.Z((i + 1) % 3)) for i in range(3)]

    # As many samples as features: rows and columns have one shape, and only one of them is right.
    x = features(3, samples=3)
    candidate = read_qnode(circuit, x, w=WEIGHTS[0, 0])
    assert candidate.home.layout == "columns"
    same_as_home(candidate, x)
    reference = torch.stack([torch.stack(circuit(row, WEIGHTS[0, 0])) for row in x])
    torch.testing.assert_close(candidate.home(x), reference, rtol=0, atol=1e-12)


def test_products_of_features_become_a_polynomial(qml, device):
    @qml.qnode(device)
    def circuit(x):
        qml.IQPEmbedding(x, wires=range(3), n_repeats=2)
        return qml.probs(wires=[2, 0])

    x = features(3)
    candidate = read_qnode(circuit, x)
    assert isinstance(same_as_home(candidate, x).front, PolynomialMap)
    assert candidate.values == "probabilities"


def test_other_functions_of_features_are_recorded_for_each_batch(qml, device):
    @qml.qnode(device)
    def circuit(x, w):
        qml.AmplitudeEmbedding(torch.sin(x), wires=[0, 1], normalize=True, pad_with=0.0)
        qml.RX(torch.acos(x[..., 0] / 2), wires=2)
        qml.BasicEntanglerLayers(w, wires=range(3))
        return qml.probs()

    x = features(3)
    reading = same_as_home(read_qnode(circuit, x, w=WEIGHTS[..., 0]), x)
    assert callable(reading.front)
    assert not isinstance(reading.front, AffineMap | PolynomialMap)
    assert imported(reading, x.float()).dtype == torch.float32


@pytest.mark.parametrize(
    ("count", "options", "wires", "inputs"),
    [
        (4, {"normalize": True}, [2, 0], 4),
        (8, {"normalize": True}, [0, 1, 2], 8),
        (5, {"pad_with": 0.0}, [0, 1, 2], 5),
        (5, {"pad_with": 0.3}, [0, 1, 2], 8),
    ],
)
def test_amplitudes(qml, device, count, options, wires, inputs):
    @qml.qnode(device)
    def circuit(x, w):
        qml.AmplitudeEmbedding(x, wires=wires, **options)
        qml.StronglyEntanglingLayers(w, wires=range(3))
        return [qml.expval(qml.Z(i)) for i in range(3)]

    x = features(count)
    reading = same_as_home(read_qnode(circuit, x, w=WEIGHTS), x)
    assert reading.circuit.amplitudes is not None
    assert reading.circuit.inputs == inputs
    assert (reading.front is None) == (inputs == count)


def test_amplitudes_and_angles_of_the_same_features(qml, device):
    @qml.qnode(device)
    def circuit(x, w):
        qml.AmplitudeEmbedding(x, wires=[0, 1, 2], pad_with=0.2)
        qml.BasicEntanglerLayers(w, wires=range(3))
        qml.RX(3 * x[..., 0] - x[..., 4], wires=1)
        return qml.probs(op=qml.X(0) @ qml.Y(1))

    x = features(5)
    reading = same_as_home(read_qnode(circuit, x, w=WEIGHTS[..., 0]), x)
    assert reading.circuit.inputs == 9
    assert isinstance(reading.front, AffineMap)


def test_wires_are_taken_in_the_order_of_the_device(qml):
    @qml.qnode(qml.device("default.qubit", wires=["b", "a", 7]))
    def circuit(x):
        qml.AngleEmbedding(x, wires=["a", "b"])
        qml.CNOT(["a", "b"])
        qml.RY(0.3, wires=7)
        qml.CNOT([7, "a"])
        return qml.probs()

    x = features(2)
    same_as_home(read_qnode(circuit, x), x)


def test_a_torch_layer_brings_its_weights(qml, device):
    @qml.qnode(device)
    def circuit(inputs, w):
        qml.AngleEmbedding(inputs, wires=range(3))
        qml.StronglyEntanglingLayers(w, wires=range(3))
        return [qml.expval(qml.Z(0)), qml.expval(qml.X(2))]

    layer = qml.qnn.TorchLayer(circuit, {"w": (2, 3, 3)})
    x = features(3)
    candidate = read_qnode(layer, x)
    reading = same_as_home(candidate, x)
    assert candidate.kind == "pennylane.TorchLayer"
    assert torch.equal(reading.weights, layer.w.detach().double().flatten())
    torch.testing.assert_close(candidate.home(x), layer(x), rtol=0, atol=1e-12)
    assert candidate.state is not None
    assert list(candidate.state()) == ["w"]
    with pytest.raises(ModelError, match="holds its weights itself"):
        read_qnode(layer, x, w=WEIGHTS)


def test_a_structure_that_depends_on_the_data_is_refused(qml, device):
    @qml.qnode(device)
    def circuit(x):
        if x[0] > 0.6:
            qml.X(0)
        qml.RX(x[1], wires=0)
        return qml.probs(wires=0)

    with pytest.raises(ModelError, match=r"structure depends on the data.*PauliX on \[0\].*route='wrap'"):
        read_qnode(circuit, features(2))
    assert read_qnode(circuit, features(2), route="wrap").imported is None


@pytest.mark.parametrize("name", ["state", "sample", "counts"])
def test_outputs_that_are_no_scores_are_refused(qml, device, name):
    @qml.qnode(device)
    def circuit(x):
        qml.RX(x[..., 0], wires=0)
        return getattr(qml, name)()

    circuit = circuit if name == "state" else qml.set_shots(circuit, 10)
    with pytest.raises(ModelError, match=rf"qml.{name}\(\), which are no class scores; return qml.probs"):
        read_qnode(circuit, features(2))


def test_features_that_no_gate_takes_are_refused(qml, device):
    @qml.qnode(device)
    def circuit(x):
        qml.RX(0.3, wires=0)
        return qml.probs(wires=0)

    with pytest.raises(ModelError, match="no gate of the QNode hangs on its argument 'x'"):
        read_qnode(circuit, features(2), gradient="none")


def test_a_wrong_number_of_features_is_named(angle_qnode):
    with pytest.raises(ModelError, match="failed on a sample of 7 features"):
        read_qnode(angle_qnode, features(7), w=WEIGHTS)


def _mid_measured(qml, x):
    qml.RX(x[..., 0], wires=0)
    qml.cond(qml.measure(0), qml.X)(1)
    return qml.probs(wires=1)


def _noisy(qml, x):
    qml.RX(x[..., 0], wires=0)
    qml.AmplitudeDamping(0.1, wires=0)
    return qml.probs(wires=0)


def _variance(qml, x):
    qml.RX(x[..., 0], wires=0)
    return qml.var(qml.Z(0))


def _rounded(qml, x):
    qml.RX(np.round(float(x[0]), 1), wires=0)
    return qml.expval(qml.Z(0))


def _bits(qml, x):
    qml.BasisEmbedding((x > 0.6).int(), wires=range(2))
    return qml.expval(qml.Z(0))


@pytest.mark.parametrize(
    ("body", "device_name", "reason"),
    [
        (_mid_measured, "default.qubit", "measures in the middle of the circuit"),
        (_noisy, "default.mixed", "noise channel AmplitudeDamping"),
        (_variance, "default.qubit", "returns variance"),
        (_rounded, "default.qubit", "in a way autograd does not follow"),
        (_bits, "default.qubit", "BasisEmbedding takes features that are 0 or 1"),
    ],
)
def test_what_cannot_be_imported_is_wrapped_with_the_reason(qml, body, device_name, reason):
    circuit = qml.QNode(lambda x: body(qml, x), qml.device(device_name, wires=2))
    candidate = read_qnode(circuit, features(2), gradient="none")
    assert candidate.imported is None
    assert reason in candidate.reason
    assert candidate.home(features(2)).isfinite().all()


def test_shots_are_wrapped_and_imported_only_when_asked(qml, angle_qnode):
    x = features(3)
    noisy = qml.set_shots(angle_qnode, 1000)
    candidate = read_qnode(noisy, x, w=WEIGHTS)
    assert candidate.stochastic
    assert candidate.imported is None
    assert "1000 shots" in candidate.reason
    assert (candidate.shots, read_qnode(angle_qnode, x, w=WEIGHTS).shots) == (1000, 0)
    asked = read_qnode(noisy, x, route="import", w=WEIGHTS)
    exact = read_qnode(angle_qnode, x, w=WEIGHTS).home(x)
    torch.testing.assert_close(imported(asked.imported, x), exact, rtol=0, atol=1e-10)
    assert float((candidate.home(x) - exact).abs().mean()) < 0.05
    assert not torch.equal(candidate.home(x), candidate.home(x))


@pytest.fixture
def in_a_corner():
    """Samples below 0.4 of features that may be up to 1."""
    return 0.4 * torch.rand(8, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def _adopted(circuit, x):
    return adopt(circuit, x, bounds=(0, 1))


def _at_home(circuit, points):
    values = torch.stack([circuit(point) for point in points])
    return torch.stack([-values / 2, values / 2], dim=1)


def test_an_angle_that_jumps_where_no_sample_is_stays_a_function(qml, device, in_a_corner):
    @qml.qnode(device, interface="torch")
    def circuit(x):
        qml.AngleEmbedding(3 * x, wires=range(3))
        qml.RX(0.7 if x[0] > 0.6 else 0.1, wires=1)
        qml.CNOT([0, 1])
        return qml.expval(qml.Z(1))

    points = torch.rand(30, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    adopted = _adopted(circuit, in_a_corner)
    assert adopted.route.route == "imported"
    torch.testing.assert_close(adopted.model(points), _at_home(circuit, points), rtol=0, atol=1e-10)


def test_clipped_amplitudes_are_not_the_features(qml, device):
    @qml.qnode(device, interface="torch")
    def circuit(x):
        qml.AmplitudeEmbedding(torch.clamp(x, 0.1, 0.8), wires=[0, 1], normalize=True)
        return qml.expval(qml.Z(0))

    x = 0.3 + 0.3 * torch.rand(8, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    points = torch.rand(30, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(_adopted(circuit, x).model(points), _at_home(circuit, points), rtol=0, atol=1e-10)


def test_branches_that_no_sample_takes_are_found(qml, device, in_a_corner):
    @qml.qnode(device, interface="torch")
    def gates(x):
        qml.AngleEmbedding(3 * x, wires=range(3))
        # A batch as a whole would never take it.
        if bool((x > 0.8).all()):
            qml.X(1)
        return qml.expval(qml.Z(1))

    with pytest.raises(ModelError, match=r"structure depends on the data: two points .*route='wrap'"):
        _adopted(gates, in_a_corner)

    @qml.qnode(device, interface="torch")
    def observables(x):
        qml.AngleEmbedding(3 * x, wires=range(3))
        return qml.expval(qml.Z(0) if x[0] < 0.7 else qml.Z(1))

    found = _adopted(observables, in_a_corner)
    assert found.route.route == "wrapped"
    assert "what it measures depends on the features" in found.route.reason


def test_functions_with_kinks_at_the_corners_are_imported(qml, device):
    @qml.qnode(device, interface="torch")
    def circuit(x):
        qml.AngleEmbedding(3 * torch.sort(x, -1)[0], wires=range(3))
        qml.CNOT([0, 1])
        return qml.expval(qml.Z(1))

    assert _adopted(circuit, features(3) - 0.1).route.route == "imported"
