"""Two runs side by side, as one HTML document."""

from pathlib import Path

from counterspin.evaluation.comparison import ComparisonRecord
from counterspin.evaluation.records import AuditRecord
from counterspin.evaluation.run_store import read_record
from counterspin.report import charts, tables, wording
from counterspin.report.attacker import budget_words, threat_words
from counterspin.report.document import Mark, document
from counterspin.report.figures import Figure
from counterspin.report.formats import NBSP, p_value, percent
from counterspin.report.page import save_report

__all__ = ["comparison_headline", "render_comparison", "write_comparison"]


def write_comparison(record: ComparisonRecord, path: Path) -> Path:
    """Write the comparison of two runs to an HTML file and return its path.

    Raises:
        UsageError: a run that the comparison names is no longer there.
        StorageError: something stored is damaged, or the disk refused.
    """
    first, second = (read_record(Path(side.run)) for side in (record.first, record.second))
    return save_report(render_comparison(record, first, second), path)


def render_comparison(record: ComparisonRecord, first: AuditRecord, second: AuditRecord) -> str:
    """The comparison of two runs as one HTML document in the style of the report.

    Args:
        record: the comparison.
        first: the record of run A.
        second: the record of run B.
    """
    return document(
        "comparison.html.j2",
        mark=comparison_mark(first, second),
        figures={"robustness": _figures(record)},
        context={
            "record": record,
            "sides": (("A", record.first, first), ("B", record.second, second)),
            "names": tuple(str(side.model.get("name", "unnamed model")) for side in (record.first, record.second)),
            "headline": comparison_headline(record),
            "attacks_table": tables.compared_attacks_table(record),
            "differences_table": tables.differences_table(first, second),
            "threat": threat_words(record.threat),
        },
    )


def comparison_mark(first: AuditRecord, second: AuditRecord) -> Mark:
    """The worse verdict of two runs, with what failed in which."""
    verdicts = {"A": first.sanity, "B": second.sanity}
    failed = [f"{letter} {wording.failed_checks(s)}" for letter, s in verdicts.items() if s.verdict == "fail"]
    if failed:
        return Mark(verdict="fail", text=f"{wording.MARKS['fail']}: {'; '.join(failed)} failed")
    warned = any(sanity.verdict == "warn" for sanity in verdicts.values())
    text = wording.MARKS["warn" if warned else "pass"]
    return Mark(verdict="warn" if warned else "pass", text=text)


def comparison_headline(record: ComparisonRecord) -> str:
    """What the comparison found at the middle ε, in one sentence.

    A difference is called one where the adjusted p-value is below 5 %.
    """
    budget = record.budgets[len(record.budgets) // 2]
    pair = budget.worst_case
    p = pair.p_value if pair.p_holm is None else pair.p_holm
    found = (
        f"{budget_words(record.threat, budget.eps)}, A keeps {percent(pair.first.value)} and B keeps "
        f"{percent(pair.second.value)} of the same {pair.first.n} samples"
    )
    points = f"{abs(100 * pair.difference):.1f}{NBSP}points"
    said = p_value(p)
    said = f"p{NBSP}{said}" if said.startswith("<") else f"p{NBSP}={NBSP}{said}"
    if p < 0.05:
        better = "A" if pair.difference > 0 else "B"
        return f"{found}: {better} is more robust by {points} ({said})."
    return f"{found}: no difference is shown ({said})."


def _figures(record: ComparisonRecord) -> list[Figure]:
    return [
        Figure(
            key="compared",
            title="Robust accuracy of both runs",
            note=(
                "Shaded: the 95 % interval of each run on its own. Whether the runs differ is not read from these "
                "bands but from the paired difference: both runs saw the same samples."
            ),
            chart=charts.compared_curves(record),
            table=None,
            choice=True,
        ),
        Figure(
            key="difference",
            title="Paired difference",
            note="A minus B with its paired 95 % interval. One that crosses the dashed line leaves the question open.",
            chart=charts.difference_plot(record),
            table=None,
        ),
    ]
