from io import StringIO

from rich.console import Console

from benchmarks.requirements import verdicts
from benchmarks.tables import number, rows_table, verdicts_table


def text(table):
    console = Console(width=240, file=StringIO())
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_numbers_are_short_and_without_exponents_where_readable():
    values = (1073.4, 100.0, 14.72, 3.14159, 0.02, 2.1e-7, 0.0, None)
    assert [number(value) for value in values] == ["1073", "100", "14.7", "3.14", "0.02", "2e-07", "0", "–"]


def test_a_missed_requirement_is_plain_to_see(row):
    rows = [row(milliseconds=4.0), row(milliseconds=1.0, gradient="weights")]
    lines = text(rows_table(rows, "title")).splitlines()
    assert "30/45 NOT MET" in next(line for line in lines if "inputs" in line)
    assert "30/45 goal" in next(line for line in lines if "weights" in line)
    lines = text(verdicts_table(verdicts(rows))).splitlines()
    missed = next(line for line in lines if "NOT MET" in line)
    assert "25.0" in missed
    assert "≥ 30.0" in missed
