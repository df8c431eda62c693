"""What was spent: by attack over all ε, by attack and ε, and on verdicts."""

from collections.abc import Mapping, Sequence
from typing import Any

from counterspin.evaluation.records import AttackRecord, AuditRecord, CostRecord
from counterspin.report.formats import count, number, seconds
from counterspin.report.tables.base import Table
from counterspin.report.tables.configuration import facts
from counterspin.report.tables.robustness import attack_names
from counterspin.types import Cost

__all__ = ["cost_table", "queries_table", "settings_table", "spent_words"]

_COUNTS = {"forwards": "Forwards", "backwards": "Backwards", "circuits": "Circuits", "shots": "Shots"}


def cost_table(record: AuditRecord, verdicts: Mapping[str, Cost] | None = None) -> Table:
    """What each attack spent over all ε, then verdicts on a stochastic model, sanity checks, and the sum.

    Args:
        record: the audit.
        verdicts: what the tests behind the verdicts took, by attack.
    """
    samples = record.clean_accuracy.n
    rows = []
    for name in attack_names(record):
        found = [budget.attacks[name] for budget in record.budgets if name in budget.attacks]
        spent = _sum(found)
        rows.append((name, *_both(spent, samples), seconds(sum(attack.seconds for attack in found))))
    total: list[CostRecord | Cost] = [record.cost]
    for name, cost in (verdicts or {}).items():
        rows.append((f"verdicts on {name}", *_both(_sum([cost]), samples), "in the above"))
        total.append(cost)
    own = [check.cost for check in record.sanity.checks if check.cost is not None]
    if own:
        rows.append(("sanity checks", *_both(_sum(own), samples), seconds(sum(cost.seconds for cost in own))))
    rows.append(("whole audit", *_both(_sum([*total, *own]), samples), seconds(record.cost.seconds)))
    said = " Verdicts on a stochastic model are repeated predictions." if verdicts else ""
    return Table(
        caption=(
            "Cost over all ε, counted at the model: in total, and per sample in brackets. The time of the whole audit "
            f"includes certificates, calibration and noise.{said}"
        ),
        columns=("Attack", *_COUNTS.values(), "Time"),
        rows=tuple(rows),
    )


def queries_table(record: AuditRecord) -> Table:
    """What each attack spent at each ε, in total and per sample."""
    samples = record.clean_accuracy.n
    rows = [
        (
            name,
            number(budget.eps),
            *_both(_sum([found]), samples),
            seconds(found.seconds),
        )
        for name in attack_names(record)
        for budget in record.budgets
        if (found := budget.attacks.get(name)) is not None
    ]
    return Table(
        caption=(
            "Cost at each ε: in total, and per sample in brackets. Samples broken at a smaller ε cost nothing more. A "
            "minimum-norm attack searches once for all ε: its whole cost stands at the first one."
        ),
        columns=("Attack", "ε", *_COUNTS.values(), "Time"),
        rows=tuple(rows),
    )


def settings_table(record: AuditRecord) -> Table:
    """How each attack was configured."""
    rows = []
    for name in attack_names(record):
        config = _config(record, name)
        steps, restarts = (str(config.get(key, "–")) for key in ("steps", "restarts"))
        others = {key: value for key, value in config.items() if key not in ("name", "steps", "restarts")}
        rows.append((name, steps, restarts, ", ".join(f"{key} = {value}" for key, value in facts(others)) or "–"))
    return Table(
        caption="Settings of each attack.", columns=("Attack", "Steps", "Restarts", "Other settings"), rows=tuple(rows)
    )


def spent_words(cost: CostRecord | None) -> str:
    """What a sanity check spent: `12 000 circuits, 3.20 s`; a dash where nothing is known."""
    if cost is None:
        return "–"
    name = next((key for key in ("circuits", "forwards") if getattr(cost, key)), None)
    parts = [] if name is None else [f"{count(getattr(cost, name))} {name}"]
    parts += [f"{count(cost.shots)} shots"] if cost.shots else []
    return ", ".join([*parts, seconds(cost.seconds)])


def _config(record: AuditRecord, name: str) -> dict[str, Any]:
    found: list[AttackRecord] = [budget.attacks[name] for budget in record.budgets if name in budget.attacks]
    return found[0].config


def _sum(costs: Sequence[AttackRecord | CostRecord | Cost]) -> dict[str, int]:
    """Queries of several costs together."""
    return {key: sum(getattr(cost, key) for cost in costs) for key in _COUNTS}


def _both(total: Mapping[str, int], samples: int) -> tuple[str, ...]:
    """Totals with what that is per sample."""
    return tuple(
        f"{count(total[key])} ({number(total[key] / samples)})" if total[key] and samples else "0" for key in _COUNTS
    )
