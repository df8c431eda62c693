"""Smoothing: tabulated value, the linear oracle, no flip inside, abstention, and the exact form without sampling."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_circuits import random_circuit
from scipy.stats import norm

from counterspin.certificates.smoothing import DampingCertificate, SmoothingCertificate, smoothing_radius
from counterspin.circuits import Circuit, Linear, OutcomeGroups, PauliExpectations, Scale, feature
from counterspin.errors import ConditionsError, UsageError
from counterspin.models import LogisticRegression, QuantumClassifier
from counterspin.models.damped import DampedClassifier
from counterspin.models.smoothed import SmoothedClassifier
from counterspin.threats import L1, L2, Linf
from counterspin.types import Box

BIT = OutcomeGroups((0,), ((0,), (1,)))


def linear(classes=2):
    model = LogisticRegression(Box.uniform(-2, 2, features=3), classes=classes)
    generator = torch.Generator().manual_seed(classes)
    with torch.no_grad():
        model.weight.copy_(torch.randn(classes, 3, generator=generator))
        model.bias.copy_(0.1 * torch.randn(classes, generator=generator))
    return model.requires_grad_(False)


def inputs(count=40):
    return 0.5 * torch.randn(count, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def boundary(model, x, y):
    """Distance to the nearest hyperplane between the label and another class."""
    w, b = model.weight.double(), model.bias.double()
    scores = x @ w.T + b
    gaps = scores.gather(1, y[:, None]) - scores
    distances = gaps / (w[y][:, None] - w[None]).norm(dim=2)
    return distances.scatter(1, y[:, None], torch.inf).amin(dim=1)


def test_tabulated_value():
    found = smoothing_radius(torch.tensor([0.9, 0.1, 0.5]).double(), torch.tensor([0.1, 0.9, 0.5]).double(), 0.25)
    assert found[0].item() == pytest.approx(0.32039, abs=5e-6)
    assert found[1:].tolist() == [0, 0]
    ends = smoothing_radius(torch.tensor([1.0, 0.0, 1.0]).double(), torch.tensor([0.5, 0.0, 1.0]).double(), 1.0)
    assert ends.tolist() == [math.inf, 0.0, 0.0]


def test_exact_probabilities_of_a_linear_model_give_its_distance():
    for distance, sigma in ((0.3, 0.25), (1.2, 0.5), (0.01, 2.0)):
        p = torch.tensor(norm.cdf(distance / sigma), dtype=torch.float64)
        assert smoothing_radius(p, 1 - p, sigma).item() == pytest.approx(distance, rel=1e-9)


@pytest.mark.parametrize("classes", [2, 4])
def test_sampled_radius_of_a_linear_model(classes):
    body, x, sigma = linear(classes), inputs(), 0.5
    y = body(x).argmax(dim=1)
    model = SmoothedClassifier(body, sigma=sigma, draws=2000)
    certificate = SmoothingCertificate(draws=20_000)
    result = certificate(model, x, y, L2(0.1), generator=torch.Generator().manual_seed(0))
    distance = boundary(body, x, y)
    if classes == 2:
        # The vote's boundary is that of the body: the radius is a lower bound of the distance, and close to it.
        assert bool((result.radius_lower <= distance).all())
        clear = (distance > 0.2) & (distance < 1.2)
        assert int(clear.sum()) > 5
        assert bool((result.radius_lower > 0.8 * distance)[clear].all())
    assert bool((result.radius_lower > 0).any())
    assert bool(torch.isinf(result.radius_upper[result.radius_lower > 0]).all())
    assert any("majority vote" in note for note in result.assumptions.notes)
    assert result.assumptions.shots == "finite"


def test_no_vote_flips_inside_the_radius():
    body, x = linear(4), inputs(20)
    model = SmoothedClassifier(body, sigma=0.5, draws=2000)
    y = model(x).argmax(dim=1)
    radius = SmoothingCertificate(draws=5000)(model, x, y, L2(0.1)).radius_lower
    directions = torch.randn(30, *x.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    moved = x + radius[:, None] * directions / directions.norm(dim=2, keepdim=True)
    shares = model.votes(moved.flatten(0, 1), draws=1000, generator=torch.Generator().manual_seed(2)) / 1000
    own = shares.gather(1, y.repeat(30)[:, None])[:, 0]
    others = shares.scatter(1, y.repeat(30)[:, None], -1.0).amax(dim=1)
    # At the radius itself the two may tie: four standard deviations of the estimate.
    assert float((own - others).min()) > -4 * (1 / 1000) ** 0.5


def test_norm_inequalities_and_abstention():
    body, x = linear(), inputs(4)
    y = body(x).argmax(dim=1)
    model = SmoothedClassifier(body, sigma=0.5, draws=1000)
    radii = [
        SmoothingCertificate(draws=1000)(model, x, y, threat, generator=torch.Generator().manual_seed(0)).radius_lower
        for threat in (L2(0.1), Linf(0.1), L1(0.1))
    ]
    torch.testing.assert_close(radii[1], radii[0] / 3**0.5, rtol=1e-12, atol=0)
    torch.testing.assert_close(radii[2], radii[0], rtol=0, atol=0)
    # On the boundary half of the votes go either way: never settled.
    w, b = body.weight.double(), body.bias.double()
    normal, offset = w[0] - w[1], b[0] - b[1]
    point = (-offset * normal / normal.square().sum())[None]
    for label in (0, 1):
        assert SmoothingCertificate(draws=1000)(model, point, [label], L2(0.1)).radius_lower.item() == 0.0


def test_confidence_and_draws_shape_the_radius():
    body, x = linear(), inputs(10)
    y = body(x).argmax(dim=1)
    model = SmoothedClassifier(body, sigma=0.5, draws=1000)

    def median(**settings):
        result = SmoothingCertificate(**settings)(model, x, y, L2(0.1), generator=torch.Generator().manual_seed(0))
        return float(result.radius_lower.median())

    assert median(draws=5000) > median(draws=500)
    assert median(draws=500, confidence=0.9) > median(draws=500, confidence=0.999999)


def test_refusals():
    assert "wrap it" in (SmoothingCertificate().refusal(linear(), L2(0.1)) or "")
    assert SmoothingCertificate().refusal(SmoothedClassifier(linear(), sigma=0.1), L2(0.1)) is None
    assert "norm is l0" in (SmoothingCertificate().refusal(SmoothedClassifier(linear(), sigma=0.1), L0()) or "")
    with pytest.raises(UsageError, match="draws is 0"):
        SmoothingCertificate(draws=0)
    with pytest.raises(UsageError, match="confidence is 0"):
        SmoothingCertificate(confidence=0.0)
    body = QuantumClassifier(Circuit(1).add("RX", 0, feature(0)), BIT, Box.uniform(0, 1, 1))
    for model in (body, DampedClassifier(body, sigma=0.0)):
        with pytest.raises(ConditionsError, match="DampedClassifier with sigma above 0"):
            DampingCertificate()(model, [[0.5]], [0], L2(0.1))


def L0():
    from counterspin.threats import L0 as threat

    return threat(1)


@pytest.mark.parametrize("sigma", [0.1, 0.7, 1.5])
@pytest.mark.parametrize("head", [None, Scale(torch.tensor(9.0).double())])
def test_damped_rotation_in_closed_form(sigma, head):
    # p_0 = (1 + e^(-σ²/2) cos x) / 2, and the range of the probability behind the rotation is [0, 1].
    body = QuantumClassifier(Circuit(1).add("RX", 0, feature(0)), BIT, Box.uniform(0, 4, 1), head=head)
    model = DampedClassifier(body, sigma=sigma)
    x = torch.tensor([[0.0], [0.8], [1.5]], dtype=torch.float64)
    result = DampingCertificate()(model, x, [0, 0, 0], L2(0.1))
    expected = sigma * norm.ppf((1 + math.exp(-(sigma**2) / 2) * np.cos(x[:, 0].numpy())) / 2)
    np.testing.assert_allclose(result.radius_lower.numpy(), expected, rtol=1e-6, atol=1e-9)
    assert bool((result.radius_lower.numpy() <= expected).all())
    assert bool((result.radius_lower <= (math.pi / 2 - x[:, 0])).all())
    assert result.assumptions.shots == "infinite"
    assert any("averaged" in note for note in result.assumptions.notes)


def test_a_bias_is_served_by_the_range_of_the_margin():
    # s_0 - s_1 = 2 cos x + 0.5 in [-1.5, 2.5]; smoothed 2 e^(-1/2) cos x + 0.5.
    head = Linear(torch.tensor([[1.0], [-1.0]]).double(), torch.tensor([0.5, 0.0]).double())
    circuit = Circuit(1).add("RX", 0, feature(0))
    body = QuantumClassifier(circuit, PauliExpectations.of("Z0"), Box.uniform(0, 4, 1), head=head)
    model = DampedClassifier(body, sigma=1.0)
    x = 0.6
    share = (2 * math.exp(-0.5) * math.cos(x) + 0.5 + 1.5) / 4
    expected = norm.ppf(share) - norm.ppf(1.5 / 4)
    found = DampingCertificate()(model, [[x]], [0], L2(0.1)).radius_lower.item()
    assert found == pytest.approx(expected, rel=1e-8)
    assert found <= math.acos(-0.25 / math.exp(-0.5)) - x
    # With a bias beyond the range nothing flips, ever.
    head = Linear(torch.tensor([[1.0], [-1.0]]).double(), torch.tensor([2.1, 0.0]).double())
    body = QuantumClassifier(circuit, PauliExpectations.of("Z0"), Box.uniform(0, 4, 1), head=head)
    always = DampingCertificate()(DampedClassifier(body, sigma=1.0), [[x]], [0], L2(0.1))
    assert always.radius_lower.item() == math.inf


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), qubits=st.integers(1, 3), sigma=st.floats(0.05, 1.0), classes=st.integers(2, 4))
def test_no_averaged_decision_flips_inside_the_radius(seed, qubits, sigma, classes):
    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, qubits, inputs=1, weights=2, extra=2, uploads=False)
    for q in range(qubits):
        circuit = circuit.add("RY", q, float(rng.normal()) * feature(0) + float(rng.normal()) * feature(1))
    circuit = circuit + random_circuit(rng, qubits, inputs=1, weights=2, extra=2, uploads=False)
    strings = PauliExpectations.of("Z0", "X0", "Y0")
    head = Linear(torch.tensor(rng.normal(size=(classes, 3))), torch.tensor(0.1 * rng.normal(size=classes)))
    w = torch.tensor(rng.normal(size=circuit.weights))
    body = QuantumClassifier(circuit, strings, Box.uniform(-9, 9, 2), head=head, weights=w)
    model = DampedClassifier(body, sigma=sigma)
    x = torch.tensor(rng.normal(size=(6, 2)))
    y = model(x).argmax(dim=1)
    radius = DampingCertificate()(model, x, y, L2(0.1)).radius_lower
    assert bool((radius > 0).any())
    angle = torch.linspace(0, 2 * math.pi, 181, dtype=torch.float64)
    circle = torch.stack([angle.cos(), angle.sin()], dim=1)
    for share in (0.5, 1.0):
        moved = x[:, None] + share * (1 - 1e-9) * radius.clamp(max=20)[:, None, None] * circle
        assert bool((model(moved.flatten(0, 1)).argmax(dim=1) == y.repeat_interleave(181)).all())
