"""C2: printed values, its relation to the bound of Guan et al., and brute force over single-qubit effects."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_bits import amplitude_bit, amplitude_groups

from counterspin.certificates import ExactL2Certificate, GuanCertificate, guan_infidelity
from counterspin.certificates.states import (
    WeberCertificate,
    depolarized_mixed_trace_distance,
    depolarized_qubit_trace_distance,
    hoelder_trace_distance,
    weber_infidelity,
)
from counterspin.circuits import Linear, OutcomeGroups, PauliExpectations, Scale, amplitude_encoding, angle_encoding
from counterspin.errors import ConditionsError, InputError
from counterspin.models import HybridClassifier, LogisticRegression, QuantumClassifier
from counterspin.threats import L2, Linf
from counterspin.types import Box

ZERO = torch.tensor([0])


def _two(p: float) -> torch.Tensor:
    return torch.tensor([[p, 1 - p]], dtype=torch.float64)


def _printed(p_a: float, p_b: float) -> float:
    """The formula as published."""
    root = 2 * math.sqrt(p_a * p_b * (1 - p_a) * (1 - p_b))
    return (1 - math.sqrt(1 - p_b - p_a * (1 - 2 * p_b) + root)) / 2


@settings(max_examples=50, deadline=None)
@given(p_a=st.floats(0.01, 0.99), share=st.floats(0, 1))
def test_is_the_published_formula(p_a, share):
    p_b = share * min(p_a, 1 - p_a)
    found = weber_infidelity(torch.tensor([[p_a, p_b, 0.0]], dtype=torch.float64), ZERO).item()
    assert found == pytest.approx(_printed(p_a, p_b) if p_a > p_b else 0.0, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), classes=st.integers(2, 8))
def test_never_above_guan_and_equal_for_two_classes(seed, classes):
    generator = torch.Generator().manual_seed(seed)
    p = torch.rand(50, classes, generator=generator, dtype=torch.float64) ** 3
    p = p / p.sum(dim=1, keepdim=True)
    y = p.argmax(dim=1)
    weber, guan = weber_infidelity(p, y), guan_infidelity(p, y)
    assert bool((weber <= guan * (1 + 1e-9)).all())
    if classes == 2:
        torch.testing.assert_close(weber, guan, rtol=1e-9, atol=1e-15)
    else:
        assert bool((weber < guan * 0.999).any())


@pytest.mark.parametrize(
    ("strength", "p", "pure", "mixed"),
    [(0.1, 0.9, 0.5205, 0.4444), (0.3, 0.8, 0.4924, 0.4286), (0.5, 0.6, 0.2043, 0.2)],
)
def test_printed_values_of_depolarised_inputs(strength, p, pure, mixed):
    top = torch.tensor([p], dtype=torch.float64)
    assert depolarized_qubit_trace_distance(top, strength).item() == pytest.approx(pure, abs=5e-5)
    assert depolarized_mixed_trace_distance(_two(p), ZERO, strength).item() == pytest.approx(mixed, abs=5e-5)
    radicand = 1 - strength * (2 - strength) - (1 - 2 * p) ** 2
    printed = math.sqrt((1 - math.sqrt(radicand) / (1 - strength)) / 2)
    assert depolarized_qubit_trace_distance(top, strength).item() == pytest.approx(printed, abs=1e-12)


def _cheapest_effect(strength: float, p: float) -> float:
    """Smallest turn of a pure qubit state, over all effects, from probability `p` to 1/2 after depolarising."""
    middle, half = np.meshgrid(np.linspace(0, 1, 2001), np.linspace(1e-3, 0.5, 1000))
    effect = (middle - half >= -1e-12) & (middle + half <= 1 + 1e-12)
    start, end = ((q - middle) / (half * (1 - strength)) for q in (p, 0.5))
    effect &= np.abs(start) <= 1
    turn = np.where(end < -1, np.inf, np.arccos(np.clip(end, -1, 1)) - np.arccos(np.clip(start, -1, 1)))
    return float(np.sin(np.where(effect, turn, np.inf).min() / 2))


@pytest.mark.one_fast(4)
@pytest.mark.parametrize(("strength", "p"), [(0.1, 0.9), (0.3, 0.8), (0.5, 0.6), (0.3, 0.6), (0.1, 0.94)])
def test_no_effect_on_one_qubit_is_cheaper_within_the_scope(strength, p):
    bound = depolarized_qubit_trace_distance(torch.tensor([p], dtype=torch.float64), strength).item()
    assert _cheapest_effect(strength, p) == pytest.approx(bound, abs=2e-3)
    assert _cheapest_effect(strength, p) >= bound - 1e-9


def test_the_scope_ends_where_the_formula_does():
    strength = 0.5
    scope = (1 + 3 * 0.25) / (2 + 2 * 0.25)
    inside = depolarized_qubit_trace_distance(torch.tensor([scope - 1e-9], dtype=torch.float64), strength).item()
    assert _cheapest_effect(strength, scope - 1e-9) >= inside - 1e-6
    beyond = math.sin(math.asin((2 * (scope + 0.04) - 1) / (1 - strength)) / 2)
    assert _cheapest_effect(strength, scope + 0.04) < beyond - 1e-2
    with pytest.raises(ConditionsError, match=r"holds below 0\.7"):
        depolarized_qubit_trace_distance(torch.tensor([scope], dtype=torch.float64), strength)


def test_hoelder_form_and_loser():
    p = torch.tensor([[0.7, 0.2, 0.1], [0.2, 0.5, 0.3]])
    assert hoelder_trace_distance(p, torch.tensor([0, 0])).tolist() == pytest.approx([0.25, 0.0], abs=1e-7)
    assert weber_infidelity(p, torch.tensor([0, 0]))[1] == 0


@pytest.mark.parametrize(
    ("p", "message"),
    [
        ([[0.9, 0.3]], "sum to at most 1"),
        ([[0.9, -0.3]], "expectation values are not allowed"),
        ([0.9, 0.1], r"give \(batch, classes\)"),
        ([[torch.nan, 0.1]], "sum to at most 1"),
    ],
)
def test_other_scores_are_refused(p, message):
    for bound in (weber_infidelity, hoelder_trace_distance):
        with pytest.raises(InputError, match=message):
            bound(torch.tensor(p), ZERO)


@pytest.mark.parametrize("strength", [-0.1, 1.0, 1.5])
def test_strengths_are_checked(strength):
    with pytest.raises(ConditionsError, match="strength is"):
        depolarized_mixed_trace_distance(_two(0.9), ZERO, strength)
    with pytest.raises(ConditionsError, match="strength is"):
        depolarized_qubit_trace_distance(torch.tensor([0.9]), strength)
    with pytest.raises(InputError, match=r"top is 0\.4"):
        depolarized_qubit_trace_distance(torch.tensor([0.4]), 0.1)


@pytest.mark.one_fast
@pytest.mark.parametrize("classes", [2, 3, 8])
@pytest.mark.parametrize("seed", range(3))
def test_radii_stay_below_guan_and_exact(seed, classes):
    model, x, y = amplitude_groups(seed, classes)
    threat = L2(0.1, box="none")
    weber, guan, exact = (c(model, x, y, threat) for c in (WeberCertificate(), GuanCertificate(), ExactL2Certificate()))
    assert bool((weber.radius_lower <= guan.radius_lower + 1e-12).all())
    assert bool((weber.radius_lower <= exact.radius_lower + 1e-12).all())
    assert bool((weber.radius_lower > 0).all())
    if classes == 2:
        torch.testing.assert_close(weber.radius_lower, guan.radius_lower, rtol=1e-6, atol=1e-9)
    assert weber.assumptions.preparation == "ideal"


def test_scale_linf_and_misclassified():
    model, x = amplitude_bit(20.0), torch.tensor([[2.0, 1.0, 1.0, 0.0], [0.0, 1.0, 2.0, 0.0]], dtype=torch.float64)
    l2, linf = (WeberCertificate()(model, x, torch.tensor([0, 0]), threat) for threat in (L2(0.1), Linf(0.1)))
    expected = 6**0.5 * math.sin((math.asin((5 / 6) ** 0.5) - math.asin((1 / 6) ** 0.5)) / 2)
    assert l2.radius_lower[0].item() == pytest.approx(expected, abs=1e-6)
    assert l2.radius_lower[1] == l2.radius_upper[1] == 0
    torch.testing.assert_close(linf.radius_lower, l2.radius_lower / 2, rtol=1e-12, atol=0)
    assert l2.assumptions.box == "not used"


@pytest.mark.parametrize(
    ("circuit", "measurement", "head", "message"),
    [
        (amplitude_encoding(4), PauliExpectations.of("Z0", "Z1"), None, "expectation values"),
        (amplitude_encoding(4), OutcomeGroups((0,), ((0,), (1,))), Linear(torch.eye(2), torch.zeros(2)), "linear head"),
        (amplitude_encoding(4), OutcomeGroups((0,), ((0,), (1,))), Scale(torch.tensor(-1.0)), "not positive"),
        (angle_encoding(4), OutcomeGroups((0,), ((0,), (1,))), None, "gate angles"),
    ],
)
def test_other_models_are_refused(circuit, measurement, head, message):
    model = QuantumClassifier(circuit, measurement, Box.uniform(0, 1, features=4), head=head, trainable_head=False)
    with pytest.raises(ConditionsError, match=message):
        WeberCertificate()(model, torch.ones(1, 4), ZERO, L2(0.1))


def test_a_classical_front_is_refused():
    model = HybridClassifier(LogisticRegression(Box.uniform(0, 1, features=3), classes=4), amplitude_bit())
    with pytest.raises(ConditionsError, match="classically first"):
        WeberCertificate()(model, torch.ones(1, 3), ZERO, L2(0.1))
