"""Radii inside the box behind affine maps: certified <= exact <= attacked, in both norms, and what is refused."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.attacks import APGD, DDN, Margin
from counterspin.attacks.evasion.boxed import BoxedL2Attack
from counterspin.certificates import BoxedL2Certificate, ExactL2Certificate, QuadraticLinfCertificate
from counterspin.certificates.registry import methods
from counterspin.circuits import Linear, PauliExpectations, amplitude_encoding, angle_encoding, strongly_entangling
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.models import MLP, AffineInputs, QuantumClassifier
from counterspin.optimum import AffineMap
from counterspin.threats import L2, Linf
from counterspin.types import Box


def behind_map(seed, *, features=7, encoded=5, complex_data=False, samples=8):
    """Three classes with biases, padded amplitudes, a dense map with a shift, inputs in the unit box."""
    g = torch.Generator().manual_seed(seed)
    circuit = amplitude_encoding(encoded, complex_data=complex_data) + strongly_entangling(3, 2)
    head = Linear(torch.randn(3, 2, generator=g), 0.1 * torch.randn(3, generator=g))
    weights = 3 * torch.randn(circuit.weights, generator=g)
    measurement = PauliExpectations.of("Z0", "X1")
    body = QuantumClassifier(circuit, measurement, Box.unbounded(circuit.inputs), head=head, weights=weights)
    weight = torch.randn(circuit.inputs, features, generator=g, dtype=torch.float64)
    bias = torch.randn(circuit.inputs, generator=g, dtype=torch.float64)
    model = AffineInputs(body, AffineMap(weight, bias), Box.uniform(0, 1, features)).requires_grad_(False)
    x = torch.rand(samples, features, generator=g, dtype=torch.float64)
    return model, x, model(x).argmax(dim=1)


@pytest.mark.slow
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10**6), complex_data=st.booleans())
def test_certified_exact_attacked_in_l2(seed, complex_data):
    model, x, y = behind_map(seed, complex_data=complex_data, samples=4)
    threat = L2(0.2, 0.6)
    boxed, free = (certificate(model, x, y, threat) for certificate in (BoxedL2Certificate(), ExactL2Certificate()))
    assert bool((boxed.radius_lower >= free.radius_lower * (1 - 1e-12)).all())
    assert bool((boxed.radius_lower <= boxed.radius_upper).all())
    reached = torch.isfinite(boxed.radius_upper)
    assert boxed.points is not None
    assert bool(model.bounds.contains(boxed.points).all())
    scores = model(boxed.points[reached])
    assert bool((scores.gather(1, y[reached, None])[:, 0] <= scores.scatter(1, y[reached, None], -99).amax(1)).all())
    exact = BoxedL2Attack()(model, x, y, threat)
    for eps, success in zip((0.2, 0.6), exact.success, strict=True):
        # Off the budget by more than a rounding it breaks what the certificate says, and nothing else.
        sure = (boxed.radius_upper - eps).abs() > 1e-6
        assert torch.equal(success[sure], (boxed.radius_upper <= eps)[sure])
    for attack in (DDN(steps=20, restarts=1), APGD(steps=20, restarts=1, loss=Margin())):
        found = attack(model, x, y, threat)
        broken = found.success[-1]
        assert bool((found.distance[-1, broken] >= boxed.radius_lower[broken] * (1 - 1e-9)).all())
        assert bool((exact.success[-1] | ~broken)[boxed.exact].all())


@pytest.mark.slow
@settings(max_examples=2, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_certified_bracketed_attacked_in_linf(seed):
    model, x, y = behind_map(seed, features=5, samples=3)
    threat = Linf(0.1, 0.4)
    result = QuadraticLinfCertificate(nodes=100)(model, x, y, threat)
    simple = ExactL2Certificate()(model, x, y, threat)
    assert bool((result.radius_lower >= simple.radius_lower).all())
    assert bool((result.radius_lower <= result.radius_upper).all())
    found = APGD(steps=20, restarts=1, loss=Margin())(model, x, y, threat)
    broken = found.success[-1]
    assert bool((found.distance[-1, broken] >= result.radius_lower[broken] * (1 - 1e-9)).all())
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 5)
    z = model.bounds.clamp(x + corners[:, None] * result.radius_lower.clamp(max=5)[:, None] * (1 - 1e-9))
    assert torch.equal(model(z.flatten(0, 1)).argmax(dim=1), y.repeat(32))


@pytest.mark.slow
def test_most_radii_are_exact_in_both_norms():
    l2, linf = [], []
    for seed in range(4):
        model, x, y = behind_map(seed, features=5, samples=6)
        l2.append(BoxedL2Certificate()(model, x, y, L2(0.1)).exact)
        linf.append(QuadraticLinfCertificate()(model, x[:2], y[:2], Linf(0.1)).exact)
    assert torch.cat(l2).double().mean() >= 0.8
    assert torch.cat(linf).double().mean() >= 0.8


def test_a_mask_moves_only_what_it_may():
    model, x, y = behind_map(11, samples=4)
    mask = (True, True, False, True, False, True, True)
    for certificate, threat, norm in (
        (BoxedL2Certificate(), L2(0.1, mask=mask), 2),
        (QuadraticLinfCertificate(nodes=0), Linf(0.1, mask=mask), torch.inf),
    ):
        result = certificate(model, x, y, threat)
        free = certificate(model, x, y, L2(0.1) if norm == 2 else Linf(0.1))
        assert result.points is not None
        assert torch.equal(result.points[:, [2, 4]], x[:, [2, 4]])
        found = torch.isfinite(result.radius_upper)
        assert bool(found.any())
        length = torch.linalg.vector_norm(result.points - x, ord=norm, dim=1)
        torch.testing.assert_close(length[found], result.radius_upper[found], rtol=1e-12, atol=0)
        assert bool((result.radius_upper >= free.radius_lower * (1 - 1e-9)).all())


def test_certificates_of_a_boxed_audit_serve_models_behind_maps():
    model, _, _ = behind_map(0)
    for threat, name in ((L2(0.1), "boxed-l2"), (Linf(0.1), "quadratic-linf")):
        assert name in [certificate.name for certificate in methods() if certificate.refusal(model, threat) is None]
    assert BoxedL2Attack().refusal(model, L2(0.1)) is None


def test_what_is_refused_behind_a_map():
    model, _, _ = behind_map(0)
    assert "use exact-l2" in (BoxedL2Certificate().refusal(model, L2(0.1, box="none")) or "")
    assert "use exact" in (BoxedL2Attack().refusal(model, L2(0.1, box="none")) or "")
    angles = QuantumClassifier(angle_encoding(2), PauliExpectations.of("Z0", "Z1"), Box.uniform(0, 1, features=2))
    scaled = AffineInputs(angles, AffineMap(2 * torch.eye(2), torch.zeros(2)), Box.uniform(0, 1, features=2))
    for certificate, threat in ((BoxedL2Certificate(), L2(0.1)), (QuadraticLinfCertificate(), Linf(0.1))):
        assert "gate angles" in (certificate.refusal(scaled, threat) or "")
        with pytest.raises(CapabilityError, match="effective observables"):
            certificate(MLP(Box.uniform(0, 1, features=2), classes=2, hidden=(3,)), [[0.1, 0.2]], [0], threat)
    with pytest.raises(ConditionsError, match="gate angles"):
        BoxedL2Attack().check(scaled, L2(0.1))
    body = QuantumClassifier(amplitude_encoding(2), PauliExpectations.of("Z0", "X0"), Box.unbounded(2))
    wide = AffineInputs(body, AffineMap(torch.ones(2, 5000), torch.ones(2)), Box.uniform(0, 1, features=5000))
    for refused in (BoxedL2Certificate().refusal(wide, L2(0.1)), BoxedL2Attack().refusal(wide, L2(0.1))):
        assert "at most 4096" in (refused or "")


def test_misclassified_samples_have_radius_zero():
    model, x, y = behind_map(3)
    wrong = (y + 1) % 3
    for certificate, threat in ((BoxedL2Certificate(), L2(0.1)), (QuadraticLinfCertificate(nodes=0), Linf(0.1))):
        result = certificate(model, x, wrong, threat)
        assert math.isclose(float(result.radius_lower.max()), 0.0)
        assert math.isclose(float(result.radius_upper.max()), 0.0)
