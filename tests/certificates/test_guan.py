"""C1: tabulated values, the exact radius, and the refusals."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.certificates import ExactL2Certificate, GuanCertificate, guan_infidelity
from counterspin.circuits import (
    Linear,
    OutcomeGroups,
    PauliExpectations,
    Scale,
    amplitude_encoding,
    angle_encoding,
)
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.models import HybridClassifier, LogisticRegression, QuantumClassifier
from counterspin.threats import L2, Linf
from counterspin.types import Box

# p_A, theta*, infidelity, sin theta*: noiseless projective readout of two classes.
TABLE = [
    (0.95, 0.559885, 0.282055, 0.531089),
    (0.9, 0.463648, 0.2, 0.447214),
    (0.8, 0.321751, 0.1, 0.316228),
    (0.6, 0.100679, 0.010102, 0.100509),
    (1.0, 0.785398, 0.5, 0.707107),
]


@pytest.mark.parametrize(("p", "theta", "infidelity", "sine"), TABLE)
def test_tabulated_values(p, theta, infidelity, sine):
    found = guan_infidelity(torch.tensor([[p, 1 - p]], dtype=torch.float64), torch.tensor([0])).item()
    assert found == pytest.approx(infidelity, abs=1e-6)
    assert math.sqrt(found) == pytest.approx(sine, abs=1e-6)
    assert math.asin(math.sqrt(found)) == pytest.approx(theta, abs=1e-6)
    assert found == pytest.approx((1 - math.sqrt(1 - (2 * p - 1) ** 2)) / 2, abs=1e-12)


@pytest.mark.parametrize(("p", "theta", "infidelity", "sine"), TABLE)
@pytest.mark.parametrize("scale", [None, 0.5, 20.0])
def test_tabulated_values_through_a_model(bit, p, theta, infidelity, sine, scale):
    x = 3 * torch.tensor([[0.0, p**0.5, (1 - p) ** 0.5, 0.0]], dtype=torch.float64)
    result = GuanCertificate()(bit(scale), x, torch.tensor([0]), L2(0.1))
    assert result.radius_lower.item() == pytest.approx(3 * sine, abs=3e-6)
    assert result.radius_upper.item() == math.inf
    assert result.exact.tolist() == [False]
    assert result.assumptions.preparation == "ideal"


def test_loser_and_tie_have_radius_zero():
    probabilities = torch.tensor([[0.2, 0.8], [0.5, 0.5], [0.4, 0.3]])
    assert guan_infidelity(probabilities, torch.tensor([0, 0, 0]))[:2].tolist() == [0, 0]
    assert guan_infidelity(probabilities, torch.tensor([0, 0, 0]))[2] > 0


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), classes=st.integers(2, 6))
def test_no_state_inside_the_radius_changes_the_decision(seed, classes):
    # Independent check of the theorem: random pure states and a random projective measurement with left-out outcomes.
    generator = torch.Generator().manual_seed(seed)
    state = torch.randn(classes + 2, generator=generator, dtype=torch.complex128)
    state = state / state.norm()
    probabilities = state.abs().square()[:classes]
    decision = probabilities.argmax()[None]
    radius = guan_infidelity(probabilities[None], decision).item()
    other = torch.randn(500, classes + 2, generator=generator, dtype=torch.complex128)
    other = other - (other @ state.conj())[:, None] * state
    other = other / other.norm(dim=1, keepdim=True)
    angle = math.asin(math.sqrt(radius)) * (1 - 1e-9)
    moved = math.cos(angle) * state + math.sin(angle) * other
    assert bool((moved.abs().square()[:, :classes].argmax(dim=1) == decision).all())


def test_radius_is_attained_by_a_projective_measurement():
    # Moving sqrt(p_A) and sqrt(p_B) to their mean is the nearest tie: its infidelity is the radius.
    p = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
    root = p.sqrt()
    tied = root.clone()
    tied[:2] = root[:2].mean()
    tied = tied / tied.norm()
    assert 1 - (tied @ root).item() ** 2 == pytest.approx(guan_infidelity(p[None], torch.tensor([0])).item(), abs=1e-12)


@pytest.mark.one_fast
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("classes", [2, 3, 8])
def test_never_above_the_exact_radius(entangled, seed, classes):
    model, x, y = entangled(seed, classes)
    threat = L2(0.1, box="none")
    bound = GuanCertificate()(model, x, y, threat).radius_lower
    exact = ExactL2Certificate()(model, x, y, threat).radius_upper
    assert bool((bound <= exact).all())
    assert bool((bound > 0).any())


def test_equals_the_exact_radius_for_a_real_projective_bit(bit):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(20, 4, generator=generator, dtype=torch.float64)
    model, threat = bit(), L2(0.1, box="none")
    y = model(x).argmax(dim=1)
    bound, exact = (c(model, x, y, threat).radius_lower for c in (GuanCertificate(), ExactL2Certificate()))
    # Probabilities are taken 1e-14 off in the unsafe direction, which costs at most about 1e-7 where one is near 0.
    torch.testing.assert_close(bound, exact, rtol=0, atol=1e-6)


def test_misclassified_and_linf(bit):
    x = torch.tensor([[2.0, 1.0, 1.0, 0.0], [0.0, 1.0, 2.0, 0.0]], dtype=torch.float64)
    y = torch.tensor([0, 0])
    l2, linf = (GuanCertificate()(bit(), x, y, threat) for threat in (L2(0.1), Linf(0.1)))
    assert l2.radius_lower[1] == 0
    assert l2.radius_upper[1] == 0
    torch.testing.assert_close(linf.radius_lower, l2.radius_lower / 2, rtol=1e-12, atol=0)
    assert any("norm inequality" in sentence for sentence in linf.assumptions.notes)


@pytest.mark.parametrize(
    ("measurement", "head", "message"),
    [
        (PauliExpectations.of("Z0", "Z1"), None, "expectation values"),
        (PauliExpectations.of("Z0", "Z1"), Scale(torch.tensor(2.0)), "expectation values"),
        (OutcomeGroups((0,), ((0,), (1,))), Linear(torch.eye(2), torch.zeros(2)), "linear head"),
        (OutcomeGroups((0,), ((0,), (1,))), Scale(torch.tensor(-1.0)), "not positive"),
    ],
)
def test_other_readouts_are_refused(measurement, head, message):
    # Not trainable: a trained scale is always positive, a fixed one may be anything.
    model = QuantumClassifier(
        amplitude_encoding(4), measurement, Box.uniform(-5, 5, features=4), head=head, trainable_head=False
    )
    with pytest.raises(ConditionsError, match=message):
        GuanCertificate()(model, torch.eye(4), torch.tensor([0, 0, 1, 1]), L2(0.1))


def test_other_encodings_are_refused():
    measurement = OutcomeGroups((0,), ((0,), (1,)))
    model = QuantumClassifier(angle_encoding(2), measurement, Box.uniform(0, 1, features=2))
    with pytest.raises(ConditionsError, match="guan_infidelity"):
        GuanCertificate()(model, torch.zeros(1, 2), torch.tensor([0]), L2(0.1))


def test_classical_front_is_refused(bit):
    # The circuit is amplitude-encoded, but a radius in its inputs is none in the features.
    model = HybridClassifier(LogisticRegression(Box.uniform(0, 1, features=3), classes=4), bit())
    with pytest.raises(ConditionsError, match="classically first"):
        GuanCertificate()(model, torch.ones(1, 3), torch.tensor([0]), L2(0.1))


def test_classical_model_lacks_a_circuit():
    model = LogisticRegression(Box.uniform(0, 1, features=4), classes=2)
    with pytest.raises(CapabilityError, match="needs a circuit"):
        GuanCertificate()(model, torch.zeros(1, 4), torch.tensor([0]), L2(0.1))


def test_certificate_is_a_value():
    assert replace(GuanCertificate()) == GuanCertificate()
    assert GuanCertificate().name == "guan"
