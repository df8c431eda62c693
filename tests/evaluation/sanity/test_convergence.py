from dataclasses import replace

import pytest
import torch

from counterspin.attacks.evasion.pgd import PGD
from counterspin.attacks.evasion.random_draws import RandomDraws
from counterspin.evaluation.sanity.convergence import FlatLoss
from counterspin.threats import Linf


def test_a_converged_attack_passes(plain):
    record = FlatLoss().run(plain)
    assert record.status == "PASS"
    assert record.statistic <= record.threshold


def test_an_attack_stopped_early_is_noticed(helpers):
    # 12 steps of a hundredth of the budget: on a linear model every one of them still gains.
    slow = PGD(steps=12, step_size=0.01)
    context = helpers.build(helpers.Function(helpers.linear), suite=(slow,), threat=Linf(0.3))
    record = FlatLoss().run(context)
    assert record.status == "WARN"
    assert record.samples
    assert not context.worst_case[0, record.samples].any()
    assert "steps" in record.advice


@pytest.mark.slow
def test_a_stuck_attack_does_not_hide_one_that_was_still_gaining(helpers):
    slow = helpers.build(helpers.Function(helpers.linear), suite=(PGD(steps=12, step_size=0.01),), threat=Linf(0.3))
    stuck = helpers.build(helpers.Function(helpers.linear), suite=(PGD(steps=40, step_size=1e-12),), threat=Linf(0.3))
    # The stuck attack's points are random draws; make them worse than those of the slow one.
    stuck = helpers.with_result(stuck, "pgd", best_margin=slow.results["pgd"].best_loss[-1] + 1)
    assert FlatLoss().run(stuck).status == "PASS"
    results = {"stuck": stuck.results["pgd"], "pgd": slow.results["pgd"]}
    assert FlatLoss().run(replace(slow, results=results)).status == "WARN"


@pytest.mark.slow
def test_one_converged_attack_is_enough(helpers):
    slow = helpers.build(helpers.Function(helpers.linear), suite=(PGD(steps=12, step_size=0.001),))
    fine = helpers.build(helpers.Function(helpers.linear), suite=(PGD(steps=40),))
    both = replace(fine, results={"slow": slow.results["pgd"], "pgd": fine.results["pgd"]})
    assert FlatLoss().run(slow).status == "WARN"
    assert FlatLoss().run(both).status == "PASS"


def test_nothing_to_look_at_is_skipped(helpers):
    model = helpers.Function(helpers.linear)
    assert FlatLoss().run(helpers.build(model, suite=(RandomDraws(draws=5),))).status == "SKIP"
    wrong = (helpers.linear(helpers.samples()).argmax(dim=1) + 1) % 3
    context = helpers.build(model, y=wrong, suite=(PGD(steps=3),))
    assert not torch.any(context.correct)
    assert FlatLoss().run(context).status == "SKIP"
