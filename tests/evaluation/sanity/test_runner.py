from dataclasses import replace

import pytest
import torch

from counterspin.attacks.evasion.random_draws import RandomDraws
from counterspin.attacks.evasion.square import Square
from counterspin.errors import CapabilityError, InterruptedRunError, ModelError
from counterspin.evaluation.records import SanityRecord
from counterspin.evaluation.sanity import CHECKS, checks_of, run_checks, runner
from counterspin.evaluation.sanity.base import Check, Tally
from counterspin.evaluation.sanity.intervals import NarrowIntervals
from counterspin.evaluation.sanity.runner import run_check
from counterspin.types import Cost

QUICK = ["S01", "S02", "S03", "S04", "S05", "S06", "S10", "S13", "S24", "S25", "S27", "S29"]
STANDARD = ["S07", "S09", "S11", "S12", "S14", "S15", "S16", "S17", "S18", "S19", "S20", "S28"]
PAPER = ["S08", "S21", "S22", "S23", "S26"]


@pytest.mark.parametrize(("tier", "ids"), [("quick", QUICK), ("standard", STANDARD), ("paper", PAPER)])
def test_the_tiers_are_the_published_lists(tier, ids):
    assert [check.id for check in CHECKS if check.tier == tier] == ids


def test_a_tier_holds_those_below_it_in_the_order_of_the_ids():
    assert [check.id for check in checks_of("quick")] == QUICK
    assert [check.id for check in checks_of("standard")] == sorted(QUICK + STANDARD)
    assert [check.id for check in checks_of("paper")] == [f"S{number:02d}" for number in range(1, 30)]


@pytest.mark.slow
@pytest.mark.parametrize("tier", ["standard", "paper"])
def test_every_check_of_a_tier_appears_once_and_a_plain_model_does_not_fail(helpers, plain, tier):
    suite = (*plain.suite.values(), Square(queries=100))
    record = run_checks(helpers.build(helpers.Function(helpers.linear), suite=suite), tier)
    assert [check.id for check in record.checks] == [check.id for check in checks_of(tier)]
    assert record.verdict != "fail"


@pytest.mark.slow
def test_a_plain_model_only_warns_about_its_few_samples(plain):
    record = run_checks(plain)
    assert {check.id: check.status for check in record.checks if check.status != "PASS"} == {
        "S24": "SKIP",
        "S25": "WARN",
    }
    assert record.verdict == "warn"
    assert all(check.advice for check in record.checks if check.status != "PASS")


@pytest.mark.slow
def test_a_masked_model_fails_as_a_whole(helpers):
    masked = helpers.Function(lambda x: torch.round(8 * helpers.linear(x)) / 8 + 0 * helpers.linear(x))
    record = run_checks(helpers.build(masked))
    assert record.verdict == "fail"
    assert [check.id for check in record.checks if check.status == "FAIL"] == ["S05"]
    assert all(check.advice for check in record.checks if check.status != "PASS")


@pytest.mark.slow
def test_the_same_context_gives_the_same_record(plain):
    def untimed():
        record = run_checks(plain).model_dump()
        for check in record["checks"]:
            check["cost"].pop("seconds")
        return record

    assert untimed() == untimed()


@pytest.mark.slow
def test_each_check_says_what_it_spent(plain):
    context = replace(plain, tally=Tally())
    costs = {check.id: check.cost for check in run_checks(context).checks}
    assert all(cost.seconds > 0 for cost in costs.values())
    # Read from what is there, or attacked anew.
    assert costs["S24"].forwards == costs["S25"].circuits == 0
    assert costs["S04"].forwards > 0
    assert costs["S10"].backwards > 0
    # The tally of the context given belongs to nobody.
    assert context.tally.spent == Cost()


@pytest.mark.slow
def test_records_survive_json(plain):
    record = run_checks(plain)
    assert SanityRecord.model_validate_json(record.model_dump_json()) == record


class Raises(Check):
    id, title = "S99", "raises"

    def __init__(self, error):
        self.error = error

    def run(self, context):
        context.attack_again(RandomDraws(draws=2), torch.arange(3), self.id)
        raise self.error


def test_an_inapplicable_check_is_skipped(plain):
    record = run_check(Raises(CapabilityError("no gradient")), plain)
    assert (record.status, record.advice) == ("SKIP", "Not applicable: no gradient")
    assert record.cost.forwards > 0


def test_a_check_that_is_refused_fails_and_loses_nothing_else(plain, monkeypatch):
    monkeypatch.setattr(runner, "CHECKS", (Raises(ModelError("NaN")), NarrowIntervals()))
    record = run_checks(plain)
    assert record.verdict == "fail"
    assert [check.status for check in record.checks] == ["FAIL", "WARN"]
    assert record.checks[0].advice == "The check itself failed: NaN"


@pytest.mark.parametrize("error", [RuntimeError("a bug"), InterruptedRunError("Ctrl-C"), KeyboardInterrupt()])
def test_bugs_and_interrupts_end_the_run(plain, error):
    with pytest.raises(type(error)):
        run_check(Raises(error), plain)


@pytest.mark.slow
def test_the_model_is_left_as_it_was(plain):
    before = plain.model.training
    run_checks(replace(plain, seed=1))
    assert plain.model.training == before
