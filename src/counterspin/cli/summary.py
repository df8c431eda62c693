"""The result of an audit in the terminal."""

from rich.console import Console
from rich.table import Table

from counterspin.api import AuditReport
from counterspin.evaluation.records import ExactRecord, Measured

__all__ = ["print_summary"]


def print_summary(report: AuditReport) -> None:
    """Print clean accuracy, one line per budget, the sanity verdict and where the report is."""
    record = report.record
    console = Console(highlight=False)
    tier = " · quick tier: not for publication" if record.tier == "quick" else ""
    console.print(f"[bold]{record.model['name']}[/bold] · clean accuracy {_share(record.clean_accuracy)}{tier}")
    threat = record.threat
    table = Table(title=f"Correct and unbroken: {threat['norm']}, {threat['units']} units, box {threat['box']}")
    table.add_column("")
    for budget in record.budgets:
        table.add_column(f"ε = {budget.eps:g}", justify="right")
    for name in record.budgets[0].attacks:
        table.add_row(name, *(_percent(budget.attacks[name].robust_accuracy.value) for budget in record.budgets))
    table.add_section()
    table.add_row("worst case of all attacks", *(_share(budget.worst_case) for budget in record.budgets), style="bold")
    if record.budgets[0].exact is not None:
        table.add_row("exact", *(_bracket(budget.exact) for budget in record.budgets))
    if record.budgets[0].certified is not None:
        table.add_row("certified", *(_share(budget.certified) for budget in record.budgets if budget.certified))
    console.print(table)
    for check in record.sanity.checks:
        if check.status in ("WARN", "FAIL"):
            style = "red" if check.status == "FAIL" else "yellow"
            console.print(f"[{style}]{check.status}[/{style}] {check.id} {check.title}: {check.advice}")
    passed = sum(check.status == "PASS" for check in record.sanity.checks)
    verdict = {"pass": "reliable", "warn": "reliable, with warnings", "fail": "[red]UNRELIABLE[/red]"}[
        record.sanity.verdict
    ]
    console.print(
        f"Audit {verdict}: {passed} of {len(record.sanity.checks)} sanity checks passed. {record.cost.seconds:.1f} s."
    )
    console.print(f"Report: {report.html}", soft_wrap=True)


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _share(measured: Measured) -> str:
    return f"{_percent(measured.value)} [{100 * measured.low:.1f}, {100 * measured.high:.1f}]"


def _bracket(exact: ExactRecord | None) -> str:
    if exact is None:
        return "–"
    low, high = _percent(exact.lower.value), _percent(exact.upper.value)
    return low if low == high else f"{low} to {high}"
