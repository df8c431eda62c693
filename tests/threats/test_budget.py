import pytest

from counterspin.errors import UsageError
from counterspin.threats import Linf, QueryBudget


def test_it_is_part_of_the_threat():
    threat = Linf(0.1, budget=QueryBudget(queries=10, shots=1000))
    assert threat.to_json()["budget"] == {"queries": 10, "circuits": None, "shots": 1000}
    assert len({threat, Linf(0.1, budget=QueryBudget(queries=10, shots=1000)), Linf(0.1)}) == 2


def test_a_budget_limits_something():
    with pytest.raises(UsageError, match="sets no limit"):
        QueryBudget()


@pytest.mark.parametrize("limit", [0, -3, True])
@pytest.mark.parametrize("name", ["queries", "circuits", "shots"])
def test_limits_are_counts(name, limit):
    with pytest.raises(UsageError, match=f"{name} is {limit!r}; it must be a whole number of at least 1"):
        QueryBudget(**{name: limit})
