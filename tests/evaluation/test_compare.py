"""Comparisons of hand-made runs, so that every number is known."""

import json

import pytest
from stored_runs import SAMPLES, THREAT, mask, write_run

from counterspin.errors import StorageError, UsageError
from counterspin.evaluation.compare import compare_runs, paired_record
from counterspin.evaluation.comparison import ComparisonRecord
from counterspin.evaluation.statistics import holm, mcnemar, measured_share, tango


def test_every_number_of_two_known_runs(tmp_path):
    one = write_run(tmp_path / "a")
    two = write_run(tmp_path / "b", wrong=1, broken={"pgd": (10, 18), "random": (2, 9)})
    record = compare_runs(one, two)
    assert record.samples == SAMPLES
    assert record.samples_sha256 == "d1"
    assert record.threat == {"norm": "linf", "units": "feature", "box": "data", "target": None}
    assert (record.first.run, record.second.run) == (str(one), str(two))
    assert record.clean_accuracy == paired_record(mask(18), mask(19))
    assert record.clean_accuracy.p_holm is None
    assert [budget.eps for budget in record.budgets] == [0.1, 0.2]
    first, last = record.budgets
    # At 0.1 samples 4-17 stand in A and 10-18 in B: 14 against 9, b = 6 (4-9), c = 1 (18).
    worst = first.worst_case
    assert (worst.first, worst.second) == (measured_share(14, SAMPLES), measured_share(9, SAMPLES))
    assert (worst.only_first, worst.only_second, worst.difference) == (6, 1, 0.25)
    assert (worst.low, worst.high) == tango(6, 1, SAMPLES)
    assert worst.p_value == mcnemar(6, 1)
    # At 0.2 samples 8-17 stand in A, 18 in B: b = 10, c = 1.
    assert (last.worst_case.only_first, last.worst_case.only_second) == (10, 1)
    assert (worst.p_holm, last.worst_case.p_holm) == holm([mcnemar(6, 1), mcnemar(10, 1)])
    raw = [pair.p_value for budget in record.budgets for pair in budget.attacks.values()]
    assert [pair.p_holm for budget in record.budgets for pair in budget.attacks.values()] == list(holm(raw))
    assert raw[1] == mcnemar(0, 1)
    assert record.reliable
    assert record.notes == []


def test_swapping_the_runs_mirrors_everything(tmp_path):
    one = write_run(tmp_path / "a")
    two = write_run(tmp_path / "b", broken={"pgd": (10, 18), "random": (2, 9)})
    there, back = compare_runs(one, two), compare_runs(two, one)
    assert (there.first, there.second) == (back.second, back.first)
    for a, b in zip(there.budgets, back.budgets, strict=True):
        assert a.worst_case.difference == -b.worst_case.difference
        assert (a.worst_case.low, a.worst_case.high) == (-b.worst_case.high, -b.worst_case.low)
        assert (a.worst_case.p_value, a.worst_case.p_holm) == (b.worst_case.p_value, b.worst_case.p_holm)


def test_a_run_against_itself_shows_no_difference(tmp_path):
    one = write_run(tmp_path / "a")
    record = compare_runs(one, one)
    pairs = [record.clean_accuracy, *(budget.worst_case for budget in record.budgets)]
    assert all(pair.difference == 0 and pair.p_value == 1 and pair.low < 0 < pair.high for pair in pairs)


def test_only_common_budgets_and_attacks_configured_alike_are_compared(tmp_path):
    one = write_run(tmp_path / "a", tier="quick")
    threat = {**THREAT, "eps": [0.2, 0.4]}
    two = write_run(tmp_path / "b", threat=threat, steps=10, broken={"pgd": (9, 9), "random": (2, 9), "spsa": (2, 2)})
    record = compare_runs(one, two)
    assert [budget.eps for budget in record.budgets] == [0.2]
    # The second budget of A against the first of B.
    assert (record.budgets[0].worst_case.first.value, record.budgets[0].worst_case.second.value) == (0.5, 0.45)
    assert set(record.budgets[0].attacks) == {"random"}
    assert record.budgets[0].worst_case.p_holm == record.budgets[0].worst_case.p_value
    assert [note.split(maxsplit=1)[0] for note in record.notes] == ["Only", "Configured", "The"]
    assert "spsa" in record.notes[0]
    assert "pgd" in record.notes[1]
    assert "quick against standard" in record.notes[2]


