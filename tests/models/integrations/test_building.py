"""Classifiers from circuits that were read: fronts in angles, before amplitudes, as functions; heads composed."""

import math

import pytest
import torch

from counterspin.circuits import (
    Circuit,
    Linear,
    OutcomeGroups,
    PauliExpectations,
    Readout,
    amplitude_encoding,
    feature,
    weight,
)
from counterspin.models import AffineInputs, MappedClassifier, PolynomialMap, QuantumClassifier
from counterspin.models.integrations.build import build
from counterspin.models.integrations.reading import CircuitReading, Unreadable
from counterspin.models.integrations.scores import score_map
from counterspin.optimum import AffineMap
from counterspin.simulation import run
from counterspin.types import Box

X = torch.rand(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
WEIGHTS = torch.tensor([0.3, -1.2, 0.7], dtype=torch.float64)
ANGLES = (
    Circuit(2)
    .add("RY", 0, 2.0 * feature(0) + 0.5)
    .add("RX", 1, feature(1) * weight(0) + weight(1))
    .add("CNOT", (0, 1))
    .add("RZ", 0, feature(2) - feature(0))
    .add("RX", 0, weight(2))
)
Z = PauliExpectations.of("Z0", "Z1")
AFFINE = AffineMap(
    torch.tensor([[2.0, 0, 0], [0, -1, 0.5], [1, 0, 1]], dtype=torch.float64),
    torch.tensor([0.1, 0.2, 0], dtype=torch.float64),
)


def _reading(front, *, circuit=ANGLES, measurement=Z, head=None, weights=WEIGHTS):
    return CircuitReading(circuit=circuit, weights=weights, front=front, measurement=measurement, head=head)


def _raw(reading, inputs):
    return run(reading.circuit, inputs, reading.weights, Readout(reading.measurement, reading.head))


def _built(reading, features=3, **options):
    mapped = X[:, :features] if reading.front is None else reading.front(X[:, :features])
    raw = _raw(reading, mapped)
    scores = score_map(raw, "expectations", **options)
    return build(reading, scores, Box.uniform(0, 1, features=features), X[:, :features]), scores(raw)


@pytest.mark.parametrize(
    ("front", "kind"),
    [
        (None, QuantumClassifier),
        (AffineMap.identity(3), QuantumClassifier),
        (AFFINE, QuantumClassifier),
        (lambda x: x @ AFFINE.weight.to(x).T + AFFINE.bias.to(x), QuantumClassifier),
        (lambda x: x * x.roll(1, dims=1), MappedClassifier),
        (torch.sin, MappedClassifier),
    ],
)
def test_the_classifier_computes_what_was_read(front, kind):
    model, expected = _built(_reading(front))
    assert type(model) is kind
    torch.testing.assert_close(model(X), expected, rtol=1e-11, atol=1e-12)
    torch.autograd.gradcheck(model, X[:1].clone().requires_grad_())
    assert model.bounds.features == 3


def test_functions_that_are_polynomials_become_them():
    model, _ = _built(_reading(lambda x: x * x.roll(1, dims=1)))
    assert isinstance(model.front, PolynomialMap)
    assert not isinstance(_built(_reading(torch.sin))[0].front, PolynomialMap)


def test_substituted_angles_merge_their_terms_and_keep_their_weights():
    model, _ = _built(_reading(AFFINE))
    angle = model.circuit.gates[3].angles[0]  # x2 - x0 behind the map: (x0 + x2) - (2 x0 + 0.1)
    assert {(t.input, t.weight): t.coefficient for t in angle.terms} == {(0, None): -1.0, (2, None): 1.0}
    assert angle.constant == pytest.approx(-0.1)
    assert model.circuit.weights == 3
    model.requires_grad_(True)
    (slope,) = torch.autograd.grad(model(X).square().sum(), model.weights)
    assert float(slope.abs().min()) > 1e-3


def test_it_comes_frozen_in_evaluation_mode():
    model, _ = _built(_reading(AFFINE))
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())


def test_affine_fronts_of_amplitudes_stay_before_them():
    circuit = amplitude_encoding(3).add("RY", 0, weight(0)).add("RX", 1, weight(1)).add("RY", 1, weight(2))
    model, expected = _built(_reading(AFFINE, circuit=circuit))
    assert type(model) is AffineInputs
    torch.testing.assert_close(model(X), expected, rtol=1e-11, atol=1e-12)


def test_features_the_circuit_leaves_out():
    circuit = Circuit(2).add("RY", 0, feature(0)).add("RX", 1, feature(1))
    reading = _reading(None, circuit=circuit, weights=torch.zeros(0, dtype=torch.float64))
    model = build(reading, score_map(torch.zeros(2, 2), "expectations"), Box.uniform(0, 1, features=3), X)
    torch.testing.assert_close(model(X), torch.cos(X[:, :2]), rtol=1e-12, atol=1e-12)
    assert model.bounds.features == 3


def test_wide_affine_fronts_are_not_written_into_every_gate():
    features = 400
    weights = torch.randn(3, features, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    front = AffineMap(weights, torch.zeros(3, dtype=torch.float64))
    x = torch.rand(4, features, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    model = build(
        _reading(front), score_map(torch.zeros(2, 2), "expectations"), Box.uniform(0, 1, features=features), x
    )
    assert type(model) is AffineInputs
    torch.testing.assert_close(model(x), _raw(_reading(None), front(x)), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("above", [0, 1])
@pytest.mark.parametrize("head", [None, Linear(torch.tensor([[0.5, -2.0]]), torch.tensor([0.25]))])
def test_heads_compose_with_the_score_map(above, head):
    measurement = Z if head is not None else PauliExpectations.of("X0 Z1")
    model, expected = _built(_reading(None, measurement=measurement, head=head), above=above, threshold=0.1)
    torch.testing.assert_close(model(X), expected, rtol=1e-11, atol=1e-12)
    assert model.outputs == "logits"


@pytest.mark.parametrize("above", [0, 1])
def test_one_probability_becomes_two_groups_of_outcomes(above):
    reading = _reading(None, measurement=OutcomeGroups((0, 1), ((1, 2),)))
    raw = _raw(reading, X)
    scores = score_map(raw, "probabilities", above=above)
    model = build(reading, scores, Box.uniform(0, 1, features=3), X)
    torch.testing.assert_close(model(X), scores(raw), rtol=1e-11, atol=1e-12)
    assert model.outputs == "probabilities"
    assert model.measurement.groups[above] == (1, 2)


def test_what_cannot_be_built_says_why():
    box = Box.uniform(0, 1, features=3)
    pair = score_map(torch.zeros(2, 2), "expectations")
    constant = Circuit(1).add("RX", 0, math.pi)
    reading = _reading(None, circuit=constant, measurement=PauliExpectations.of("Z0"))
    with pytest.raises(Unreadable, match="no gate of the circuit depends on the features"):
        build(reading, pair, box, X)
    with pytest.raises(Unreadable, match="class labels"):
        build(_reading(None), score_map(torch.zeros(2, 1), "labels"), box, X)
    with pytest.raises(Unreadable, match="weights have shape"):
        build(_reading(None, weights=torch.zeros(1)), pair, box, X)
