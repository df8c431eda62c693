"""What must not matter, and what can only go one way: budgets, added attacks, scale, the order of classes and features.

Deterministic attacks are compared point by point, random ones from one seed.
"""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.attacks import (
    APGD,
    BIM,
    FGSM,
    FMN,
    MIM,
    PGD,
    CoordinateAttack,
    Corners,
    CrossEntropy,
    DeepFool,
    ExactL2Attack,
    Margin,
    RandomDraws,
    Square,
    TargetedAPGD,
)
from counterspin.circuits import OutcomeGroups, amplitude_encoding, strongly_entangling
from counterspin.evaluation.certified import Certified
from counterspin.evaluation.summary import budget_records
from counterspin.models import QuantumClassifier
from counterspin.threats import L2, Linf
from counterspin.types import Box

FEATURES, CLASSES, SAMPLES = 5, 4, 24
ANY = (
    FGSM(),
    BIM(),
    MIM(),
    PGD(steps=8, restarts=2),
    APGD(steps=8, restarts=2, loss=CrossEntropy()),
    APGD(steps=8, restarts=2, loss=Margin()),
    TargetedAPGD(steps=8, restarts=1),
    FMN(steps=12, restarts=2),
    DeepFool(),
    Square(queries=40),
    RandomDraws(draws=40),
    CoordinateAttack(restarts=1),
)
# From the clean input, and equal in every feature's and class's eyes.
DETERMINISTIC = (FGSM(), FGSM(loss=Margin()), BIM(), MIM(), Corners())


class Affine:
    """Scores W x + b of more than two classes."""

    outputs = "logits"
    stochastic = False

    def __init__(self, w, b, bounds):
        self.w, self.b, self.bounds = w, b, bounds
        self.classes = len(b)

    def __call__(self, x):
        return x @ self.w.T.to(x) + self.b.to(x)


def affine(seed):
    """`(model, x, y)`: a random affine model in the box [0, 1] and the labels it gives."""
    g = torch.Generator().manual_seed(seed)
    w = torch.randn(CLASSES, FEATURES, generator=g, dtype=torch.float64)
    b = -w.sum(dim=1) / 2 + 0.2 * torch.randn(CLASSES, generator=g, dtype=torch.float64)
    model = Affine(w, b, Box.uniform(0.0, 1.0, FEATURES))
    x = torch.rand(SAMPLES, FEATURES, generator=g, dtype=torch.float64)
    return model, x, model(x).argmax(dim=1)


def amplitude(seed):
    """A frozen amplitude-encoded circuit of 4 features and 2 classes, inputs, and the labels it gives."""
    g = torch.Generator().manual_seed(seed)
    circuit = amplitude_encoding(4) + strongly_entangling(2, 2)
    weights = math.pi * torch.randn(circuit.weights, generator=g)
    box = Box.uniform(-1.0, 1.0, 4)
    model = QuantumClassifier(circuit, OutcomeGroups.first(qubits=1, classes=2), box, weights=weights)
    x = torch.randn(SAMPLES, 4, generator=g, dtype=torch.float64)
    x = 0.2 * x / x.abs().amax(dim=1, keepdim=True)
    model.requires_grad_(False).eval()
    return model, x, model(x).argmax(dim=1)


seeds = st.integers(0, 2**31)


@pytest.mark.one_fast
@pytest.mark.parametrize("attack", ANY, ids=lambda attack: attack.name)
def test_what_breaks_at_a_budget_breaks_at_larger_ones(attack):
    model, x, y = affine(0)
    result = attack(model, x, y, Linf(0.02, 0.05, 0.1, 0.2))
    assert not (result.success[:-1] & ~result.success[1:]).any()
    assert 0 < int(result.success.sum()) < result.success.numel()


@given(seed=seeds, small=st.floats(0.01, 0.2), growth=st.floats(1.0, 3.0))
@settings(max_examples=4, deadline=None)
def test_so_it_does_from_a_cold_start_where_every_point_is_tried(seed, small, growth):
    # A margin over affine scores is lowest at a corner, unless the box cuts it.
    model, x, y = affine(seed)
    model.bounds = Box.unbounded(FEATURES)
    smaller, larger = (Corners()(model, x, y, Linf(eps)).success[0] for eps in (small, growth * small))
    assert not (smaller & ~larger).any()


@pytest.mark.slow
@given(seed=seeds, order=st.permutations(range(CLASSES)))
@settings(max_examples=4, deadline=None)
def test_renaming_classes_changes_no_point(seed, order):
    model, x, y = affine(seed)
    order = torch.tensor(order)
    renamed = Affine(model.w[order], model.b[order], model.bounds)
    for attack in DETERMINISTIC:
        before = attack(model, x, y, Linf(0.05, 0.1))
        after = attack(renamed, x, order.argsort()[y], Linf(0.05, 0.1))
        assert torch.equal(before.success, after.success)
        assert torch.allclose(before.x_adv, after.x_adv, rtol=0, atol=1e-9)


@pytest.mark.slow
@given(seed=seeds, order=st.permutations(range(FEATURES)))
@settings(max_examples=4, deadline=None)
def test_reordering_features_reorders_the_points(seed, order):
    model, x, y = affine(seed)
    reordered = Affine(model.w[:, order], model.b, model.bounds)
    for attack in DETERMINISTIC:
        before = attack(model, x, y, Linf(0.05, 0.1))
        after = attack(reordered, x[:, order], y, Linf(0.05, 0.1))
        assert torch.equal(before.success, after.success)
        assert torch.allclose(before.best_loss, after.best_loss, rtol=0, atol=1e-9)
        assert torch.allclose(before.x_adv[:, :, order], after.x_adv, rtol=0, atol=1e-9)


@pytest.mark.slow
@given(seed=seeds, exponent=st.integers(-2, 2))
@settings(max_examples=4, deadline=None)
def test_the_scale_of_amplitudes_matters_to_nobody(seed, exponent):
    model, x, y = amplitude(seed)
    factor = 2.0**exponent  # exact in floating point, so that no rounding differs
    assert torch.allclose(model(factor * x), model(x), rtol=0, atol=1e-12)
    threat = L2(0.1, 0.3, units="relative", box="none")
    for attack in (FGSM(), APGD(steps=6, restarts=2), FMN(steps=6, restarts=1), ExactL2Attack()):
        before, after = attack(model, x, y, threat), attack(model, factor * x, y, threat)
        assert torch.equal(before.success, after.success), attack.name
        assert torch.allclose(factor * before.x_adv, after.x_adv, rtol=1e-6, atol=0), attack.name
        assert torch.allclose(before.state_distance, after.state_distance, rtol=0, atol=1e-6), attack.name


@pytest.mark.slow
@given(seed=seeds, order=st.permutations(range(4)))
@settings(max_examples=4, deadline=None)
def test_every_further_attack_leaves_as_many_samples_or_fewer(seed, order):
    model, x, y = affine(seed)
    threat, attacks = Linf(0.05, 0.1), (FGSM(), RandomDraws(draws=30), PGD(steps=5), Corners())
    results = [attacks[k](model, x, y, threat) for k in order]
    nothing = Certified(results=(), refused={})
    before = [1.0] * len(threat.eps)
    for count in range(1, len(results) + 1):
        chosen = {result.attack: result for result in results[:count]}
        budgets = budget_records(x, results[0].correct, threat, chosen, nothing)
        after = [budget.worst_case.value for budget in budgets]
        assert all(a <= b for a, b in zip(after, before, strict=True))
        assert all(
            budget.worst_case.value <= min(attack.robust_accuracy.value for attack in budget.attacks.values())
            for budget in budgets
        )
        before = after
