from dataclasses import replace

import pytest
import torch

from counterspin.attacks.evasion.random_draws import RandomDraws
from counterspin.evaluation.sanity.informative import InformativeEvaluation
from counterspin.threats import L1, L2, Group, Linf

SUITE = (RandomDraws(draws=20),)


def record_of(helpers, function=None, **changes):
    model = helpers.Function(function or helpers.linear)
    return InformativeEvaluation().run(helpers.build(model, suite=SUITE, **changes))


@pytest.mark.parametrize("threat", [Linf(0.05), L2(0.9), Linf(5.0, box="none"), Linf(0.1, target=None)])
def test_an_ordinary_evaluation_passes(helpers, threat):
    record = record_of(helpers, threat=threat)
    assert (record.status, record.statistic) == ("PASS", 0.0)


def test_labels_that_are_all_wrong_fail(helpers):
    record = record_of(helpers, y=(helpers.linear(helpers.samples()).argmax(dim=1) + 1) % 3)
    assert record.status == "FAIL"
    assert "None of the 40" in record.advice


@pytest.mark.parametrize(("copies", "status"), [(1, "PASS"), (3, "WARN"), (40, "WARN")])
def test_copies_are_counted(helpers, copies, status):
    x = helpers.samples(160)
    x = torch.cat([x, x[:copies]])
    record = record_of(helpers, x=x)
    assert record.status == status
    if status == "WARN":
        assert f"{copies} samples are copies" in record.advice
        assert record.samples == list(range(160, 160 + min(20, copies)))


def test_copies_of_discrete_data_are_no_accident(helpers):
    x = (helpers.samples(40) > 0.5).double()
    groups = tuple(Group(features=(i,), values=((0.0,), (1.0,))) for i in range(4))
    assert record_of(helpers, x=x, threat=Linf(0.05)).status == "WARN"
    assert record_of(helpers, x=x, threat=L1(1.0, groups=groups)).status == "PASS"


def test_one_input_with_two_labels_is_noticed(helpers):
    x = helpers.samples()
    x[7] = x[3]
    y = helpers.linear(x).argmax(dim=1)
    y[7] = (y[7] + 1) % 3
    record = record_of(helpers, x=x, y=y)
    assert (record.status, record.samples) == ("WARN", [3, 7])
    assert "another label" in record.advice


def test_a_constant_prediction_is_noticed(helpers):
    record = record_of(helpers, lambda x: torch.tensor([1.0, 0.0, 0.0]) + 0 * x[:, :1])
    assert record.status == "WARN"
    assert "class 0" in record.advice


def test_a_target_nothing_is_taken_for_is_noticed(helpers):
    lowered = torch.tensor([0.0, 0.0, -9.0])
    record = record_of(helpers, lambda x: helpers.linear(x) + lowered, threat=Linf(0.1, target=2))
    assert record.status == "WARN"
    assert "target" in record.advice


def test_a_target_that_is_predicted_somewhere_passes(helpers):
    x = helpers.samples()
    y = helpers.linear(x).argmax(dim=1)
    y[y == 2] = 0
    assert record_of(helpers, x=x, y=y, threat=Linf(0.05, target=2)).status == "PASS"


@pytest.mark.parametrize(
    ("threat", "status"), [(Linf(0.999), "PASS"), (Linf(1.0), "WARN"), (L2(2.0), "WARN"), (L2(1.0, 2.0), "PASS")]
)
def test_a_budget_that_covers_the_box_is_noticed(helpers, threat, status):
    # One sample in the corner of the box, from which the farthest corner is 1 away in L-infinity and 2 in L2.
    x = helpers.samples()
    x[0] = 0.0
    assert record_of(helpers, x=x, threat=threat).status == status


def test_one_sample_passes_here_and_is_left_to_the_intervals(helpers):
    assert record_of(helpers, x=helpers.samples(1)).status == "PASS"


def test_several_findings_are_all_told(helpers):
    context = helpers.build(helpers.Function(helpers.linear), x=helpers.samples(5).repeat(4, 1), suite=SUITE)
    record = InformativeEvaluation().run(replace(context, threat=Linf(3.0, 4.0)))
    assert record.statistic == 2
    assert "copies" in record.advice
    assert "covers" in record.advice
