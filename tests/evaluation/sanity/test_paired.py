from dataclasses import dataclass

import pytest
import torch

from counterspin.attacks.evasion.fgsm import FGSM
from counterspin.attacks.evasion.pgd import PGD
from counterspin.attacks.evasion.random_draws import RandomDraws
from counterspin.evaluation.sanity.paired import OneStepBelowIterative, RandomBelowGuided, paired_record
from counterspin.evaluation.statistics import mcnemar


@dataclass(frozen=True, kw_only=True)
class Standstill(PGD):
    """An iterative attack that never leaves the clean input."""

    def _run(self, oracle, start, ball, generator):
        oracle.gradient(ball.center, self.loss)


def blind(helpers):
    """Sign-quantised scores whose gradient is zero everywhere."""
    return helpers.Function(lambda x: torch.round(8 * helpers.linear(x)) / 8 + 0 * helpers.linear(x))


@pytest.mark.parametrize(
    ("correct", "missed", "status", "threshold"),
    [(100, 0, "PASS", 2), (100, 1, "WARN", 2), (100, 2, "FAIL", 2), (500, 4, "WARN", 5), (500, 5, "FAIL", 5)],
)
def test_the_paired_rule(correct, missed, status, threshold):
    n = correct + 10
    right = torch.arange(n) < correct
    weaker, stronger = torch.zeros(2, n, dtype=torch.bool), torch.zeros(2, n, dtype=torch.bool)
    weaker[1, :missed] = True
    stronger[:, 50:60] = True
    weaker[:, correct:] = True  # misclassified samples never count
    record = paired_record(RandomBelowGuided(), weaker, stronger, right, "do")
    assert (record.status, record.threshold, record.statistic) == (status, threshold, missed)
    assert record.samples == list(range(missed))
    assert ("McNemar" in record.advice) == (missed > 0)
    # 10 samples only the stronger broke.
    assert record.p_value == mcnemar(missed, 10)


def test_a_method_that_ran_on_what_the_other_left_has_no_p_value():
    weaker, stronger = torch.ones(1, 3, dtype=torch.bool), torch.zeros(1, 3, dtype=torch.bool)
    compared = torch.tensor([True, True, False])
    record = paired_record(RandomBelowGuided(), weaker, stronger, compared, "Do it", ran="Ran it.", tested=False)
    assert (record.status, record.p_value) == ("FAIL", None)
    assert record.advice == "Do it (2 samples). Ran it."


def test_a_sample_missed_at_one_budget_counts_though_another_breaks_it():
    weaker = torch.tensor([[True, True], [True, True]])
    stronger = torch.tensor([[False, True], [True, True]])
    record = paired_record(RandomBelowGuided(), weaker, stronger, torch.ones(2, dtype=torch.bool), "do")
    assert (record.status, record.samples) == ("WARN", [0])


def test_plain_models_pass(plain):
    assert RandomBelowGuided().run(plain).status == "PASS"
    assert OneStepBelowIterative().run(plain).status == "PASS"


def test_a_quantised_model_is_caught_by_random_draws(helpers):
    for suite in ((PGD(steps=5), RandomDraws(draws=200)), (PGD(steps=5),)):
        record = RandomBelowGuided().run(helpers.build(blind(helpers), suite=suite))
        assert record.status == "FAIL"
        assert record.statistic >= record.threshold
        assert record.samples


def test_an_iterative_attack_that_stands_still_is_caught_by_one_step(helpers):
    for suite in ((FGSM(), Standstill()), (Standstill(),)):
        record = OneStepBelowIterative().run(helpers.build(helpers.Function(helpers.linear), suite=suite))
        assert record.status == "FAIL"
        assert len(record.samples) == min(20, record.statistic)


def test_nothing_to_compare_is_skipped(helpers):
    context = helpers.build(helpers.Function(helpers.linear), suite=(RandomDraws(draws=10),))
    assert RandomBelowGuided().run(context).status == "SKIP"
    assert OneStepBelowIterative().run(context).status == "SKIP"
