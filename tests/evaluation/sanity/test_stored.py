from dataclasses import replace

import pytest
import torch

from counterspin.evaluation.sanity.stored import AdmissibleInputs, RecomputedVerdicts
from counterspin.threats import L2, Group, Linf


def tampered(context, row: int, value: float, feature: int = 0):
    stored = context.stored["pgd"].clone()
    stored[-1, row, feature] = value
    return replace(context, stored={**context.stored, "pgd": stored})


@pytest.mark.slow
@pytest.mark.parametrize("threat", [Linf(0.05, 0.15), L2(0.1, 0.2, units="relative"), Linf(0.2, box="none")])
def test_an_honest_run_passes_both(helpers, threat):
    context = helpers.build(helpers.Function(helpers.linear), threat=threat)
    assert context.worst_case.any()
    for check in (AdmissibleInputs(), RecomputedVerdicts()):
        record = check.run(context)
        assert (record.status, record.statistic) == ("PASS", 0.0)


@pytest.mark.slow
def test_misclassified_samples_pass_too(helpers):
    model, x = helpers.Function(helpers.linear), helpers.samples()
    y = (helpers.linear(x).argmax(dim=1) + (torch.arange(40) % 4 == 0)) % 3
    context = helpers.build(model, x=x, y=y)
    assert not context.correct.all()
    for check in (AdmissibleInputs(), RecomputedVerdicts()):
        assert check.run(context).status == "PASS"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.5, -0.01])
def test_inputs_outside_budget_box_or_reals_are_caught(plain, value):
    record = AdmissibleInputs().run(tampered(plain, 7, value))
    assert (record.status, record.samples) == ("FAIL", [7])


@pytest.mark.one_fast(1)
@pytest.mark.parametrize(
    "constraint",
    [
        {"mask": (False, True, True, True)},
        {"groups": (Group(features=(0,), values=((0.0,), (0.5,), (1.0,))),)},
        {"tied": ((0, 1),)},
    ],
    ids=["mask", "discrete", "tied"],
)
def test_changes_that_the_constraints_forbid_are_caught(helpers, constraint):
    context = helpers.build(helpers.Function(helpers.linear), threat=Linf(0.6, **constraint))
    assert context.worst_case.any()
    assert AdmissibleInputs().run(context).status == "PASS"
    clean = context.stored["pgd"][-1, 7, 0].item()
    moved = clean + 0.01 if clean < 0.9 else clean - 0.01
    record = AdmissibleInputs().run(tampered(context, 7, moved))
    assert (record.status, record.samples) == ("FAIL", [7])


def test_a_hair_over_the_budget_is_caught_and_rounding_is_not(plain):
    over = {}
    for excess in (1e-8, 1e-4):
        stored = {k: v.clone() for k, v in plain.stored.items()}
        clean = float(plain.x[3, 1])
        stored["fgsm"][0, 3, 1] = clean + (0.05 + excess) * (1 if clean < 0.5 else -1)
        over[excess] = AdmissibleInputs().run(replace(plain, stored=stored))
    assert over[1e-8].status == "PASS"
    assert (over[1e-4].status, over[1e-4].samples) == ("FAIL", [3])


@pytest.mark.slow
def test_leaving_the_box_inside_the_budget_is_caught_unless_the_threat_has_none(helpers):
    model, x = helpers.Function(helpers.linear), helpers.samples()
    x[5, 0] = 0.99
    for box, status in (("data", "FAIL"), ("none", "PASS")):
        context = helpers.build(model, x=x, threat=Linf(0.15, box=box))
        assert AdmissibleInputs().run(tampered(context, 5, 1.1)).status == status


def test_rounded_storage_is_caught(plain):
    rounded = {name: inputs.float() for name, inputs in plain.stored.items()}
    record = AdmissibleInputs().run(replace(plain, stored=rounded))
    assert record.status == "FAIL"
    assert "dtype" in record.advice


def test_a_reported_success_that_the_input_does_not_show_is_caught(plain, helpers):
    budget = plain.results["pgd"].budgets[-1]
    row = int((~budget.success & plain.correct).nonzero()[0])
    claimed = budget.success.clone()
    claimed[row] = True
    record = RecomputedVerdicts().run(helpers.with_result(plain, "pgd", success=claimed))
    assert (record.status, record.samples) == ("FAIL", [row])


def test_a_tampered_input_is_caught_by_its_verdict(plain):
    row = int(plain.results["pgd"].success[-1].nonzero()[0])
    stored = plain.stored["pgd"].clone()
    stored[-1, row] = plain.x[row]
    record = RecomputedVerdicts().run(replace(plain, stored={**plain.stored, "pgd": stored}))
    assert (record.status, record.samples) == ("FAIL", [row])


@pytest.mark.parametrize("value", [0.01, float("inf"), float("nan")])
def test_a_wrong_distance_is_caught(plain, helpers, value):
    budget = plain.results["pgd"].budgets[-1]
    row = int(budget.success.nonzero()[0])
    distance = budget.distance.clone()
    distance[row] = value
    assert float(budget.distance[row]) != value
    record = RecomputedVerdicts().run(helpers.with_result(plain, "pgd", distance=distance))
    assert (record.status, record.samples) == ("FAIL", [row])


def test_a_finite_distance_of_a_failure_is_caught(plain, helpers):
    budget = plain.results["pgd"].budgets[-1]
    row = int((~budget.success).nonzero()[0])
    distance = budget.distance.clone()
    distance[row] = 0.1
    assert RecomputedVerdicts().run(helpers.with_result(plain, "pgd", distance=distance)).samples == [row]


@pytest.mark.slow
def test_success_on_a_misclassified_sample_is_caught(helpers):
    model, x = helpers.Function(helpers.linear), helpers.samples()
    y = helpers.linear(x).argmax(dim=1)
    y[4] = (y[4] + 1) % 3
    context = helpers.build(model, x=x, y=y)
    claimed = context.results["pgd"].success[-1].clone()
    claimed[4] = True
    record = RecomputedVerdicts().run(helpers.with_result(context, "pgd", success=claimed))
    assert (record.status, record.samples) == ("FAIL", [4])
