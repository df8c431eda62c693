"""Circuits behind any map: values, gradients, capabilities, storage, and what certificates make of them."""

import pytest
import torch

from counterspin.certificates import (
    BernsteinCertificate,
    BranchAndBoundCertificate,
    BuresCertificate,
    LipschitzCertificate,
)
from counterspin.circuits import OutcomeGroups, PauliExpectations, amplitude_encoding, reuploading
from counterspin.errors import ConditionsError, ModelError
from counterspin.models import MappedClassifier, PolynomialMap, QuantumClassifier, load_model, save_model
from counterspin.simulation import run
from counterspin.threats import L2, Linf
from counterspin.types import Box, Classifier, HasAffineInputs, HasCircuit, HasEffectiveObservables, HasStates, Sampled


def _front():
    return PolynomialMap([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 2]], torch.tensor([[1.0, 0, 2, 0], [0, 1, -1, 0.5]]))


def _body():
    return QuantumClassifier(reuploading(2, 2), PauliExpectations.of("Z0", "Z1"), Box.unbounded(2))


@pytest.fixture
def model():
    return MappedClassifier(_front(), _body(), Box.uniform(-1, 1, features=3)).requires_grad_(False)


X = torch.linspace(-1, 1, 15, dtype=torch.float64).reshape(5, 3)


def test_scores_are_those_of_the_body_at_the_mapped_features(model):
    torch.testing.assert_close(model(X), model.body(model.front(X)), rtol=0, atol=0)
    scores = run(model.circuit, model.circuit_inputs(X), model.weights, model.readout)
    torch.testing.assert_close(scores, model(X), rtol=1e-12, atol=1e-12)
    torch.autograd.gradcheck(model, X[:1].clone().requires_grad_())
    generator = torch.Generator().manual_seed(0)
    torch.testing.assert_close(model.sample(X, shots=None, generator=generator), model(X), rtol=1e-9, atol=1e-12)


def test_capabilities(model):
    for protocol in (Classifier, HasCircuit, HasStates, Sampled):
        assert isinstance(model, protocol)
    assert not isinstance(model, HasAffineInputs | HasEffectiveObservables)


def test_saved_and_loaded(model, tmp_path):
    save_model(model, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert isinstance(loaded, MappedClassifier)
    assert torch.equal(loaded(X), model(X))


def test_a_front_that_is_code_cannot_be_saved(tmp_path):
    model = MappedClassifier(lambda x: torch.sin(x[:, :2]), _body(), Box.uniform(-1, 1, features=3))
    with pytest.raises(ModelError, match=r"Python code .* cannot be saved; keep the file"):
        save_model(model, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def _identity(x):
    return x


@pytest.mark.parametrize("front", [_identity, lambda x: x if float(x.min()) <= -1 else 3 * x])
@pytest.mark.parametrize(
    "certificate", [BuresCertificate(), BernsteinCertificate(), LipschitzCertificate(), BranchAndBoundCertificate()]
)
def test_no_certificate_takes_it_for_a_circuit_of_its_features(front, certificate):
    # The fronts hand on the very object they are given at the lower bound, where certificates look.
    model = MappedClassifier(front, _body(), Box.uniform(-1, 1, features=2)).requires_grad_(False)
    x = X[:, :2]
    with pytest.raises(ConditionsError, match="classical map that is not known"):
        certificate(model, x, model(x).argmax(dim=1), Linf(0.1, box="none"))


@pytest.mark.parametrize("front", [_identity, lambda x: 1.0 * x])
def test_amplitudes_of_a_function_are_no_amplitudes_of_the_features(front):
    from counterspin.certificates import GuanCertificate

    body = QuantumClassifier(amplitude_encoding(4), OutcomeGroups((0,), ((0,), (1,))), Box.unbounded(4))
    model = MappedClassifier(front, body, Box.uniform(0, 1, features=4)).requires_grad_(False)
    x = torch.rand(3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with pytest.raises(ConditionsError, match="maps them classically first"):
        GuanCertificate()(model, x, model(x).argmax(dim=1), L2(0.1))


def test_refusals():
    with pytest.raises(ModelError, match="bounds cover 2 features; the map takes 3"):
        MappedClassifier(_front(), _body(), Box.uniform(-1, 1, features=2))
    short = PolynomialMap([[1, 0, 0]], torch.ones(1, 1))
    with pytest.raises(ModelError, match="the map gives 1 values; the circuit takes 2"):
        MappedClassifier(short, _body(), Box.uniform(-1, 1, features=3))
