"""The result of an audit in the terminal."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from counterspin.api import AuditReport
from counterspin.evaluation.records import AuditRecord, ExactRecord, Measured

__all__ = ["percent_words", "print_summary", "share_words", "slim_table"]


def print_summary(report: AuditReport) -> None:
    """Print clean accuracy, one line per budget, the sanity verdict and where the report is."""
    record = report.record
    console = Console(highlight=False)
    tier = " · quick tier: not for publication" if record.tier == "quick" else ""
    tier = f" · suite {record.suite}" if record.suite else tier
    name = escape(str(record.model["name"]))
    console.print(f"[bold]{name}[/bold] · clean accuracy {share_words(record.clean_accuracy)}{tier}")
    threat = record.threat
    console.print(f"\nShare correct and unbroken · {threat['norm']}, {threat['units']} units, box {threat['box']}")
    console.print(_bounds(record))
    console.print("Against each attack alone")
    console.print(_attacks(record))
    for check in record.sanity.checks:
        if check.status in ("WARN", "FAIL"):
            style = "red" if check.status == "FAIL" else "yellow"
            console.print(f"[{style}]{check.status}[/{style}] {check.id} {escape(f'{check.title}: {check.advice}')}")
    passed = sum(check.status == "PASS" for check in record.sanity.checks)
    verdict = {"pass": "reliable", "warn": "reliable, with warnings", "fail": "[red]UNRELIABLE[/red]"}[
        record.sanity.verdict
    ]
    if record.budget is not None and record.budget.reached and record.sanity.verdict != "fail":
        verdict = "incomplete, its budget was reached"
    console.print(
        f"Audit {verdict}: {passed} of {len(record.sanity.checks)} sanity checks passed. {record.cost.seconds:.1f} s."
    )
    console.print(f"Report: {report.html}", soft_wrap=True, markup=False)


def _bounds(record: AuditRecord) -> Table:
    """What is known at each ε; one row per budget, so that any number of them fits a narrow terminal."""
    first = record.budgets[0]
    open_ = first.worst_case_upper is not None
    columns = [
        "worst case",
        *["undecided as robust"] * open_,
        *["exact"] * (first.exact is not None),
        *["certified"] * (first.certified is not None),
    ]
    table = slim_table(["ε", *columns])
    for budget in record.budgets:
        cells = {
            "worst case": share_words(budget.worst_case),
            "undecided as robust": share_words(budget.worst_case_upper),
            "exact": _bracket(budget.exact),
            "certified": share_words(budget.certified),
        }
        table.add_row(f"{budget.eps:g}", *(cells[column] for column in columns))
    return table


def _attacks(record: AuditRecord) -> Table:
    """One row per attack, so that a suite of many fits a narrow terminal."""
    table = slim_table(["attack", *(f"ε = {budget.eps:g}" for budget in record.budgets)])
    for name in record.budgets[0].attacks:
        table.add_row(escape(name), *(percent_words(b.attacks[name].robust_accuracy.value) for b in record.budgets))
    return table


def slim_table(columns: Sequence[str]) -> Table:
    """A table without frame, its columns aligned to the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(escape(column), justify="right", overflow="fold")
    return table


def percent_words(value: float) -> str:
    """A share in per cent."""
    return f"{100 * value:.1f} %"


def share_words(measured: Measured | None) -> str:
    """A measured share with its interval, marked up for rich; a dash for None."""
    if measured is None:
        return "–"
    return f"{percent_words(measured.value)} \\[{100 * measured.low:.1f}, {100 * measured.high:.1f}]"


def _bracket(exact: ExactRecord | None) -> str:
    if exact is None:
        return "–"
    low, high = percent_words(exact.lower.value), percent_words(exact.upper.value)
    return low if low == high else f"{low} to {high}"
