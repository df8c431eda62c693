"""The boxed radius of models: closed forms, conditions, and its place between the unboxed radius and the attacks."""

import math

import pytest
import torch

from counterspin.attacks import APGD, DDN, FMN, Margin
from counterspin.certificates import ExactL2Certificate
from counterspin.certificates.boxed_l2 import BoxedL2Certificate
from counterspin.circuits import OutcomeGroups, amplitude_encoding, angle_encoding
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.models import MLP, QuantumClassifier
from counterspin.threats import L2, Group, Linf
from counterspin.types import Box


def qubit(low=0.0, high=1.0):
    """One qubit with two outcomes: the boundary is the diagonal."""
    bit = OutcomeGroups((0,), ((0,), (1,)))
    return QuantumClassifier(amplitude_encoding(2), bit, Box.uniform(low, high, features=2)).requires_grad_(False)


def test_closed_form_and_what_is_claimed():
    result = BoxedL2Certificate()(qubit(), [[1.0, 0.25]], [0], L2(0.1))
    assert result.radius_lower.item() == pytest.approx(0.75 / math.sqrt(2), rel=1e-6)
    assert result.radius_upper.item() == pytest.approx(0.75 / math.sqrt(2), rel=1e-9)
    assert result.exact.tolist() == [True]
    assert result.assumptions.box == "used"
    assert result.assumptions.preparation == "ideal"
    assert result.method == "boxed-l2"
    assert result.verdicts(0.5) == ["proved"]
    assert result.verdicts(0.54) == ["counterexample"]
    assert result.points is not None
    assert qubit()(result.points).diff(dim=1).item() >= 0


@pytest.mark.slow
def test_order_with_the_unboxed_radius_and_the_attacks(entangled):
    model, x, y = entangled(3)
    boxed = BoxedL2Certificate()(model, x, y, L2(0.1))
    unboxed = ExactL2Certificate()(model, x, y, L2(0.1))
    assert bool((boxed.radius_lower >= unboxed.radius_lower * (1 - 1e-12)).all())
    assert bool((boxed.radius_lower > unboxed.radius_lower * 1.001).any())
    assert bool(boxed.exact.double().mean() > 0.8)
    for attack in (FMN(steps=60), DDN(steps=60), APGD(steps=40, loss=Margin())):
        found = attack(model, x, y, L2(0.2, 0.6))
        broken = found.success[-1]
        assert int(broken.sum()) > 0
        assert bool((found.distance[-1, broken] >= boxed.radius_lower[broken] * (1 - 1e-9)).all())
    assert boxed.points is not None
    assert bool(model.bounds.contains(boxed.points).all())
    assert bool((model(boxed.points).argmax(dim=1)[boxed.exact] != y[boxed.exact]).double().mean() > 0.99)


def test_a_mask_is_used_and_discrete_features_are_not():
    masked = BoxedL2Certificate()(qubit(), [[1.0, 0.25]], [0], L2(0.1, mask=(True, False)))
    assert masked.radius_upper.item() == pytest.approx(0.75, rel=1e-6)
    assert masked.exact.tolist() == [True]
    steps = Group(features=(0,), values=((0.0,), (1.0,)))
    discrete = BoxedL2Certificate()(qubit(), [[1.0, 0.25]], [0], L2(0.1, groups=(steps,)))
    assert discrete.radius_lower.item() == pytest.approx(0.75 / math.sqrt(2), rel=1e-6)
    assert math.isinf(discrete.radius_upper.item())
    assert discrete.exact.tolist() == [False]
    assert "freer attacker" in discrete.assumptions.sentences[-1]


@pytest.mark.slow
def test_targets_bound_from_below(entangled):
    model, x, y = entangled(1)
    keep = y != 2
    free = BoxedL2Certificate()(model, x[keep], y[keep], L2(0.1))
    aimed = BoxedL2Certificate()(model, x[keep], y[keep], L2(0.1, target=2))
    assert bool((aimed.radius_lower >= free.radius_lower * (1 - 1e-6)).all())
    found = torch.isfinite(aimed.radius_upper)
    assert aimed.points is not None
    scores = model(aimed.points)[found]
    assert bool((scores[:, 2] >= scores.amax(dim=1) - 1e-12).all())


def test_misclassified_samples_have_radius_zero():
    result = BoxedL2Certificate()(qubit(), [[0.2, 0.9]], [0], L2(0.1))
    assert result.radius_lower.item() == 0
    assert result.radius_upper.item() == 0


def test_conditions_are_named():
    certificate = BoxedL2Certificate()
    assert "use exact-l2" in (certificate.refusal(qubit(), L2(0.1, box="none")) or "")
    assert "use exact-l2" in (certificate.refusal(qubit(-math.inf, math.inf), L2(0.1)) or "")
    assert "norm is linf" in (certificate.refusal(qubit(), Linf(0.1)) or "")
    circle = Box(torch.zeros(2), torch.ones(2), torch.tensor([True, False]))
    bit = OutcomeGroups((0,), ((0,), (1,)))
    assert "periodic" in (certificate.refusal(QuantumClassifier(amplitude_encoding(2), bit, circle), L2(0.1)) or "")
    angles = QuantumClassifier(angle_encoding(2), bit, Box.uniform(0, 1, features=2))
    with pytest.raises(ConditionsError):
        certificate(angles, [[0.1, 0.2]], [0], L2(0.1))
    with pytest.raises(CapabilityError, match="effective observables"):
        certificate(MLP(Box.uniform(0, 1, features=2), classes=2, hidden=(3,)), [[0.1, 0.2]], [0], L2(0.1))
