import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterspin.attacks import FGSM, PGD
from counterspin.errors import InputError, UsageError
from counterspin.evaluation.optimality import optimality, optimality_scores
from counterspin.models import LogisticRegression
from counterspin.threats import L2
from counterspin.types import Box

DISTANCE = st.one_of(st.floats(0, 2), st.just(math.inf))
ROWS = st.lists(st.tuples(DISTANCE, DISTANCE, st.booleans()), min_size=1, max_size=20)


def tensors(rows):
    """Distance of an attack, best distance (never above it) and correctness."""
    first, second, correct = (list(column) for column in zip(*rows, strict=True))
    pair = torch.tensor([first, second], dtype=torch.float64)
    return pair.amax(dim=0), pair.amin(dim=0), torch.tensor(correct)


def area(distance, correct, largest):
    """Area under robust accuracy against the budget, step by step between the distances: another way to the mean."""
    ends = sorted({0.0, largest, *(d for d in distance.tolist() if d < largest)})
    total = 0.0
    for low, high in itertools.pairwise(ends):
        middle = (low + high) / 2
        total += (high - low) * float((correct & (distance > middle)).double().mean())
    return total


@given(ROWS, st.floats(0.1, 3))
def test_is_the_share_of_the_area_an_attack_removes(rows, largest):
    distance, best, correct = tensors(rows)
    score = optimality(distance, best, correct, largest)
    hopeless, ideal = largest * float(correct.double().mean()), area(best, correct, largest)
    if score is None:
        assert hopeless - ideal == pytest.approx(0.0, abs=1e-9)
        return
    assert -1e-9 <= score <= 1 + 1e-9
    removed = (hopeless - area(distance, correct, largest)) / (hopeless - ideal)
    assert score * (hopeless - ideal) == pytest.approx(removed * (hopeless - ideal), abs=1e-9)


@given(ROWS, st.floats(0.1, 3))
def test_the_best_scores_one_and_one_that_always_fails_zero(rows, largest):
    _, best, correct = tensors(rows)
    top = optimality(best, best, correct, largest)
    bottom = optimality(torch.full_like(best, math.inf), best, correct, largest)
    assert (top is None) == (bottom is None) == (not bool((correct & (best < largest)).any()))
    if top is not None:
        assert top == 1.0
        assert bottom == pytest.approx(0.0, abs=1e-6)


@given(ROWS, st.floats(0.1, 3), st.floats(1, 2))
def test_a_longer_way_never_scores_higher(rows, largest, factor):
    distance, best, correct = tensors(rows)
    near, far = (optimality(d, best, correct, largest) for d in (distance, distance * factor))
    if near is not None:
        assert far <= near + 1e-9


def test_misclassified_samples_count_for_nothing():
    correct = torch.tensor([True, False, False])
    distance, best = torch.tensor([0.4, 0.0, math.inf]), torch.tensor([0.2, 5.0, 0.1])
    alone = optimality(distance[:1], best[:1], correct[:1], 1.0)
    assert optimality(distance, best, correct, 1.0) == pytest.approx(alone)
    assert alone == pytest.approx(1 - (0.4 - 0.2) / (1.0 - 0.2))
    assert optimality(distance, best, torch.zeros(3, dtype=torch.bool), 1.0) is None


def test_a_failed_attack_is_not_rescued_by_a_trapezoid():
    # Robust accuracy 1, 1, 1 at the budgets 0, 0.5, 1 while the best attack breaks everything at 0.1.
    best, correct = torch.full((50,), 0.1), torch.ones(50, dtype=torch.bool)
    assert optimality(torch.full((50,), math.inf), best, correct, 1.0) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.slow
def test_scores_of_an_evaluation_against_the_exact_distances_of_a_linear_model():
    model = LogisticRegression(Box.unbounded(3), classes=2)
    model.weight.data = torch.tensor([[1.0, 2.0, -1.0], [-1.0, 0.0, 1.0]])
    model.requires_grad_(False)
    x = torch.randn(30, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = model(x).argmax(dim=1)
    w = (model.weight[0] - model.weight[1]).double()
    exact = (x @ w).abs() / w.norm()
    threat = L2(0.2, 0.5, 1.0, box="none")
    results = {a.name: a(model, x, y, threat) for a in (FGSM(), PGD(steps=20))}
    scores = optimality_scores(results, x, threat, exact=exact)
    assert set(scores) == {"fgsm", "pgd"}
    # One step to the surface of the ball breaks a sample at the first budget above its distance, and not nearer.
    budgets = torch.tensor(threat.eps, dtype=torch.float64)
    first = torch.where(exact[:, None] <= budgets, budgets, math.inf).amin(dim=1)
    expected = optimality(first, exact, results["fgsm"].correct, 1.0)
    assert scores["fgsm"] == pytest.approx(expected, abs=1e-3)
    assert scores["fgsm"] < scores["pgd"] < 1
    assert optimality_scores(results, x, threat)["pgd"] > scores["pgd"]
    assert optimality_scores({}, x, threat) == {}


def test_relative_units_are_shares_of_the_norm():
    model = LogisticRegression(Box.unbounded(2), classes=2)
    model.weight.data = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    x = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    results = {"fgsm": FGSM()(model, x, torch.tensor([0]), L2(0.7, units="relative", box="none"))}
    threat = L2(0.7, 1.0, units="relative", box="none")
    score = optimality_scores(results, x, threat, exact=torch.tensor([3.0], dtype=torch.float64))["fgsm"]
    assert score == pytest.approx(1 - (0.7 - 0.6) / (1.0 - 0.6), abs=1e-3)


def test_bad_input_is_refused():
    one, yes = torch.ones(2), torch.ones(2, dtype=torch.bool)
    with pytest.raises(InputError, match="share one shape"):
        optimality(one, torch.ones(3), yes, 1.0)
    with pytest.raises(InputError, match="share one shape"):
        optimality(one[:0], one[:0], yes[:0], 1.0)
    with pytest.raises(InputError, match="best holds negative or NaN"):
        optimality(one, torch.tensor([1.0, math.nan]), yes, 1.0)
    with pytest.raises(InputError, match=r"first: sample 1, 0\.5 against 1\)"):
        optimality(torch.tensor([1.0, 0.5]), one, yes, 1.0)
    for largest in (0.0, math.inf, math.nan):
        with pytest.raises(UsageError, match="a number above 0"):
            optimality(one, one, yes, largest)
