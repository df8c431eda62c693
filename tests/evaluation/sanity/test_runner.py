from dataclasses import replace

import pytest
import torch

from counterspin.errors import CapabilityError
from counterspin.evaluation.records import SanityRecord
from counterspin.evaluation.sanity import CHECKS, run_checks
from counterspin.evaluation.sanity.base import Check
from counterspin.evaluation.sanity.runner import _run


def test_the_quick_tier_is_the_published_list():
    assert [check.id for check in CHECKS if check.tier == "quick"] == [
        "S01", "S02", "S03", "S04", "S05", "S06", "S10", "S13", "S24", "S25", "S27",
    ]  # fmt: skip


def test_a_plain_model_only_warns_about_its_few_samples(plain):
    record = run_checks(plain)
    assert {check.id: check.status for check in record.checks if check.status != "PASS"} == {
        "S24": "SKIP",
        "S25": "WARN",
    }
    assert record.verdict == "warn"
    assert all(check.advice for check in record.checks if check.status != "PASS")


def test_a_masked_model_fails_as_a_whole(helpers):
    masked = helpers.Function(lambda x: torch.round(8 * helpers.linear(x)) / 8 + 0 * helpers.linear(x))
    record = run_checks(helpers.build(masked))
    assert record.verdict == "fail"
    assert [check.id for check in record.checks if check.status == "FAIL"] == ["S05"]
    assert all(check.advice for check in record.checks if check.status != "PASS")


def test_the_same_context_gives_the_same_record(plain):
    assert run_checks(plain) == run_checks(plain)


def test_records_survive_json(plain):
    record = run_checks(plain)
    assert SanityRecord.model_validate_json(record.model_dump_json()) == record


def test_an_inapplicable_check_is_skipped_and_other_errors_are_not(plain):
    class Raises(Check):
        id, title = "S99", "raises"

        def run(self, context):
            raise self.error

    check = Raises()
    check.error = CapabilityError("no gradient")
    assert _run(check, plain).status == "SKIP"
    check.error = RuntimeError("a bug")
    with pytest.raises(RuntimeError, match="a bug"):
        _run(check, plain)


def test_the_model_is_left_as_it_was(plain):
    before = plain.model.training
    run_checks(replace(plain, seed=1))
    assert plain.model.training == before
