"""False robustness: wrong gradients of the real library are found, named and mended, and imports have right ones."""

import pytest
import torch
from pennylane_reading import features, read_qnode, same_as_home

from counterspin.errors import ModelError
from counterspin.models.integrations import adopt
from counterspin.models.integrations.pennylane.gradients import mended
from counterspin.models.integrations.pennylane.home import home_of

pytestmark = pytest.mark.slow

WEIGHTS = torch.rand(1, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def slope(home, x):
    """Central differences of the sum of all values along the first feature, `(samples,)`."""
    step = torch.zeros_like(x)
    step[:, 0] = 1e-5
    with torch.no_grad():
        return (home(x + step) - home(x - step)).sum(1) / 2e-5


def autograd_slope(home, x):
    leaf = x.clone().requires_grad_()
    return torch.autograd.grad(home(leaf).sum(), leaf)[0][:, 0]


def _once(qml, x, w):
    qml.AngleEmbedding(x, wires=range(3))
    qml.StronglyEntanglingLayers(w, wires=range(3))


def _again(qml, x, w):
    _once(qml, x, w)
    qml.AngleEmbedding(x, wires=range(3))


def _mixed(qml, x, w):
    for i in range(3):
        qml.RX(x[..., i], wires=i)
        qml.Rot(*w[0, i], wires=i)
        qml.U3(x[..., i], w[0, i, 0], w[0, i, 1], wires=i)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (_once, "its gradient is exactly 0 while its values change"),
        (_again, "is wrong: off by"),
        (_mixed, "is wrong: off by"),
    ],
)
def test_adjoint_with_frozen_weights_is_found_and_mended(qml, body, said):
    @qml.qnode(qml.device("default.qubit", wires=3), diff_method="adjoint")
    def circuit(x, w):
        body(qml, x, w)
        return [qml.expval(qml.Z(i)) for i in range(3)]

    x = features(3)
    # The trap is there: without the repair the library's own gradient is not that of its values.
    broken = read_qnode(circuit, x, gradient="none", route="wrap", w=WEIGHTS).home
    assert not torch.allclose(autograd_slope(broken, x), slope(broken, x), rtol=0.05, atol=0.05)

    candidate = read_qnode(circuit, x, w=WEIGHTS)
    (repair,) = candidate.repairs
    assert repair.startswith("diff_method 'adjoint': ")
    assert said in repair
    assert repair.endswith("'backprop' is used instead")
    torch.testing.assert_close(autograd_slope(candidate.home, x), slope(candidate.home, x), rtol=0, atol=1e-8)
    same_as_home(candidate, x)


def test_a_torch_layer_with_adjoint_is_mended_too(qml):
    @qml.qnode(qml.device("default.qubit", wires=3), diff_method="adjoint")
    def circuit(inputs, w):
        _once(qml, inputs, w)
        return [qml.expval(qml.Z(i)) for i in range(3)]

    x = features(3)
    candidate = read_qnode(qml.qnn.TorchLayer(circuit, {"w": (1, 3, 3)}), x)
    assert "exactly 0" in candidate.repairs[0]
    same_as_home(candidate, x)


@pytest.mark.parametrize(
    ("method", "end", "tolerance"),
    [
        ("parameter-shift", "batches are split by qml.transforms.broadcast_expand", 1e-9),
        ("finite-diff", "batches are split by qml.transforms.broadcast_expand", 1e-5),
        ("spsa", "'backprop' is used instead", 1e-9),
    ],
)
def test_gradients_of_batches_that_are_not_implemented(qml, method, end, tolerance):
    @qml.qnode(qml.device("default.qubit", wires=3), diff_method=method)
    def circuit(x, w):
        _once(qml, x, w)
        return qml.expval(qml.Z(0)), qml.expval(qml.Z(1))

    x = features(3, samples=4)
    candidate = read_qnode(circuit, x, w=WEIGHTS)
    (repair,) = candidate.repairs
    assert "cannot be computed (NotImplementedError" in repair
    assert repair.endswith(end)
    same_as_home(candidate, x, gradients=tolerance)


def test_spsa_one_by_one_is_random_and_replaced(qml):
    @qml.qnode(qml.device("default.qubit", wires=3), diff_method="spsa")
    def circuit(x, w):
        for i in range(3):
            qml.RX(float(1) * x[i], wires=i)
        if x.ndim > 1:
            raise ValueError("one sample at a time")
        qml.StronglyEntanglingLayers(w, wires=range(3))
        return qml.expval(qml.Z(0)), qml.expval(qml.Z(1))

    candidate = read_qnode(circuit, features(3, samples=4), w=WEIGHTS)
    assert candidate.home.layout == "loop"
    assert "is wrong: off by" in candidate.repairs[0]
    same_as_home(candidate, features(3, samples=4))


