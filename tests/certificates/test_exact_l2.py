"""The exact radius of models: closed forms, what is claimed under which threat, and the order of the bounds."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.certificates import (
    Assumptions,
    BoxedL2Certificate,
    ExactL2Certificate,
    QuadraticLinfCertificate,
)
from counterspin.circuits import Linear, PauliExpectations, amplitude_encoding, angle_encoding, strongly_entangling
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.models import MLP, NoisyClassifier, QuantumClassifier
from counterspin.noise import NoiseModel
from counterspin.threats import L2, Linf
from counterspin.types import Box

UNBOXED = L2(0.1, box="none")


@pytest.mark.parametrize(
    ("p", "sine"), [(0.95, 0.531089), (0.9, 0.447214), (0.8, 0.316228), (0.6, 0.100509), (1, 0.707107)]
)
def test_tabulated_values(bit, p, sine):
    x = 4 * torch.tensor([[p**0.5, 0.0, 0.0, (1 - p) ** 0.5]], dtype=torch.float64)
    result = ExactL2Certificate()(bit(), x, torch.tensor([0]), UNBOXED)
    assert result.radius_lower.item() == pytest.approx(4 * sine, abs=4e-6)
    assert result.radius_upper.item() == pytest.approx(4 * sine, abs=4e-6)
    assert result.radius_upper.item() == pytest.approx(4 * math.sin(math.asin(2 * p - 1) / 2), rel=1e-9)
    assert result.exact.tolist() == [True]
    assert result.method == "exact-l2"
    assert result.assumptions == Assumptions(preparation="ideal")
    assert result.seconds > 0


@pytest.mark.parametrize(
    ("certificate", "threat"),
    [
        (ExactL2Certificate(), UNBOXED),
        (BoxedL2Certificate(), L2(0.1)),
        (QuadraticLinfCertificate(), Linf(0.1)),
    ],
)
def test_noise_is_modelled_and_not_denied(bit, certificate, threat):
    x = torch.tensor([[1.0, 0.0, 0.0, 0.5]], dtype=torch.float64)
    noisy = NoisyClassifier(bit(), noise=NoiseModel(global_depolarizing=0.3))
    stated = [certificate(model, x, torch.tensor([0]), threat).assumptions.noise for model in (noisy, bit())]
    assert stated == ["modelled", "none"]


@pytest.mark.parametrize("seed", range(4))
def test_bracket_closes_on_random_models(entangled, seed):
    model, x, y = entangled(seed)
    result = ExactL2Certificate()(model, x, y, UNBOXED)
    assert bool(result.exact.all())
    assert bool((result.radius_lower <= result.radius_upper).all())
    assert bool((result.radius_upper <= result.radius_lower * (1 + 1e-6)).all())
    assert result.radius_lower.dtype == torch.float64


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_bias_and_expectation_readouts_hold_too(seed):
    # Any linear head on expectation values is a quadratic form; the model itself is the judge of every flip.
    generator = torch.Generator().manual_seed(seed)
    circuit = amplitude_encoding(6) + strongly_entangling(3, 2)
    head = Linear(torch.randn(3, 2, generator=generator), 0.3 * torch.randn(3, generator=generator))
    weights = 3 * torch.randn(circuit.weights, generator=generator)
    box = Box.uniform(-2, 2, features=6)
    model = QuantumClassifier(circuit, PauliExpectations.of("Z0", "X1"), box, head=head, weights=weights)
    x = torch.randn(5, 6, generator=generator, dtype=torch.float64).clamp(-2, 2)
    y = model(x).argmax(dim=1)
    result = ExactL2Certificate()(model, x, y, UNBOXED)
    assert bool(result.exact.all())
    step = torch.randn(100, 5, 6, generator=generator, dtype=torch.float64)
    step = step / step.norm(dim=2, keepdim=True) * result.radius_lower.clamp(max=10)[:, None] * (1 - 1e-9)
    assert torch.equal(model((x + step).reshape(-1, 6)).argmax(dim=1), y.repeat(100))


def test_padded_inputs_are_certified_among_the_features_only(entangled):
    model, x, y = entangled(1, features=6)
    result = ExactL2Certificate()(model, x, y, UNBOXED)
    assert bool(result.exact.all())


def test_box_and_linf_make_no_exact_claim(entangled):
    model, x, y = entangled(2)
    wrong = y.clone()
    wrong[0] = (y[0] + 1) % 3
    free, boxed, linf, linf_free = (
        ExactL2Certificate()(model, x, wrong, threat) for threat in (UNBOXED, L2(0.1), Linf(0.1), Linf(0.1, box="none"))
    )
    torch.testing.assert_close(boxed.radius_lower, free.radius_lower, rtol=0, atol=0)
    for result in (linf, linf_free):
        torch.testing.assert_close(result.radius_lower, free.radius_lower / math.sqrt(8), rtol=1e-12, atol=0)
        assert any("norm inequality" in sentence for sentence in result.assumptions.notes)
    for result in (boxed, linf, linf_free):
        assert not bool(result.exact.any())
        assert torch.isinf(result.radius_upper[1:]).all()
        assert result.radius_lower[0] == 0
        assert result.radius_upper[0] == 0
    assert free.exact.all()
    assert free.radius_upper[0] == 0


def test_unbounded_model_has_no_box_to_lose_exactness_to(bit):
    model = bit()
    model.bounds = Box.unbounded(4)
    x = torch.tensor([[9.0, 0.0, 1.0, 0.0]])
    assert ExactL2Certificate()(model, x, torch.tensor([0]), L2(0.1)).exact.all()


def test_target_class(entangled):
    model, x, y = entangled(3)
    goal = (y + 1) % 3
    untargeted = ExactL2Certificate()(model, x, y, UNBOXED)
    targeted = ExactL2Certificate()(model, x, y, L2(0.1, box="none", target=tuple(goal.tolist())))
    assert bool((targeted.radius_lower >= untargeted.radius_lower * (1 - 1e-9)).all())
    assert bool((targeted.radius_lower <= targeted.radius_upper).all())
    assert torch.equal(torch.isfinite(targeted.radius_upper), targeted.exact)


def test_linf_radius_is_sound(entangled):
    model, x, y = entangled(4)
    radius = ExactL2Certificate()(model, x, y, Linf(0.1)).radius_lower
    generator = torch.Generator().manual_seed(0)
    corners = torch.randint(0, 2, (300, *x.shape), generator=generator).double() * 2 - 1
    moved = (x + corners * radius[:, None] * (1 - 1e-9)).reshape(-1, 8)
    assert torch.equal(model(moved).argmax(dim=1), y.repeat(300))


def test_angle_encoding_is_refused():
    head = Linear(torch.eye(2), torch.zeros(2))
    model = QuantumClassifier(
        angle_encoding(2), PauliExpectations.of("Z0", "Z1"), Box.uniform(0, 1, features=2), head=head
    )
    with pytest.raises(ConditionsError):
        ExactL2Certificate()(model, torch.zeros(1, 2), torch.tensor([0]), UNBOXED)


def test_classical_model_is_refused():
    model = MLP(Box.uniform(0, 1, features=4), classes=2, hidden=(3,))
    with pytest.raises(CapabilityError, match="effective observables"):
        ExactL2Certificate()(model, torch.zeros(1, 4), torch.tensor([0]), UNBOXED)
