from dataclasses import replace

import pytest
import torch

from counterspin.attacks.evasion.fmn import FMN
from counterspin.attacks.evasion.pgd import PGD
from counterspin.attacks.evasion.random_draws import RandomDraws
from counterspin.attacks.evasion.square import Square
from counterspin.evaluation.sanity import gradient_free
from counterspin.evaluation.sanity.gradient_free import GradientFreeBelowWhiteBox
from counterspin.evaluation.sanity.runner import _answer
from counterspin.threats import L0, Linf


@pytest.fixture(autouse=True)
def _few_queries(monkeypatch):
    monkeypatch.setattr(gradient_free, "_STAND_IN", Square(queries=100))


def blind(helpers):
    """Quantised scores whose gradient is zero everywhere."""
    return helpers.Function(lambda x: torch.round(8 * helpers.linear(x)) / 8 + 0 * helpers.linear(x))


@pytest.mark.slow
def test_a_plain_model_passes_with_the_attack_of_the_suite(helpers):
    context = helpers.build(helpers.Function(helpers.linear), suite=(PGD(steps=40, restarts=5), Square(queries=100)))
    record = GradientFreeBelowWhiteBox().run(context)
    assert (record.status, record.statistic, record.threshold) == ("PASS", 0.0, 2.0)
    assert record.advice == "Compared: square with pgd."
    # Both ran on every sample, so the p-value is McNemar's: c samples only the white-box attack broke.
    broken = [context.results[name].success for name in ("square", "pgd")]
    c = int((broken[1] & ~broken[0]).any(dim=0).sum())
    assert record.p_value == pytest.approx(min(1.0, 2 * 0.5**c))


@pytest.mark.slow
def test_masked_gradients_are_caught_by_the_attack_of_the_suite_or_a_stand_in(helpers):
    for suite in ((PGD(steps=5), Square(queries=200)), (PGD(steps=5),)):
        context = helpers.build(blind(helpers), suite=suite, threat=Linf(0.15))
        record = GradientFreeBelowWhiteBox().run(context)
        assert record.status == "FAIL"
        assert record.statistic >= record.threshold
        assert not context.results["pgd"].success.all(dim=0)[record.samples].any()
        assert "masked" in record.advice


@pytest.mark.slow
def test_a_stand_in_runs_on_few_survivors_and_says_so(helpers):
    x = helpers.samples(300)
    context = helpers.build(helpers.Function(helpers.linear), x=x, suite=(PGD(steps=10),), threat=Linf(0.02))
    record = GradientFreeBelowWhiteBox().run(context)
    survivors = int((~context.results["pgd"].success[0]).sum())
    assert survivors > 50
    assert record.advice == f"Ran square on 50 of {survivors} samples unbroken at some budget."
    # The samples were chosen by what one of the two did.
    assert record.p_value is None
    assert context.tally.spent.forwards <= 50 * 101


def test_a_threat_the_stand_in_does_not_serve_is_skipped(helpers):
    context = helpers.build(helpers.Function(helpers.linear), suite=(FMN(steps=10),), threat=L0(1))
    context = helpers.with_result(context, "fmn", success=torch.zeros_like(context.correct))
    record = _answer(GradientFreeBelowWhiteBox(), context)
    assert record.status == "SKIP"
    assert "square" in record.advice


@pytest.mark.slow
def test_random_draws_and_corners_are_left_to_the_draws_check(helpers):
    # Draws break what PGD missed; that is the business of another check, and no guided attack is in the suite.
    context = helpers.build(blind(helpers), suite=(PGD(steps=5), RandomDraws(draws=200)), threat=Linf(0.15))
    assert "Ran square" in GradientFreeBelowWhiteBox().run(context).advice


def test_nothing_to_compare_is_skipped(helpers):
    model = helpers.Function(helpers.linear)
    assert GradientFreeBelowWhiteBox().run(helpers.build(model, suite=(RandomDraws(draws=5),))).status == "SKIP"
    context = helpers.build(model, suite=(PGD(steps=10),), threat=Linf(1.0))
    everything = torch.ones_like(context.worst_case)
    context = helpers.with_result(context, "pgd", success=everything[-1])
    assert GradientFreeBelowWhiteBox().run(context).status == "SKIP"
    wrong = replace(context, y=(context.y + 1) % 3)
    assert GradientFreeBelowWhiteBox().run(wrong).status == "SKIP"
