"""Two runs side by side in numbers."""

from collections.abc import Mapping
from typing import Any

from counterspin.evaluation.comparison import ComparedRun, ComparisonRecord, PairedRecord
from counterspin.evaluation.records import AuditRecord
from counterspin.report.formats import NBSP, count, number, p_value, seconds
from counterspin.report.tables.base import Table
from counterspin.report.tables.configuration import facts
from counterspin.report.wording import share

__all__ = ["compared_attacks_table", "compared_costs_table", "differences_table", "paired_table"]

_PAIRED = ("A", "B", "A − B, points", "Only A keeps", "Only B keeps", "p (McNemar)", "p (Holm)")


def paired_table(record: ComparisonRecord) -> Table:
    """Clean and robust accuracy of both runs at each ε, with the paired difference."""
    rows = [("none", *_paired(record.clean_accuracy))]
    rows += [(number(budget.eps), *_paired(budget.worst_case)) for budget in record.budgets]
    return Table(
        caption=(
            f"Share of the same {count(record.samples)} samples that is correct and unbroken by any attack, with 95 % "
            "intervals. The difference has a paired interval (Tango); p: exact McNemar test, adjusted by Holm over ε."
        ),
        columns=("ε", *_PAIRED),
        rows=tuple(rows),
    )


def compared_attacks_table(record: ComparisonRecord) -> Table | None:
    """The same against each attack that both runs configured alike; None where there is none."""
    rows = [
        (name, number(budget.eps), *_paired(pair)) for budget in record.budgets for name, pair in budget.attacks.items()
    ]
    if not rows:
        return None
    rows.sort(key=lambda row: row[0])
    return Table(
        caption="The same against each attack that both runs configured alike; Holm over ε and attacks.",
        columns=("Attack", "ε", *_PAIRED),
        rows=tuple(rows),
    )


def compared_costs_table(record: ComparisonRecord) -> Table:
    """What each run spent."""
    return Table(
        caption="Cost of both runs, counted at the model; the time is that of the whole audit.",
        columns=("Run", "Forwards", "Backwards", "Circuits", "Shots", "Time"),
        rows=tuple((letter, *_cost(run)) for letter, run in (("A", record.first), ("B", record.second))),
    )


def differences_table(first: AuditRecord, second: AuditRecord) -> Table | None:
    """Where model, data, settings, attacks and versions of two runs differ; None where nowhere."""
    sides = [dict(facts(_settings(record))) for record in (first, second)]
    names = list(dict.fromkeys([*sides[0], *sides[1]]))
    rows = [(name, sides[0].get(name, "–"), sides[1].get(name, "–")) for name in names]
    differing = tuple(row for row in rows if row[1] != row[2])
    if not differing:
        return None
    return Table(caption="What differs between the two runs.", columns=("Setting", "A", "B"), rows=differing)


def _settings(record: AuditRecord) -> Mapping[str, Any]:
    attacks = {name: found.config for name, found in record.budgets[0].attacks.items()}
    return {
        "model": record.model,
        "dataset": record.dataset,
        "threat": record.threat,
        "tier": record.tier,
        "seed": record.seed,
        "engine": None if record.engine is None else record.engine.model_dump(),
        "attack": attacks,
        "left out": record.left_out,
        "version": record.versions,
    }


def _paired(pair: PairedRecord) -> tuple[str, ...]:
    points = f"{100 * pair.difference:+.1f}{NBSP}({100 * pair.low:+.1f} to {100 * pair.high:+.1f})".replace("-", "−")
    return (
        share(pair.first),
        share(pair.second),
        points,
        count(pair.only_first),
        count(pair.only_second),
        p_value(pair.p_value),
        p_value(pair.p_holm),
    )


def _cost(run: ComparedRun) -> tuple[str, ...]:
    cost = run.cost
    return (*(count(n) for n in (cost.forwards, cost.backwards, cost.circuits, cost.shots)), seconds(cost.seconds))
