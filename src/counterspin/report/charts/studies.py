"""Figures of studies: what a budget does to every surface of a model, in common units."""

from typing import Any

import altair as alt

from counterspin.report.charts.base import Chart, curve_chart, finish, tips
from counterspin.report.formats import percent

__all__ = ["half_chart", "surface_bars", "surface_curves"]

_SCOPES = {"sample": "for each sample", "shared": "for all samples alike"}


def surface_bars(rows: list[dict[str, Any]], order: list[str]) -> Chart:
    """Share of the margin that is lost on every surface at one relative budget, with 95 % intervals."""
    values = [
        {"surface": row["surface"], "series": label, **row[key]}
        for row in rows
        for key, label in (("margin_lost", _SCOPES["sample"]), ("margin_lost_shared", _SCOPES["shared"]))
        if row[key] is not None
    ]
    series = list(_SCOPES.values())
    shift = alt.YOffset("series:N").scale(domain=series)
    base = alt.Chart(alt.Data(values=values)).encode(
        y=alt.Y("surface:N").title(None).sort(order).axis(minExtent=100, maxExtent=140), yOffset=shift
    )
    x = alt.X("value:Q").title("share of the mean clean margin that is lost").scale(domain=[0, 1], nice=False)
    color = alt.Color("series:N").scale(domain=series).legend(alt.Legend(orient="bottom", title=None))
    hints = tips(alt.Tooltip("surface:N"), alt.Tooltip("series:N", title="scope"))
    bars = base.mark_bar(opacity=0.85).encode(x=x.axis(format="%", tickCount=5), color=color, tooltip=hints)
    spread = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q")
    most = max(rows, key=lambda row: row["margin_lost"]["value"])
    summary = f"Most is lost on {most['surface']}: {percent(most['margin_lost']['value'])} of the margin."
    return finish(alt.layer(bars, spread), summary, 44 * len(order) + 20)


def half_chart(rows: list[dict[str, Any]], order: list[str]) -> Chart:
    """The smallest relative budget that breaks half of the correct samples, as found and as the gradient says."""
    found, guess = "found by attacks", "from the gradient alone"
    values = [
        {"surface": row["surface"], "series": found, **row["half_broken"]}
        for row in rows
        if row["half_broken"] is not None
    ]
    values += [
        {"surface": row["surface"], "series": guess, "value": row["half_broken_first_order"]}
        for row in rows
        if row["half_broken_first_order"] is not None
    ]
    series = [found, guess]
    base = alt.Chart(alt.Data(values=values)).encode(
        y=alt.Y("surface:N").title(None).sort(order).axis(minExtent=100, maxExtent=140)
    )
    x = alt.X("value:Q").title("relative budget (logarithmic)").scale(type="log", nice=True)
    color = alt.Color("series:N").scale(domain=series).legend(alt.Legend(orient="bottom", title=None))
    hints = [
        alt.Tooltip("surface:N"),
        alt.Tooltip("series:N", title="how"),
        alt.Tooltip("value:Q", format=".3~g", title="budget"),
    ]
    spread = base.mark_rule(strokeWidth=2.5).encode(x=alt.X("low:Q"), x2="high:Q", color=color)
    points = base.mark_point(filled=True, size=90, opacity=1).encode(
        x=x.axis(format="~g", tickCount=5),
        color=color,
        shape=alt.Shape("series:N").scale(domain=series, range=["circle", "diamond"]),
        tooltip=hints,
    )
    return finish(alt.layer(spread, points), "Budgets that break half of the samples.", 34 * len(order) + 20)


def surface_curves(rows: list[dict[str, Any]], scope: str, order: list[str]) -> Chart:
    """Accuracy against the relative budget, one line for each surface."""
    chosen = [row for row in rows if row["scope"] == scope]
    points = [
        {
            "series": row["surface"],
            "budget": row["budget"],
            "band": False,
            **{key: row["accuracy"][key] for key in ("value", "low", "high")},
        }
        for row in chosen
    ]
    levels = sorted({row["budget"] for row in chosen})
    x = alt.X("budget:Q").title("relative budget (logarithmic)").scale(type="log", nice=False)
    x = x.axis(values=levels, format="~g")
    hints = tips(alt.Tooltip("series:N", title="surface"), alt.Tooltip("budget:Q"))
    series = [name for name in order if any(row["surface"] == name for row in chosen)]
    summary = f"Accuracy against relative budget, {_SCOPES[scope]}."
    return finish(curve_chart(points, series, x, "correct and unbroken", hints), summary, 280)
