"""What a classifier with computed inputs takes from its circuit."""

import pytest
import torch

from counterspin.circuits import OutcomeGroups, angle_encoding
from counterspin.models import QuantumClassifier
from counterspin.models.fronted import FrontedClassifier
from counterspin.types import Box, Classifier


class Halved(FrontedClassifier):
    """The circuit sees half of every feature."""

    bounds = Box.uniform(0, 2, features=2)

    def circuit_inputs(self, x):
        return x / 2


@pytest.fixture
def body():
    bit = OutcomeGroups((0,), ((0,), (1,)))
    return QuantumClassifier(angle_encoding(2), bit, Box.uniform(0, 1, features=2)).requires_grad_(False)


X = torch.tensor([[0.4, 1.8], [1.0, 0.2]], dtype=torch.float64)


def test_everything_but_the_inputs_is_the_circuits(body):
    model = Halved(body)
    assert isinstance(model, Classifier)
    assert torch.equal(model(X), body(X / 2))
    assert not torch.equal(model(X), body(X))
    assert torch.equal(model.states(X), body.states(X / 2))
    draws = [
        of.sample(x, shots=50, generator=torch.Generator().manual_seed(0)) for of, x in ((model, X), (body, X / 2))
    ]
    assert torch.equal(*draws)
    assert (model.classes, model.outputs, model.circuit) == (body.classes, body.outputs, body.circuit)
    assert model.weights is body.weights
    assert model.readout.measurement == body.readout.measurement


def test_the_engine_is_that_of_the_circuit(body):
    model = Halved(body)
    model.engine = "torch"
    assert (body.engine, model.engine, model.runs_on()) == ("torch", "torch", "torch")


def test_gradients_reach_the_features(body):
    x = X.clone().requires_grad_()
    Halved(body)(x)[:, 0].sum().backward()
    step = torch.tensor([[1e-6, 0.0]], dtype=torch.float64)
    slope = (Halved(body)(X + step) - Halved(body)(X - step))[:, 0] / 2e-6
    torch.testing.assert_close(x.grad[:, 0], slope, rtol=1e-6, atol=1e-8)


def test_inputs_must_be_computed(body):
    with pytest.raises(TypeError, match="circuit_inputs"):
        FrontedClassifier(body)
