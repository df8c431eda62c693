import json
import sys

import pytest

from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.outcome import Outcome, columns


class Fake:
    def __init__(self, missed):
        self.missed = missed
        self.options = None

    def run(self, options):
        self.options = options
        rows = [{"case": "a", "seconds": 1.5}]
        return Outcome(rows=rows, tables=(columns("a title", rows),), missed=self.missed)


@pytest.fixture
def fake(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("QUICK", raising=False)
    monkeypatch.delenv("PEERS", raising=False)

    def install(missed=0):
        module = Fake(missed)
        monkeypatch.setitem(sys.modules, "benchmarks.exact", module)
        return module

    return install


def test_rows_are_written_as_json_and_tables_printed(fake, tmp_path, capsys):
    module = fake()
    assert main(["exact"]) == 0
    assert json.loads((tmp_path / "build/bench/exact.json").read_text()) == [{"case": "a", "seconds": 1.5}]
    assert "a title" in capsys.readouterr().out
    assert (module.options.quick, module.options.all_peers) == (False, False)


def test_a_missed_requirement_is_the_exit_code(fake):
    fake(missed=2)
    assert main(["exact"]) == 1


def test_the_environment_asks_for_less_or_more(fake, monkeypatch):
    module = fake()
    monkeypatch.setenv("QUICK", "1")
    monkeypatch.setenv("PEERS", "all")
    main(["exact"])
    assert (module.options.quick, module.options.all_peers) == (True, True)


def test_an_unknown_name_is_refused(fake, capsys):
    fake()
    assert main(["speed"]) == 2
    assert f"no benchmark speed; there are {', '.join(BENCHMARKS)}" in capsys.readouterr().err


def test_columns_put_cases_side_by_side():
    table = columns("title", [{"case": "a", "seconds": 1.23456}, {"case": "b", "seconds": None}])
    assert [column.header for column in table.columns] == ["case", "a", "b"]
    assert list(table.columns[1].cells) == ["1.23"]
    assert list(table.columns[2].cells) == ["–"]
