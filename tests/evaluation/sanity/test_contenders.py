import pytest
import torch

from counterspin.attacks.evasion.fgsm import FGSM
from counterspin.attacks.evasion.fmn import FMN
from counterspin.attacks.evasion.pgd import PGD
from counterspin.attacks.evasion.random_draws import RandomDraws
from counterspin.attacks.evasion.square import Square
from counterspin.attacks.losses import CrossEntropy
from counterspin.evaluation.sanity.contenders import attacks_with, contested_budget, main_attack, spread
from counterspin.threats import Linf

SUITE = (
    FGSM(),
    FMN(steps=30),
    PGD(steps=30, restarts=3),
    PGD(steps=5, loss=CrossEntropy()),
    RandomDraws(draws=20),
    Square(queries=20),
)


def names(attacks):
    return [attack.name for attack in attacks]


@pytest.mark.slow
def test_attacks_are_told_apart_by_what_they_see(helpers):
    context = helpers.build(helpers.Function(helpers.linear), suite=SUITE)
    assert names(attacks_with(context, "white")) == ["fgsm", "fmn", "pgd", "pgd-ce"]
    assert names(attacks_with(context, "black", "decision")) == ["square"]


@pytest.mark.slow
def test_the_main_attack_broke_most_and_takes_several_steps_in_one_ball(helpers):
    context = helpers.build(helpers.Function(helpers.linear), suite=SUITE)
    assert main_attack(context, 1).name == "pgd"
    worse = helpers.with_result(context, "pgd", success=torch.zeros_like(context.correct))
    assert main_attack(worse, 1).name == "pgd-ce"
    alone = helpers.build(helpers.Function(helpers.linear), suite=(FGSM(), FMN(steps=10)))
    assert main_attack(alone, 0).name == "fmn"
    nobody = helpers.build(helpers.Function(helpers.linear), suite=(FGSM(), RandomDraws(draws=5)))
    assert main_attack(nobody, 0) is None


def test_of_equally_many_breaks_the_lower_margins_decide(helpers):
    context = helpers.build(helpers.Function(helpers.linear), suite=(PGD(steps=2), PGD(steps=2, loss=CrossEntropy())))
    for name in context.results:
        context = helpers.with_result(context, name, success=torch.zeros_like(context.correct))
    low = helpers.with_result(
        context, "pgd-ce", best_margin=torch.full_like(context.results["pgd"].best_loss[-1], 1e-9)
    )
    assert main_attack(low, 1).name == "pgd-ce"


@pytest.mark.slow
def test_the_contested_budget_is_nearest_to_one_half(helpers):
    context = helpers.build(helpers.Function(helpers.linear), threat=Linf(1e-6, 0.1, 0.9))
    assert contested_budget(context) == 1


def test_samples_are_spread_over_all_rows():
    rows = torch.arange(10, 110)
    few = spread(rows, 7)
    assert len(few.unique()) == 7
    assert (few[0], few[-1]) == (10, 109)
    assert spread(rows, 100) is rows
