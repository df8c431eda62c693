"""Attacks on one part in numbers: what was found, what was proved, and where each stands in the taxonomies."""

from collections.abc import Mapping, Sequence
from typing import Any

from counterspin.evaluation.parts.record import AttackRunRecord, Finding, PartBudget
from counterspin.report.formats import NBSP, count, number, seconds
from counterspin.report.tables.base import Table
from counterspin.report.wording import share

__all__ = ["evidence_facts", "findings_by_attack", "findings_table", "part_costs_table", "taxonomy_table"]

# Of a long list of values a page shows the first ones.
_SHOWN = 12


def findings_table(rows: Sequence[PartBudget]) -> Table:
    """Every attack of one unit and scope at every budget."""
    lines = [
        (
            finding.attack,
            number(row.budget),
            share(finding.accuracy),
            share(finding.success),
            number(finding.spent),
            share(finding.certified),
            finding.method or "no certificate",
        )
        for row in rows
        for finding in row.attacks
    ]
    unit = rows[0].unit
    return Table(
        caption=(
            f"Each attack at each budget in {unit}. Broken: share of the attacked samples. Spent: median over the "
            "broken samples. Proved: correct, and no manipulation of this kind and size can change it."
        ),
        columns=("Attack", "Budget", "Correct and unbroken", "Broken", "Spent", "Proved", "How"),
        rows=tuple(lines),
    )


def taxonomy_table(record: AttackRunRecord) -> Table:
    """Stage, goal, capability, knowledge and ids of each attack."""
    lines = [
        (
            finding.attack,
            f"{finding.taxonomy.goal}: {finding.taxonomy.capability}",
            finding.taxonomy.knowledge,
            _ids(finding),
            finding.defense,
        )
        for finding in findings_by_attack(record).values()
    ]
    return Table(
        caption="Ids of MITRE ATLAS, NIST AI 100-2e2025 and the OWASP ML Top 10 (2023).",
        columns=("Attack", "Goal, and what it takes", "Knowledge", "Ids", "Which defence to expect to help"),
        rows=tuple(lines),
    )


def part_costs_table(record: AttackRunRecord) -> Table:
    """What every attack asked of the model at every budget."""
    lines = [
        (
            finding.attack,
            f"{number(row.budget)}{NBSP}{row.unit}",
            count(finding.cost.forwards),
            count(finding.cost.backwards),
            count(finding.cost.circuits),
            seconds(finding.cost.seconds),
        )
        for row in record.budgets
        for finding in row.attacks
    ]
    return Table(
        caption="Queries to the model, over all samples.",
        columns=("Attack", "Budget", "Forwards", "Backwards", "Circuits", "Time"),
        rows=tuple(lines),
    )


def findings_by_attack(record: AttackRunRecord) -> dict[str, Finding]:
    """What each attack did at its largest budget."""
    return {finding.attack: finding for row in record.budgets for finding in row.attacks}


def evidence_facts(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Evidence with names as words and long lists cut, for a list of facts.

    Example:
        >>> evidence_facts({"gates": list(range(20)), "seen": True})["gates"]
        '0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 8 more'
    """
    return {key.replace("_", " "): _cut(value) for key, value in evidence.items()}


def _cut(value: Any) -> Any:
    if isinstance(value, Mapping):
        return evidence_facts(value)
    if not isinstance(value, list):
        return value
    shown = ", ".join(_short(item) for item in value[:_SHOWN])
    more = f" and {len(value) - _SHOWN} more" if len(value) > _SHOWN else ""
    return f"{shown}{more}" or "none"


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return " ".join(f"{key} {_short(item)}" for key, item in value.items())
    if isinstance(value, list):
        return f"({', '.join(_short(item) for item in value)})"
    return str(value)


def _ids(finding: Finding) -> str:
    known = finding.taxonomy
    return ", ".join([*known.atlas, *known.nistaml, *known.owasp])
