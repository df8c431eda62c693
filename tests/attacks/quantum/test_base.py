"""The frame of attacks on quantum parts, on a linear model whose bias the attack shifts: all verdicts by hand."""

import math
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from counterspin.attacks.quantum.base import QuantumAttack
from counterspin.attacks.quantum.results import Manipulation
from counterspin.errors import CapabilityError, InputError, UsageError
from counterspin.types import Box, Cost, Outputs


class Thirds:
    """Three classes of one feature: scores 1 - |x - k / 2|, so that k / 2 is the middle of class k."""

    classes = 3
    outputs: Outputs = "expectations"
    bounds = Box.uniform(0.0, 1.0, 1)
    stochastic = False

    def __call__(self, x):
        return 1 - (x - torch.tensor([0.0, 0.5, 1.0]).to(x)).abs()


@dataclass(frozen=True, kw_only=True)
class Shift(QuantumAttack):
    """Takes the budget off the score of the true class, for each sample or, if `largest`, of one class for all."""

    name: ClassVar[str] = "shift"
    where: ClassVar[str] = "measurement"
    scope: ClassVar = "sample"
    default_budgets: ClassVar[tuple[float, ...]] = (0.1, 0.3)
    ceiling: ClassVar[float] = 1.0

    @property
    def unit(self):
        return "score"

    def _run(self, situation, budget, before):
        scores = situation.scores.clone()
        scores[torch.arange(len(scores)), situation.y] -= budget
        spent = torch.full((len(scores),), budget, dtype=torch.float64)
        return Manipulation(scores=scores, spent=spent, what=budget, cost=Cost(forwards=len(scores)))


@dataclass(frozen=True, kw_only=True)
class Erratic(Shift):
    """One shift for all samples, which does nothing at budgets above 0.2."""

    name: ClassVar[str] = "erratic"
    scope: ClassVar = "shared"

    def _run(self, situation, budget, before):
        used = budget if budget <= 0.2 else 0.0
        return super()._run(situation, used, before)


@dataclass(frozen=True, kw_only=True)
class ErraticAlone(Erratic):
    """The same with a manipulation for each sample."""

    scope: ClassVar = "sample"


@dataclass(frozen=True, kw_only=True)
class Faults(Shift):
    """Budgets are counts."""

    whole: ClassVar[bool] = True
    ceiling: ClassVar[float] = 3


# Margins of classes 0, 1, 2, 0: 0.3, 0.3, 0.5, and -0.1 (misclassified).
X = torch.tensor([[0.1], [0.4], [1.0], [0.3]], dtype=torch.float64)
Y = torch.tensor([0, 1, 2, 0])


def test_broken_where_the_margin_is_used_up():
    result = Shift()(Thirds(), X, Y, (0.05, 0.2, 0.4, 0.6))
    assert result.correct.tolist() == [True, True, True, False]
    assert result.success.tolist() == [
        [False] * 4,
        [False] * 4,
        [True, True, False, False],
        [True, True, True, False],
    ]
    assert result.robust_accuracy.tolist() == [0.75, 0.75, 0.25, 0.0]
    assert result.budgets[3].spent.tolist() == [0.4, 0.4, 0.6, math.inf]


def test_a_tie_is_broken():
    x, y = torch.tensor([[0.0]], dtype=torch.float64), torch.tensor([0])
    assert Shift()(Thirds(), x, y, (0.5,)).success.item()
    assert not Shift()(Thirds(), x, y, (0.5 - 1e-12,)).success.item()


def test_a_target_is_reached_only_where_it_wins_and_its_own_samples_are_left_alone():
    attack = Shift(target=1)
    result = attack(Thirds(), X, Y, (0.4,))
    assert result.attacked.tolist() == [True, False, True, False]
    # Sample 2 would need 0.5; sample 0 falls to class 1.
    assert result.success[0].tolist() == [True, False, False, False]
    assert not Shift(target=2)(Thirds(), X[:1], Y[:1], (0.4,)).success.any()


def test_what_a_smaller_budget_broke_stays_broken():
    budgets = (0.12, 0.15, 0.3)
    x, y = torch.tensor([[0.2]], dtype=torch.float64), torch.tensor([0])
    alone = ErraticAlone()(Thirds(), x, y, budgets)
    assert alone.success[:, 0].tolist() == [True, True, True]
    assert [budget.spent.item() for budget in alone.budgets] == [0.12, 0.12, 0.12]
    together = Erratic()(Thirds(), x, y, budgets)
    assert together.success[:, 0].tolist() == [True, True, True]
    assert together.budgets[2].manipulation is together.budgets[1].manipulation


def test_the_same_seed_is_recorded_and_budgets_do_not_share_randomness():
    seen = []

    class Drawing(Shift):
        def _run(self, situation, budget, before):
            seen.append(torch.rand((), generator=situation.generator).item())
            return super()._run(situation, budget, before)

    first = Drawing()(Thirds(), X, Y, (0.1, 0.2), generator=torch.Generator().manual_seed(5))
    Drawing()(Thirds(), X, Y, (0.1, 0.2), generator=torch.Generator().manual_seed(5))
    assert first.seed == 5
    assert seen[:2] == seen[2:]
    assert seen[0] != seen[1]


def test_the_configuration_names_every_field():
    assert Shift(target=1).config == {"name": "shift", "target": 1}


@pytest.mark.parametrize(
    ("budgets", "said"),
    [((), "none"), ((0.0, 0.1), "0, 0.1"), ((0.2, 0.1), "0.2, 0.1"), ((math.inf,), "inf"), ((math.nan,), "nan")],
)
def test_budgets_that_are_none(budgets, said):
    with pytest.raises(UsageError, match=rf"budgets of shift are {said}; give positive numbers in score, ascending\."):
        Shift()(Thirds(), X, Y, budgets)


def test_budgets_beyond_the_meaningful_and_counts_that_are_none():
    with pytest.raises(UsageError, match=r"budgets of shift are 0.5, 2; the largest in score is 1\."):
        Shift()(Thirds(), X, Y, (0.5, 2.0))
    with pytest.raises(UsageError, match=r"are 1, 1.5; give whole numbers in score\."):
        Faults()(Thirds(), X, Y, (1, 1.5))


def test_targets_that_are_none():
    with pytest.raises(UsageError, match="target is 3; the model has 3 classes, 0 to 2"):
        Shift(target=3)(Thirds(), X, Y)
    with pytest.raises(InputError, match="every sample is of the target class 1"):
        Shift(target=1)(Thirds(), X[1:2], Y[1:2])


def test_a_stochastic_model_is_refused_in_a_sentence():
    model = Thirds()
    model.stochastic = True
    assert "infinitely many shots" in str(Shift().refusal(model))
    with pytest.raises(CapabilityError, match=r"Thirds\) is stochastic and attack shift"):
        Shift()(model, X, Y)


def test_scores_that_are_no_numbers_judge_nothing():
    class Broken(Shift):
        def _run(self, situation, budget, before):
            found = super()._run(situation, budget, before)
            return Manipulation(scores=found.scores * math.nan, spent=found.spent, what=None)

    with pytest.raises(InputError, match="attack shift led to scores that are not finite"):
        Broken()(Thirds(), X, Y)
