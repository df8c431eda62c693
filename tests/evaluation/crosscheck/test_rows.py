import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterspin.evaluation.crosscheck import Crosscheck, Row


def row(theirs, ours, relation, tolerance=0.01):
    return Row(tool="t", attack="a", quantity="q", theirs=theirs, ours=ours, tolerance=tolerance, relation=relation)


@pytest.mark.parametrize(
    ("ours", "relation", "passed"),
    [
        (0.51, "=", True),
        (0.52, "=", False),
        (0.48, "=", False),
        (0.51, "<=", True),
        (0.52, "<=", False),
        (0.1, "<=", True),
        (0.49, ">=", True),
        (0.48, ">=", False),
        (0.9, ">=", True),
        (math.nan, "=", False),
        (math.nan, "<=", False),
        (math.inf, "<=", False),
    ],
)
def test_ours_must_stand_to_theirs_as_stated(ours, relation, passed):
    assert row(0.5, ours, relation).passed is passed


@given(st.integers(0, 100))
def test_one_sample_of_a_hundred_is_one_point(hits):
    assert row(hits / 100, (hits + 1) / 100, "<=").passed
    assert not row(hits / 100, (hits + 2) / 100, "<=").passed


def test_one_failing_row_fails_all():
    found = Crosscheck(
        rows=(row(1.0, 1.0, "="), row(1.0, 2.0, "=")), skipped=("s",), samples=5, versions={"v": "1"}, seconds=2.0
    )
    answer = found.to_json()
    assert [entry["pass"] for entry in answer["rows"]] == [True, False]
    assert answer["passed"] is False
    assert (answer["skipped"], answer["samples"], answer["versions"]) == (["s"], 5, {"v": "1"})