@pytest.mark.parametrize("method", ["finite-diff", "spsa"])
def test_difference_quotients_under_shots_are_replaced(qml, method):
    @qml.qnode(qml.device("default.qubit", wires=3, seed=0), diff_method=method)
    def circuit(x, w):
        _once(qml, x, w)
        return qml.expval(qml.Z(0)), qml.expval(qml.Z(1))

    x = features(3, samples=4)
    candidate = read_qnode(qml.set_shots(circuit, 4000), x, w=WEIGHTS)
    assert candidate.stochastic
    assert candidate.repairs == (
        f"diff_method {method!r} divides the noise of finite shots by its step: 'parameter-shift' is used instead",
        "gradients of batches are not implemented: batches are split by qml.transforms.broadcast_expand",
    )
    exact = read_qnode(circuit.update(diff_method="backprop"), x, w=WEIGHTS).home
    assert float((autograd_slope(candidate.home, x) - autograd_slope(exact, x)).abs().max()) < 0.15


def test_unit_vectors_keep_the_derivative_of_the_norm(qml):
    @qml.qnode(qml.device("default.qubit", wires=3))
    def circuit(x, w):
        qml.AmplitudeEmbedding(x, wires=range(3), normalize=True)
        qml.StronglyEntanglingLayers(w, wires=range(3))
        return qml.expval(qml.Z(0))

    x = torch.nn.functional.normalize(features(8), dim=1)
    candidate = read_qnode(circuit, x, w=WEIGHTS)
    assert "skips the division by the norm" in candidate.repairs[0]
    same_as_home(candidate, x)


def test_vectors_that_have_to_be_normalised_are(qml):
    @qml.qnode(qml.device("default.qubit", wires=3))
    def circuit(x, w):
        qml.AmplitudeEmbedding(x, wires=range(3))
        qml.StronglyEntanglingLayers(w, wires=range(3))
        return qml.expval(qml.Z(0))

    x = torch.nn.functional.normalize(features(8), dim=1)
    candidate = read_qnode(circuit, x, w=WEIGHTS)
    assert "takes unit vectors only: features are divided by their norm first" in candidate.repairs[0]
    same_as_home(candidate, x)
    torch.testing.assert_close(candidate.home(3 * x), candidate.home(x))
    torch.testing.assert_close(candidate.home(x)[:, 0], circuit(x, WEIGHTS))


def test_features_that_leave_torch_give_no_gradient(qml):
    @qml.qnode(qml.device("default.qubit", wires=1))
    def circuit(x):
        qml.RX(x.detach()[..., 0] ** 2, wires=0)
        return qml.expval(qml.Z(0))

    candidate = read_qnode(circuit, features(2))
    assert not candidate.home_differentiable
    # The values say what autograd does not: the angle is a polynomial of the features.
    assert candidate.imported is not None


def test_a_right_gradient_is_left_alone(qml):
    @qml.qnode(qml.device("lightning.qubit", wires=3), diff_method="adjoint")
    def circuit(x, w):
        _once(qml, x, w)
        return qml.expval(qml.Z(0)), qml.expval(qml.Z(1))

    x = features(3, samples=4)
    candidate = read_qnode(circuit, x, w=WEIGHTS)
    assert candidate.repairs == ()
    same_as_home(candidate, x, values=1e-6, gradients=1e-6)
    assert mended(home_of(candidate.home.call, x), "expectations", x, exact=True).home.call is candidate.home.call


def test_features_cut_off_from_autograd_are_refused_by_name(qml):
    @qml.qnode(qml.device("default.qubit", wires=1), interface="torch")
    def cut(x):
        qml.RX(float(x[0]) ** 3, wires=0)
        return qml.expval(qml.PauliZ(0))

    x = features(1)
    with pytest.raises(ModelError, match=r'no gradient arrives at the features .* with gradient="none"'):
        adopt(cut, x, bounds=(-10, 10))
    taken = adopt(cut, x, bounds=(-10, 10), gradient="none")
    assert taken.model.differentiable is False
    assert (taken.model(x)[:, 1] - torch.cos(x[:, 0] ** 3) / 2).abs().max() < 1e-6
