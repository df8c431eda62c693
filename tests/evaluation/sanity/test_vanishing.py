from dataclasses import dataclass, replace

import pytest
import torch

from counterspin.attacks.evasion.fmn import FMN
from counterspin.attacks.evasion.pgd import PGD
from counterspin.evaluation.sanity.vanishing import VanishingBudget
from counterspin.threats import L0


@dataclass(frozen=True, kw_only=True)
class Generous(PGD):
    """Counts its least certain sample as broken, whatever the budget."""

    def __call__(self, *args, **kwargs):
        result = super().__call__(*args, **kwargs)
        budgets = []
        for budget in result.budgets:
            success = budget.success.clone()
            success[budget.best_margin.argmin()] = True
            budgets.append(replace(budget, success=success))
        return replace(result, budgets=tuple(budgets))


def test_plain_attacks_pass(plain):
    record = VanishingBudget().run(plain)
    assert (record.status, record.statistic) == ("PASS", 0.0)


@pytest.mark.slow
def test_an_attack_with_a_generous_verdict_is_caught(helpers):
    record = VanishingBudget().run(helpers.build(helpers.Function(helpers.linear), suite=(Generous(),)))
    assert record.status == "FAIL"
    assert record.statistic == len(record.samples) == 1


@pytest.mark.slow
def test_a_model_that_changes_its_mind_is_caught(helpers):
    # Correct on the first call of an attack, random labels on the later ones: success without perturbation.
    context = helpers.build(helpers.Function(helpers.linear))
    state = {"calls": 0}

    def moody(x):
        state["calls"] += 1
        return helpers.linear(x) * (1 if state["calls"] < 3 else -1)

    record = VanishingBudget().run(replace(context, model=helpers.Function(moody)))
    assert record.status == "FAIL"


def test_samples_on_the_boundary_are_left_out(helpers):
    # Margins of 1e-13: rounding alone may flip them, so they say nothing about the attack.
    def thin(x):
        one = torch.ones(len(x), 1, dtype=x.dtype)
        return torch.cat([one + 1e-13 * (1 + x[:, :1]), one], dim=1)

    context = helpers.build(helpers.Function(thin, classes=2), suite=(PGD(steps=2),))
    assert context.correct.all()
    assert VanishingBudget().run(context).status == "SKIP"


def test_counts_of_changed_features_have_no_vanishing_budget(helpers):
    context = helpers.build(helpers.Function(helpers.linear), suite=(FMN(steps=5),), threat=L0(1))
    assert VanishingBudget().run(context).status == "SKIP"
