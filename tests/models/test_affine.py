"""Circuits behind affine maps as classifiers: values, capabilities, composition, storage of the parts."""

import pytest
import torch

from counterspin.circuits import OutcomeGroups, PauliExpectations, amplitude_encoding, reuploading, strongly_entangling
from counterspin.errors import ModelError
from counterspin.models import HybridClassifier, QuantumClassifier
from counterspin.models.affine import AffineInputs, unwrapped
from counterspin.models.classical import MLP
from counterspin.optimum.affine_map import AffineMap
from counterspin.simulation import run
from counterspin.types import Box, Classifier, HasAffineInputs, HasCircuit, HasEffectiveObservables, HasStates, Sampled


def _map(outputs, features, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return AffineMap(
        torch.randn(outputs, features, generator=generator, dtype=torch.float64),
        torch.randn(outputs, generator=generator, dtype=torch.float64),
    )


def _body(values=4):
    circuit = amplitude_encoding(values) + strongly_entangling(2, 2)
    return QuantumClassifier(circuit, OutcomeGroups((0,), ((0,), (1,))), Box.unbounded(values)).requires_grad_(False)


@pytest.fixture
def model():
    return AffineInputs(_body(), _map(4, 6), Box.uniform(-2, 2, features=6))


def test_scores_are_those_of_the_body_at_the_mapped_features(model):
    x = torch.linspace(-2, 2, 30, dtype=torch.float64).reshape(5, 6)
    mapped = x @ model.map_weight.T + model.map_bias
    torch.testing.assert_close(model(x), model.body(mapped), rtol=0, atol=0)
    torch.testing.assert_close(
        run(model.circuit, model.circuit_inputs(x), model.weights, model.readout), model(x), rtol=1e-12, atol=1e-12
    )
    assert model(x.float()).dtype == torch.float32
    assert model.states(x).shape == (5, 4)
    generator = torch.Generator().manual_seed(0)
    torch.testing.assert_close(model.sample(x, shots=None, generator=generator), model(x), rtol=1e-9, atol=1e-12)


def test_gradient_reaches_the_users_features(model):
    x = torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(1, 6).requires_grad_()
    torch.autograd.gradcheck(model, x)


def test_capabilities(model):
    for protocol in (Classifier, HasCircuit, HasStates, Sampled, HasAffineInputs):
        assert isinstance(model, protocol)
    # Its forms are those of the mapped features: whoever asked for them would use them wrongly.
    assert not isinstance(model, HasEffectiveObservables)
    assert model.classes == 2
    assert model.outputs == "probabilities"
    assert model.runs_on().endswith("folded")
    model.engine = "torch"
    assert model.body.engine == "torch"


def test_unwrapping_gives_body_and_map(model):
    body, total = unwrapped(model)
    assert body is model.body
    x = torch.ones(1, 6, dtype=torch.float64)
    torch.testing.assert_close(body(total(x)), model(x), rtol=1e-12, atol=1e-12)


def test_maps_around_maps_compose_in_order(model):
    class Outer:
        bounds, classes, outputs, stochastic = Box.unbounded(2), 2, "probabilities", False

        def __call__(self, x):
            return self.body(self._map(x))

        def __init__(self, body, map):
            self.body, self._map = body, map

        def input_map(self):
            return self._map

    body, total = unwrapped(Outer(Outer(model, _map(6, 5, seed=1)), _map(5, 2, seed=2)))
    x = torch.ones(3, 2, dtype=torch.float64)
    expected = model(_map(6, 5, seed=1)(_map(5, 2, seed=2)(x)))
    assert body is model.body
    torch.testing.assert_close(body(total(x)), expected, rtol=1e-10, atol=1e-12)


def test_fronts_that_are_not_affine_are_left_alone():
    front = MLP(Box.uniform(0, 1, features=4), classes=2, hidden=(3,))
    body = QuantumClassifier(reuploading(2, 1), PauliExpectations.of("Z0", "Z1"), Box.uniform(-1, 1, features=2))
    hybrid = HybridClassifier(front, body)
    assert unwrapped(hybrid) == (hybrid, None)


def test_configuration_and_tensors_give_the_model_back(model):
    again = AffineInputs.from_config(model.config())
    again.load_state_dict(model.state_dict(), assign=True)
    x = torch.linspace(-2, 2, 12, dtype=torch.float64).reshape(2, 6)
    torch.testing.assert_close(again(x), model(x), rtol=1e-12, atol=1e-12)
    assert torch.equal(again.bounds.lower, model.bounds.lower)


def test_parts_that_do_not_fit_are_refused():
    with pytest.raises(ModelError, match="gives 3 values; the circuit takes 4"):
        AffineInputs(_body(), _map(3, 6), Box.unbounded(6))
    with pytest.raises(ModelError, match="bounds cover 5 features; the map takes 6"):
        AffineInputs(_body(), _map(4, 6), Box.unbounded(5))
