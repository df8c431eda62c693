"""Attacks on one part of a model as one offline HTML document."""

from counterspin.evaluation.parts.record import AttackRunRecord, PartBudget
from counterspin.report.charts import attack as charts
from counterspin.report.document import Mark, document
from counterspin.report.figures import Figure
from counterspin.report.formats import NBSP, count, number, percent
from counterspin.report.tables import attack as tables

__all__ = ["attack_headline", "attack_mark", "render_attack"]

_PARTS = {
    "features": "the features",
    "state": "the quantum state",
    "parameters": "the gate parameters",
    "gates": "the gates",
    "encoding": "the encoding",
    "measurement": "the measurement",
    "transfer": "surrogates",
}
_SCOPES = {"sample": "for each sample", "shared": "for all samples at once"}


def render_attack(record: AttackRunRecord) -> str:
    """The run as one HTML document in the style of the report."""
    groups = _groups(record)
    return document(
        "attack.html.j2",
        mark=attack_mark(record),
        figures={"curves": [_curves(record, place, rows) for place, rows in enumerate(groups)]},
        context={
            "record": record,
            "name": str(record.model.get("name", "unnamed model")),
            "dataset": str(record.dataset.get("name", "unnamed data")),
            "part": _PARTS[record.where],
            "scopes": _SCOPES,
            "headline": attack_headline(record),
            "groups": [(rows[-1], tables.findings_table(rows)) for rows in groups],
            "taxonomy": tables.taxonomy_table(record),
            "costs": tables.part_costs_table(record),
            "evidence": _evidence(record),
        },
    )


def attack_mark(record: AttackRunRecord) -> Mark:
    """Whether attacks and proofs agree, or there are no proofs."""
    if record.reliable:
        proved = any(finding.certified is not None for row in record.budgets for finding in row.attacks)
        return Mark(verdict="pass", text="no proof was broken") if proved else Mark(verdict="warn", text="attacks only")
    return Mark(verdict="fail", text=f"UNRELIABLE: {count(len(record.contradictions))} broken proofs")


def attack_headline(record: AttackRunRecord) -> str:
    """What the attacks leave of the accuracy, in one sentence: the row that breaks most at its largest budget."""
    worst = min((rows[-1] for rows in _groups(record)), key=lambda row: row.accuracy.value)
    proved = "" if worst.certified is None else f"; {percent(worst.certified.value)} are proved to stay"
    return (
        f"Attacks on {_PARTS[record.where]}, within {number(worst.budget)}{NBSP}{worst.unit}: "
        f"{percent(worst.accuracy.value)} of {count(worst.accuracy.n)} samples stay correct, "
        f"{percent(record.clean_accuracy.value)} without an attack{proved}."
    )


def _groups(record: AttackRunRecord) -> list[list[PartBudget]]:
    """The rows by unit and scope, in their order."""
    keys = dict.fromkeys((row.unit, row.scope) for row in record.budgets)
    return [[row for row in record.budgets if (row.unit, row.scope) == key] for key in keys]


def _curves(record: AttackRunRecord, place: int, rows: list[PartBudget]) -> Figure:
    attacks = list(dict.fromkeys(finding.attack for row in rows for finding in row.attacks))
    title = rows[0].unit[0].upper() + rows[0].unit[1:]
    return Figure(
        key=f"budget-{place}",
        title=f"{title}, {_SCOPES[rows[0].scope]}",
        note=f"{', '.join(attacks)}.",
        chart=charts.part_curves(record, rows),
        table=None,
        choice=len(attacks) > 1,
    )


def _evidence(record: AttackRunRecord) -> list[tuple[str, str, dict[str, object]]]:
    """Name, budget and evidence of each attack at its largest budget, where it left some."""
    largest = {finding.attack: (row, finding) for row in record.budgets for finding in row.attacks}
    return [
        (name, f"{number(row.budget)}{NBSP}{row.unit}", tables.evidence_facts(finding.evidence))
        for name, (row, finding) in largest.items()
        if finding.evidence
    ]
