"""Figures of attacks on one part: accuracy against budget, one figure for each unit and scope."""

from typing import Any

import altair as alt

from counterspin.evaluation.measured import Measured
from counterspin.evaluation.parts.record import AttackRunRecord, PartBudget
from counterspin.report.charts.base import Chart, curve_chart, finish, measured, ticked, tips
from counterspin.report.formats import number, percent

__all__ = ["PROVED", "WORST", "part_curves"]

WORST, PROVED = "worst case", "proved"

# Grids wider than this factor get a logarithmic axis.
_WIDE = 10


def part_curves(record: AttackRunRecord, rows: list[PartBudget]) -> Chart:
    """Accuracy under all attacks of one unit and scope, with what is proved as lower envelope.

    Args:
        record: the run, for the accuracy without an attack.
        rows: its rows of one unit and scope, ascending.
    """
    attacks = list(dict.fromkeys(finding.attack for row in rows for finding in row.attacks))
    labels = {name: f"attack: {name}" if name in (WORST, PROVED) else name for name in attacks}
    series = [WORST, *([PROVED] if any(row.certified is not None for row in rows) else [])]
    # The only attack of a figure is its worst case.
    shown = labels if len(attacks) > 1 else {}

    def point(name: str, budget: float, share: Measured, *, thin: bool) -> dict[str, Any]:
        extra = {"band": not thin} | ({"thin": True} if thin else {})
        return {"series": name, "budget": budget} | extra | measured(share)

    points = [point(labels[name], 0.0, record.clean_accuracy, thin=True) for name in shown]
    points += [
        point(labels[finding.attack], row.budget, finding.accuracy, thin=True)
        for row in rows
        for finding in row.attacks
        if finding.attack in shown
    ]
    for name in series:
        points.append(point(name, 0.0, record.clean_accuracy, thin=False))
        for row in rows:
            share = row.accuracy if name == WORST else row.certified
            if share is not None:
                points.append(point(name, row.budget, share, thin=False))
    hints = tips(alt.Tooltip("series:N", title="curve"), alt.Tooltip("budget:Q", title=rows[0].unit))
    order = [*series, *(labels[name] for name in shown)]
    last = rows[-1]
    summary = (
        f"Accuracy falls from {percent(record.clean_accuracy.value)} without an attack to "
        f"{percent(last.accuracy.value)} at {number(last.budget)} {last.unit}."
    )
    chart = curve_chart(points, order, _axis(rows), "correct and unbroken", hints)
    return finish(chart, summary, 320)


def _axis(rows: list[PartBudget]) -> alt.X:
    budgets, unit = [row.budget for row in rows], rows[0].unit
    x = ticked(alt.X("budget:Q").title(f"budget, {unit}"), [0.0, *budgets])
    if budgets[0] * _WIDE <= budgets[-1]:
        x = x.title(f"budget, {unit} (logarithmic above {number(budgets[0])})")
        x = x.scale(type="symlog", constant=budgets[0], domain=[0.0, budgets[-1]], nice=False)
    return x
