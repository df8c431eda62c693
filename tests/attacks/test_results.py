import pytest
import torch

from counterspin.attacks.results import AttackResult, BudgetResult
from counterspin.threats import Linf
from counterspin.types import Cost


def make_budget(eps, success):
    n = len(success)
    return BudgetResult(
        eps=eps,
        x_adv=torch.full((n, 2), eps, dtype=torch.float64),
        success=torch.tensor(success),
        distance=torch.tensor([eps if broken else torch.inf for broken in success], dtype=torch.float64),
        best_margin=torch.full((n,), -eps, dtype=torch.float64),
        trace_distance=torch.full((n,), eps / 2, dtype=torch.float64),
        history={"broken": [eps]},
        cost=Cost(forwards=2, backwards=1, circuits=2),
        seconds=0.5,
    )


def make_result(correct=(True, True, True, False)):
    budgets = (make_budget(0.1, [True, False, False, False]), make_budget(0.2, [True, True, False, False]))
    return AttackResult(
        attack="pgd",
        config={},
        threat=Linf(0.1, 0.2),
        seed=0,
        versions={},
        correct=torch.tensor(correct),
        budgets=budgets,
    )


def test_rates_count_correct_samples_only_in_their_own_denominators():
    result = make_result()
    assert result.robust_accuracy.tolist() == [0.5, 0.25]
    assert result.attack_success_rate.tolist() == pytest.approx([1 / 3, 2 / 3])


def test_tensors_are_stacked_over_budgets_in_order():
    result = make_result()
    assert result.x_adv.shape == (2, 4, 2)
    assert result.x_adv[:, 0, 0].tolist() == [0.1, 0.2]
    assert result.success.tolist() == [[True, False, False, False], [True, True, False, False]]
    assert result.distance[1].tolist() == [0.2, 0.2, torch.inf, torch.inf]
    assert result.best_loss[:, 3].tolist() == [-0.1, -0.2]
    assert result.state_distance[:, 0].tolist() == [0.05, 0.1]
    assert result.history == ({"broken": [0.1]}, {"broken": [0.2]})


def test_costs_add_up():
    assert make_result().cost == Cost(forwards=4, backwards=2, circuits=4)
