import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterspin.errors import InputError, UsageError
from counterspin.evaluation.prices import Prices
from counterspin.types import Cost


@given(*[st.integers(0, 10**6)] * 3)
def test_money_is_linear_in_what_is_executed(circuits, shots, jobs):
    prices = Prices(circuit=0.25, shot=0.5, job=2.0)
    assert prices.of(Cost(circuits=circuits, shots=shots, jobs=jobs)) == circuits / 4 + shots / 2 + 2 * jobs


def test_prices_are_read_from_a_file_or_a_dictionary(tmp_path):
    table = {"circuit": 0.01, "job": 0.3, "currency": "EUR"}
    (tmp_path / "prices.json").write_text(json.dumps(table))
    assert (
        Prices.read(table)
        == Prices.read(str(tmp_path / "prices.json"))
        == Prices(circuit=0.01, job=0.3, currency="EUR")
    )
    assert Prices.read(table).words(Cost(circuits=1000, jobs=1)) == "10.30 EUR"


@pytest.mark.parametrize("table", [{"gate": 1}, {"circuit": -1}, {"job": float("nan")}, {"job": True}])
def test_tables_that_are_none_are_refused(table):
    with pytest.raises(UsageError, match="prices"):
        Prices.read(table)


@pytest.mark.parametrize("content", ["not json", "[1, 2]"])
def test_files_that_are_no_table_are_refused(tmp_path, content):
    (tmp_path / "prices.json").write_text(content)
    with pytest.raises((InputError, UsageError), match="prices"):
        Prices.read(tmp_path / "prices.json")
    with pytest.raises(InputError, match="cannot be read"):
        Prices.read(tmp_path / "absent.json")
