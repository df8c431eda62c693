"""Robust accuracy with and without noise, shots and mitigation."""

from typing import Any

import altair as alt

from counterspin.evaluation.noise_records import ConditionRecord, ModeRecord, NoiseConditionsRecord
from counterspin.report.charts.base import Chart, curve_chart, finish, measured, ticked, tips
from counterspin.report.formats import number, percent

__all__ = ["CONDITIONS", "condition_curves"]

# What the figures call the conditions.
CONDITIONS = {"ideal": "no noise", "noisy": "noise", "mitigated": "noise, mitigated", "shots": "finite shots"}


def condition_curves(record: NoiseConditionsRecord, mode: str, eps_title: str) -> Chart:
    """Robust accuracy against ε under one attack mode, a line for each condition, from the clean accuracy on.

    Args:
        record: the conditions.
        mode: `"fixed"` or `"re-optimised"`.
        eps_title: of the horizontal axis.
    """
    # The model its user would run comes first, and bold.
    found = [(c, m) for c in reversed(record.conditions) for m in c.attacks if m.mode == mode]
    rows = [row for condition, attack in reversed(found) for row in _rows(condition, attack, condition is found[0][0])]
    series = [CONDITIONS[condition.name] for condition, _ in found]
    budgets = [budget.eps for budget in found[0][1].budgets]
    x = ticked(alt.X("eps:Q").title(eps_title), [0.0, *budgets])
    hints = tips(alt.Tooltip("series:N", title="condition"), alt.Tooltip("eps:Q", title="ε"))
    ends = ", ".join(
        f"{CONDITIONS[condition.name]} {percent(attack.budgets[-1].robust_accuracy.value)}"
        for condition, attack in found
    )
    summary = f"Robust accuracy under {mode} attacks at ε = {number(budgets[-1])}: {ends}."
    return finish(curve_chart(rows, series, x, "robust accuracy", hints), summary, 280)


def _rows(condition: ConditionRecord, attack: ModeRecord, bold: bool) -> list[dict[str, Any]]:
    shared: dict[str, Any] = {"series": CONDITIONS[condition.name], "band": bold}
    points = [(0.0, condition.clean_accuracy)] + [(b.eps, b.robust_accuracy) for b in attack.budgets]
    return [shared | {"eps": eps} | measured(share) for eps, share in points]
