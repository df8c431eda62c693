"""The parts of the cross-check, each with a case in which its rows must pass and one in which they must not."""

import pytest
import torch

from counterspin.attacks import FGSM
from counterspin.attacks.ball import Ball
from counterspin.attacks.evasion.fmn import FMN
from counterspin.attacks.external import ARTAttack, FoolboxAttack
from counterspin.evaluation.crosscheck import accuracies, distances, iterates
from counterspin.evaluation.crosscheck.statistics import statistics_rows
from counterspin.threats import Linf


@pytest.mark.slow
def test_iterates_agree_on_a_curved_model(curved):
    rows = list(iterates.iterate_rows(*curved, {"linf": 0.1, "l2": 0.2}))
    assert {(row.tool, row.attack) for row in rows} == {
        ("foolbox", "LinfFastGradientAttack"),
        ("foolbox", "LinfPGD"),
        ("foolbox", "L2FastGradientAttack"),
        ("foolbox", "L2PGD"),
        ("art", "FastGradientMethod"),
        ("art", "ProjectedGradientDescent"),
    }
    assert len(rows) == 8
    assert all(row.passed for row in rows), [row for row in rows if not row.passed]


def test_another_step_is_noticed(curved, monkeypatch):
    walk = iterates.plain_pgd
    monkeypatch.setattr(iterates, "plain_pgd", lambda *parts, steps, step: walk(*parts, steps=steps, step=1.001 * step))
    rows = list(iterates.iterate_rows(*curved, {"l2": 0.2}))
    assert not any(row.passed for row in rows if "20 steps" in row.quantity)


def test_plain_ascent_ends_at_the_corner_of_a_linear_model(linear):
    model, x, y, _ = linear(2)
    ball = Ball.around(x, torch.full((len(x),), 0.1, dtype=torch.float64), "linf", model.bounds)
    own = torch.nn.functional.one_hot(y, 2)
    last = iterates.plain_pgd(model, ball, lambda scores: -(scores * own).sum(dim=1), steps=15, step=0.1)
    assert torch.allclose(last, x - 0.1 * model.weight.double()[y].sign())


@pytest.mark.slow
def test_distances_meet_those_of_foolbox(curved, monkeypatch):
    steps = {"LInfFMNAttack": 300, "L2CarliniWagnerAttack": 200, "DDNAttack": 300, "BoundaryAttack": 1000}
    pairs = {
        norm: tuple((ours, name, {"steps": steps[name]}) for ours, name, _ in pairs)
        for norm, pairs in distances._PAIRS.items()
    }
    monkeypatch.setattr(distances, "_PAIRS", pairs)
    found = list(distances.distance_rows(*curved, seed=0))
    assert [row.attack for row in found] == [
        "LInfFMNAttack",
        "L2CarliniWagnerAttack",
        "DDNAttack",
        "BoundaryAttack",
    ]
    assert all(row.passed for row in found), found


def test_a_weak_attack_of_ours_is_noticed(curved, monkeypatch):
    pairs = {"linf": ((FMN(steps=1, restarts=1), "LInfFMNAttack", {"steps": 200}),)}
    monkeypatch.setattr(distances, "_PAIRS", pairs)
    monkeypatch.setattr(distances, "distances_of", lambda *_: 1.1 * torch.ones(20))
    monkeypatch.setattr(distances, "_foolbox", lambda *_: torch.ones(20))
    (row,) = distances.distance_rows(*curved, seed=0)
    assert row.ours == pytest.approx(1.1)
    assert not row.passed


def test_boundary_needs_another_class_to_start_from(linear, monkeypatch):
    model, x, y, _ = linear(2)
    monkeypatch.setattr(distances, "_PAIRS", {"l2": ((FMN(), "BoundaryAttack", {"steps": 10}),)})
    one = y == y[0]
    (sentence,) = distances.distance_rows(model, x[one], y[one], seed=0)
    assert "no point to start from" in sentence


@pytest.mark.slow
def test_robust_accuracy_is_the_share_beyond_reach(linear):
    model, x, y, distance = linear(2)
    eps = float(distance("linf").quantile(0.4))
    y = y.clone()
    y[0] = 1 - y[0]  # misclassified: never robust
    expected = float(((distance("linf") > eps) & (torch.arange(len(x)) > 0)).double().mean())
    for attacks in (
        (FGSM(),),
        (FoolboxAttack(), ARTAttack(settings={"max_iter": 20})),
        (FoolboxAttack(attack="L2PGD"), FGSM()),
    ):
        assert accuracies.robust_accuracy(attacks, model, x, y, Linf(eps), 0) == pytest.approx(expected)


def test_statistics_agree():
    rows = list(statistics_rows())
    assert [row.tool for row in rows] == ["scipy", "statsmodels"]
    assert all(row.passed for row in rows)


def test_another_p_value_is_noticed(monkeypatch):
    monkeypatch.setattr("counterspin.evaluation.crosscheck.statistics.mcnemar", lambda a, b: 0.5)
    assert [row.passed for row in statistics_rows()] == [True, False]
