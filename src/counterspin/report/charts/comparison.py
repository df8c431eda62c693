"""Two runs side by side: both curves, and the paired difference."""

from typing import Any

import altair as alt

from counterspin.evaluation.comparison import ComparisonRecord, PairedRecord
from counterspin.report.attacker import eps_axis
from counterspin.report.charts.base import Chart, curve_chart, finish, measured, ticked, tips
from counterspin.report.formats import number, percent

__all__ = ["FIRST", "SECOND", "compared_curves", "difference_plot"]

FIRST, SECOND = "A", "B"


def _at_each(record: ComparisonRecord) -> list[tuple[float, PairedRecord]]:
    return [(0.0, record.clean_accuracy), *((budget.eps, budget.worst_case) for budget in record.budgets)]


def compared_curves(record: ComparisonRecord) -> Chart:
    """Robust accuracy of both runs against ε with their own 95 % intervals, from the clean accuracy on."""
    rows: list[dict[str, Any]] = []
    for name, side in ((FIRST, "first"), (SECOND, "second")):
        rows += [
            {"series": name, "eps": eps, "band": True} | measured(getattr(pair, side)) for eps, pair in _at_each(record)
        ]
    x = ticked(alt.X("eps:Q").title(eps_axis(record.threat)), [0.0, *(budget.eps for budget in record.budgets)])
    hints = tips(alt.Tooltip("series:N", title="run"), alt.Tooltip("eps:Q", title="ε"))
    last = record.budgets[-1]
    summary = (
        f"Robust accuracy of both runs. At ε = {number(last.eps)}: A {percent(last.worst_case.first.value)}, "
        f"B {percent(last.worst_case.second.value)}."
    )
    return finish(curve_chart(rows, [FIRST, SECOND], x, "robust accuracy", hints), summary, 320)


def difference_plot(record: ComparisonRecord) -> Chart:
    """A minus B at each ε with its paired 95 % interval, around the line of no difference."""
    rows = [
        {"eps": "none" if eps == 0 else number(eps), "value": 100 * pair.difference, "low": 100 * pair.low,
         "high": 100 * pair.high, "label": f"{100 * pair.difference:+.1f}"}
        for eps, pair in _at_each(record)
    ]  # fmt: skip
    order = [row["eps"] for row in rows]
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("eps:N").title("ε").sort(order).axis(grid=True, minExtent=44, maxExtent=80)
    )
    widest = max(5.0, *(abs(row[end]) for row in rows for end in ("low", "high")))
    x = alt.X("value:Q").title("A − B, percentage points").scale(domain=[-widest, widest], nice=True)
    x = x.axis(format="+d", tickCount=6)
    zero = alt.Chart(alt.Data(values=[{"value": 0}])).mark_rule(style="reference", strokeDash=[6, 4]).encode(x=x)
    hints = [
        alt.Tooltip("eps:N", title="ε"),
        alt.Tooltip("value:Q", format="+.1f", title="A − B, points"),
        alt.Tooltip("low:Q", format="+.1f", title="95 % from"),
        alt.Tooltip("high:Q", format="+.1f", title="95 % to"),
    ]
    spread = base.mark_rule(style="measured", strokeWidth=2.5).encode(x=alt.X("low:Q"), x2="high:Q")
    points = base.mark_point(style="measured", filled=True, size=90, opacity=1).encode(x=x, tooltip=hints)
    notes = base.mark_text(style="note", dy=-11).encode(x=x, text="label:N")
    summary = "Difference of robust accuracy, A minus B, with paired 95 % intervals at each ε."
    return finish(alt.layer(zero, spread, points, notes), summary, 44 * len(rows) + 16)
