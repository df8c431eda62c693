import pytest
import torch

from counterspin.attacks.evasion.pgd import PGD
from counterspin.attacks.evasion.random_draws import RandomDraws
from counterspin.evaluation.sanity.doubling import MoreIterations, MoreRestarts
from counterspin.threats import Linf


def rugged(x):
    """Two classes; the margin has many local minima, few of which are below zero."""
    height = 0.85 + (torch.cos(40 * x) + 0.2 * torch.cos(97 * x + 1)).mean(dim=1, keepdim=True)
    return torch.cat([height, -height], dim=1)


@pytest.mark.slow
@pytest.mark.parametrize("check", [MoreIterations(), MoreRestarts()])
def test_a_plain_model_passes_and_the_record_says_what_ran(helpers, check):
    context = helpers.build(helpers.Function(helpers.linear), suite=(PGD(steps=40, restarts=2),), threat=Linf(0.1))
    record = check.run(context)
    assert record.status == "PASS"
    assert record.statistic <= record.threshold == 0.01
    assert record.samples == []
    survivors = int((~context.worst_case[0]).sum())
    said = {"S11": "80 steps instead of 40", "S12": "4 restarts instead of 2"}[check.id]
    assert f"Ran pgd with {said} on {survivors} of {survivors} survivors at ε = 0.1" in record.advice


def test_too_few_iterations_are_caught(helpers):
    # Three steps of a twentieth of the budget: a linear model gives six of them twice as much.
    slow = PGD(steps=3, step_size=0.05)
    context = helpers.build(helpers.Function(helpers.linear), suite=(slow,), threat=Linf(0.5))
    record = MoreIterations().run(context)
    assert record.status == "FAIL"
    assert record.statistic > 0.05
    assert "Twice the steps still gain" in record.advice
    assert not context.worst_case[0, record.samples].any()


def test_margins_that_move_without_a_break_are_a_warning(helpers):
    # So small a budget breaks nobody, but six steps go twice as far as three.
    slow = PGD(steps=3, step_size=0.05)
    context = helpers.build(helpers.Function(helpers.linear), suite=(slow,), threat=Linf(0.5))
    far = context.relative_margin > context.relative_margin.median()
    context = helpers.build(helpers.Function(helpers.linear), x=context.x[far], suite=(slow,), threat=Linf(0.12))
    record = MoreIterations().run(context)
    assert record.status == "WARN"
    assert ": 0 broken (0.0 points)" in record.advice


def test_too_few_restarts_are_caught(helpers):
    x = helpers.samples(400)
    x = x[rugged(x)[:, 0] > 0][:80]
    suite = (PGD(steps=10, step_size=0.05),)
    context = helpers.build(helpers.Function(rugged, classes=2), x=x, suite=suite, threat=Linf(0.05))
    record = MoreRestarts().run(context)
    assert record.status == "FAIL"
    assert "2 restarts instead of 1" in record.advice


def test_the_contested_budget_is_tried_and_the_gain_is_scaled_to_all_samples(helpers):
    x = helpers.samples(200)
    context = helpers.build(helpers.Function(helpers.linear), x=x, suite=(PGD(steps=10),), threat=Linf(1e-6, 0.1, 0.9))
    record = MoreRestarts().run(context)
    survivors = int((~context.worst_case[1]).sum())
    assert survivors > 50
    assert f"on 50 of {survivors} survivors at ε = 0.1" in record.advice


def test_the_gain_is_scaled_to_all_samples(helpers):
    context = helpers.build(
        helpers.Function(helpers.linear), x=helpers.samples(200), suite=(PGD(steps=10),), threat=Linf(0.9)
    )
    # As if the suite had broken one sample in four: what breaks now are the other three.
    quarter = torch.arange(200) % 4 == 0
    record = MoreRestarts().run(helpers.with_result(context, "pgd", success=quarter))
    assert record.status == "FAIL"
    assert "on 50 of 150 survivors" in record.advice
    assert record.statistic == pytest.approx(0.75)


@pytest.mark.parametrize(("suite", "eps"), [((RandomDraws(draws=5),), 0.1), ((PGD(steps=30, restarts=3),), 1.0)])
def test_nothing_to_double_is_skipped(helpers, suite, eps):
    context = helpers.build(helpers.Function(helpers.linear), suite=suite, threat=Linf(eps))
    assert bool(context.worst_case.all()) == (eps == 1.0)
    assert MoreIterations().run(context).status == "SKIP"
    assert MoreRestarts().run(context).status == "SKIP"
