"""QNodes whose code is JAX's, autograd's or numpy's: values against closed forms, gradients by their own library."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pennylane_reading import features, read_qnode

from counterspin.models.integrations.pennylane.calls import qnode_call
from counterspin.models.integrations.pennylane.foreign import foreign_values, has_gradient

pytestmark = [
    pytest.mark.slow,
    # Of autograd with numpy 2, and of PennyLane in JAX's single precision.
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept context:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Explicitly requested dtype:UserWarning"),
]


def library(qml, interface):
    if interface == "jax":
        return pytest.importorskip("jax.numpy")
    return qml.numpy if interface == "autograd" else np


def sine_qnode(qml, interface):
    """Values cos a, then (1 ± cos a cos b)/2, with a = sin x0 + 0.2 and b = sin x1."""
    numbers = library(qml, interface)

    @qml.qnode(qml.device("default.qubit", wires=2), interface=interface)
    def circuit(x, w):
        qml.AngleEmbedding(numbers.sin(x), wires=range(2))
        qml.RX(w[0], wires=0)
        qml.CNOT([0, 1])
        return qml.expval(qml.Z(0)), qml.probs(wires=1)

    return circuit


def closed_form(x):
    angles = torch.sin(x) + torch.tensor([0.2, 0.0], dtype=torch.float64)
    both = angles.cos().prod(1)
    return torch.stack([angles[:, 0].cos(), (1 + both) / 2, (1 - both) / 2], 1)


@pytest.mark.parametrize(("interface", "layout"), [("autograd", "rows"), ("autograd", "loop"), ("jax", "loop")])
def test_values_and_gradients(qml, interface, layout):
    weights = {"w": library(qml, interface).array([0.2])}
    call = replace(qnode_call(sine_qnode(qml, interface), weights, None), numeric=True)
    assert has_gradient(call)
    x = features(2, samples=2).requires_grad_()
    values = foreign_values(call, x, layout)
    torch.testing.assert_close(values, closed_form(x), rtol=0, atol=1e-6)
    mix = torch.tensor([0.3, -1.0, 0.7], dtype=torch.float64)
    (got,) = torch.autograd.grad((values @ mix).sum(), x)
    (expected,) = torch.autograd.grad((closed_form(x) @ mix).sum(), x)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("interface", ["autograd", "numpy"])
def test_such_code_is_wrapped(qml, interface):
    x = features(2)
    candidate = read_qnode(sine_qnode(qml, interface), x, w=np.array([0.2]))
    assert candidate.imported is None
    assert "in a way autograd does not follow" in candidate.reason
    assert candidate.home_differentiable == (interface == "autograd")
    assert candidate.home.layout == "rows"
    torch.testing.assert_close(candidate.home(x), closed_form(x), rtol=0, atol=1e-10)


def test_affine_angles_are_imported_all_the_same(qml):
    @qml.qnode(qml.device("default.qubit", wires=2), interface="autograd")
    def circuit(x):
        qml.AngleEmbedding(np.asarray(x) * 2 + 0.5, wires=range(2))
        return qml.expval(qml.Z(0)), qml.expval(qml.Z(1))

    x = features(2)
    reading = read_qnode(circuit, x, gradient="none").imported
    assert reading.front is None
    assert [str(gate) for gate in reading.circuit.gates] == ["RX(0.5 + 2·x0) q0", "RX(0.5 + 2·x1) q1"]
