"""Rows and verdicts as tables for a terminal."""

from collections.abc import Sequence

from rich.table import Table

from benchmarks.requirements import Verdict, verdicts
from benchmarks.rows import Row

__all__ = ["number", "rows_table", "verdicts_table"]

_STYLES = {"goal": "bold green", "met": "green", "NOT MET": "bold red"}
_MEASURES = {
    "ratio": "faster than the peer",
    "floor_ratio": "times the floor",
    "slowdown": "slower than with CNOTs",
    "growth_mib": "MiB from 3 to 96 layers",
    "max_difference": "largest difference",
    "milliseconds": "ms, first call",
}


def rows_table(rows: Sequence[Row], title: str) -> Table:
    """One line per row."""
    table = Table(title=title, title_justify="left")
    for name in ("workload", "gradient", "engine", "peer"):
        table.add_column(name, no_wrap=True)
    for name in ("n", "batch", "depth", "threads", "ours ms", "peer ms", "ratio", "× floor", "MiB", "peer MiB"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("required / goal", no_wrap=True)
    for row in rows:
        problem = row.problem
        precision = "" if problem.dtype.itemsize == 4 else " f64"
        table.add_row(
            row.workload,
            problem.gradient,
            row.engine + precision,
            row.peer or "–",
            *(str(size) for size in (problem.n, problem.batch, problem.depth, row.threads)),
            number(row.milliseconds),
            number(None if row.against is None else 1e3 * row.against.median),
            number(row.ratio),
            number(row.floor_ratio),
            number(row.peak_mib),
            number(row.peer_peak_mib),
            "; ".join(_judgement(verdict) for verdict in verdicts([row])),
        )
    return table


def verdicts_table(found: Sequence[Verdict]) -> Table:
    """One line per requirement and row."""
    table = Table(title="Must reach", title_justify="left")
    for name in ("workload", "gradient", "n", "what", "measured", "required", "goal", ""):
        table.add_column(name, justify="right" if name in ("n", "measured", "required", "goal") else "left")
    for verdict in found:
        requirement, problem = verdict.requirement, verdict.row.problem
        table.add_row(
            verdict.row.workload,
            problem.gradient,
            str(problem.n),
            _MEASURES[requirement.measure],
            number(verdict.figure),
            ("≥ " if requirement.measure == "ratio" else "≤ ") + number(requirement.bound),
            number(requirement.goal),
            f"[{_STYLES[verdict.words]}]{verdict.words}[/]",
        )
    return table


def number(value: float | None) -> str:
    """Three significant digits without an exponent where that is readable; `–` for none.

    Example:
        >>> number(1073.4), number(14.72), number(3.14159), number(2.1e-7), number(None)
        ('1073', '14.7', '3.14', '2e-07', '–')
    """
    if value is None:
        return "–"
    if value == 0:
        return "0"
    if abs(value) < 1e-3:
        return f"{value:.0e}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _judgement(verdict: Verdict) -> str:
    requirement = verdict.requirement
    goal = "" if requirement.goal is None else f"/{requirement.goal:g}"
    return f"[{_STYLES[verdict.words]}]{requirement.bound:g}{goal} {verdict.words}[/]"