def test_samples_without_a_verdict_count_as_broken_and_are_owned_up_to(tmp_path):
    one = write_run(tmp_path / "a", broken={"pgd": (4, 8)})
    two = write_run(tmp_path / "b", broken={"pgd": (4, 8)}, undecided=6)
    record = compare_runs(one, two)
    first, last = (budget.worst_case for budget in record.budgets)
    assert (first.first.value, first.second.value, first.only_first) == (14 / 20, 12 / 20, 2)
    assert last.difference == 0
    assert record.notes == [f"The model of {two} is stochastic; samples without a verdict count as broken there."]


def test_an_unreliable_run_makes_the_comparison_unreliable(tmp_path):
    one = write_run(tmp_path / "a")
    two = write_run(tmp_path / "b", failed=("S05", "S11"))
    for record in (compare_runs(one, two), compare_runs(two, one)):
        assert not record.reliable
        assert record.to_json()["reliable"] is False
    assert compare_runs(one, two).second.failed == ["S05", "S11"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": "d2"}, r"different samples \(20 of digits, sha256 d1 against 20 of digits, sha256 d2\)"),
        (
            {"threat": {**THREAT, "norm": "l2", "box": "none"}},
            r'different threats: box \("data" against "none"\), norm',
        ),
        ({"threat": {**THREAT, "target": 0}}, r"target \(null against 0\)"),
        ({"threat": {**THREAT, "mask": [True, False]}}, r"mask \(null against \[true, false\]\)"),
        ({"threat": {**THREAT, "eps": [0.3, 0.4]}}, r"no budget in common \(eps \[0\.1, 0\.2\] against \[0\.3, 0\.4\]"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_what_differs(tmp_path, changes, message):
    one, two = write_run(tmp_path / "a"), write_run(tmp_path / "b", **changes)
    with pytest.raises(UsageError, match=message) as refused:
        compare_runs(one, two)
    assert refused.value.exit_code == 2


def test_a_field_an_older_run_does_not_know_is_an_empty_one(tmp_path):
    one = write_run(tmp_path / "a")
    two = write_run(tmp_path / "b", threat={**THREAT, "mask": None, "groups": []})
    assert compare_runs(one, two).reliable


def test_what_is_no_finished_run_or_damaged_is_named(tmp_path):
    one = write_run(tmp_path / "a")
    with pytest.raises(UsageError, match="no finished run"):
        compare_runs(one, tmp_path / "nothing")
    two = write_run(tmp_path / "b")
    (two / "samples.sqlite").write_bytes(b"half" * 2000)
    with pytest.raises(StorageError, match=r"samples\.sqlite is damaged"):
        compare_runs(one, two)


def test_rows_that_do_not_reach_the_record_are_named(tmp_path):
    one, two = write_run(tmp_path / "a"), write_run(tmp_path / "b")
    content = json.loads((two / "run.json").read_text())
    budgets = content["record"]["budgets"]
    budgets.append({**budgets[-1], "eps": 0.9})
    (two / "run.json").write_text(json.dumps(content))
    with pytest.raises(StorageError, match="lacks budgets of pgd"):
        compare_runs(one, two)


def test_the_record_survives_json(tmp_path):
    record = compare_runs(write_run(tmp_path / "a"), write_run(tmp_path / "b"))
    value = json.loads(json.dumps(record.to_json()))
    assert value.pop("reliable") is True
    assert ComparisonRecord.model_validate(value) == record
