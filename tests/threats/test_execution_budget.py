import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterspin.errors import UsageError
from counterspin.threats import ExecutionBudget


@pytest.mark.parametrize(
    ("text", "limits", "words"),
    [
        ("20000circuits", {"circuits": 20000}, "20,000 circuits"),
        ("1e7shots, 500 jobs", {"shots": 10**7, "jobs": 500}, "10,000,000 shots, 500 jobs"),
        ("1job", {"jobs": 1}, "1 job"),
        ("2.5e3shots,7circuit", {"circuits": 7, "shots": 2500}, "7 circuits, 2,500 shots"),
        ("1_000jobs", {"jobs": 1000}, "1,000 jobs"),
    ],
)
def test_texts_are_read(text, limits, words):
    budget = ExecutionBudget.parse(text)
    assert budget.limits == limits
    assert str(budget) == words


@pytest.mark.parametrize(
    "text",
    ["", "20000", "-3jobs", "0jobs", "1.5jobs", "5jobs,6jobs", "x", "1e400shots", "nanjobs", "infshots", "jobs", "5 s"],
)
def test_nonsense_is_refused_with_what_to_write(text):
    with pytest.raises(UsageError, match="20000circuits, 1e7shots, 500jobs"):
        ExecutionBudget.parse(text)


@given(st.integers(1, 10**12), st.integers(1, 10**12))
def test_limits_are_read_as_they_are_written(circuits, shots):
    budget = ExecutionBudget(circuits=circuits, shots=shots)
    assert ExecutionBudget.parse(f" {shots}shots,{circuits} circuits") == budget
    assert budget.to_json() == {"circuits": circuits, "shots": shots, "jobs": None}


@pytest.mark.parametrize("limits", [{}, {"jobs": 0}, {"circuits": True}])
def test_limits_that_limit_nothing_are_refused(limits):
    with pytest.raises(UsageError, match="ExecutionBudget"):
        ExecutionBudget(**limits)
