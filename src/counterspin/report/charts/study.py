"""Figures of a noise study: ladders, the masking map, drift, and mitigation against robustness."""

from typing import Any

import altair as alt

from counterspin.evaluation.analysis.records import DriftCell, LadderPoint, MapCell, MitigationRow
from counterspin.report.charts.base import Chart, curve_chart, finish, measured, ticked, tips
from counterspin.report.charts.noise import WIDE
from counterspin.report.formats import number, percent

__all__ = ["drift_matrix", "ladder_chart", "masking_map", "mitigation_plot", "radius_chart"]

_ACCURACIES = {
    "attacked": "attacked_accuracy",
    "clean": "clean_accuracy",
    "clean, few shots": "shot_accuracy",
}


def ladder_chart(points: list[LadderPoint]) -> Chart:
    """Clean, finite-shot and attacked accuracy against the strength of one channel, of the model's own readout."""
    points = sorted(points, key=lambda point: point.strength)
    rows = [
        {"series": series, "strength": point.strength, "band": series == "attacked"} | measured(share)
        for series, name in reversed(_ACCURACIES.items())
        for point in points
        if (share := getattr(point, name)) is not None
    ]
    x = _strengths([point.strength for point in points])
    hints = tips(alt.Tooltip("series:N", title="accuracy"), alt.Tooltip("strength:Q", title="strength"))
    last = points[-1]
    summary = (
        f"{last.channel}: clean accuracy {percent(last.clean_accuracy.value)} at strength {number(last.strength)}."
    )
    return finish(curve_chart(rows, list(_ACCURACIES), x, "share of samples", hints), summary, 240)


def radius_chart(points: list[LadderPoint]) -> Chart:
    """Median exact or certified radius of both readouts against noise, one small figure per channel."""
    labels = {"own": "own readout", "counterpart": "counterpart readout"}
    rows = [
        {"channel": point.channel, "series": labels[point.readout], "strength": point.strength,
         "value": point.radius.value, "low": point.radius.low, "high": point.radius.high}
        for point in points
        if point.radius is not None
    ]  # fmt: skip
    rows += [
        {"channel": point.channel, "series": name, "strength": point.strength, "value": value * _length(point)}
        for point in points
        if point.readout == "own" and point.radius_share and point.radius_kind.startswith("exact")
        for name, value in (("C1 bound", point.c1), ("C3 bound", point.c3))
        if value is not None
    ]
    series = [name for name in (*labels.values(), "C1 bound", "C3 bound") if any(r["series"] == name for r in rows)]
    color = alt.Color("series:N").scale(domain=series).legend(alt.Legend(orient="bottom", title=None))
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("strength:Q").title("strength").axis(tickCount=4, format="~g"),
        y=alt.Y("value:Q").title("median radius").axis(tickCount=4, format="~g"),
        color=color,
        strokeDash=alt.StrokeDash("series:N").scale(domain=series).legend(None),
        tooltip=[
            alt.Tooltip("channel:N"),
            alt.Tooltip("series:N"),
            alt.Tooltip("strength:Q"),
            alt.Tooltip("value:Q", format=".4~g", title="median radius"),
        ],
    )
    chart = base.mark_line(point=alt.OverlayMarkDef(filled=True, size=45), strokeWidth=2.2)
    return _by_channel(chart, [point.channel for point in points], 150, "Median radius against noise strength.")


def masking_map(cells: list[MapCell]) -> Chart:
    """Change of attack success by noise, in points, for every strength, ε and channel; stars mark what is clear."""
    rows: list[dict[str, Any]] = []
    for cell in cells:
        if cell.noise_effect is None:
            continue
        change = 100 * cell.noise_effect.difference
        clear = cell.verdict != "no difference shown"
        rows.append(
            {
                "channel": cell.channel,
                "strength": number(cell.strength),
                "eps": number(cell.eps),
                "change": change,
                "label": f"{change:+.0f}{'*' if clear else ''}",
                "verdict": cell.verdict,
                "samples": cell.samples,
                "fixed": None if cell.fixed is None else cell.fixed.value,
                "anew": None if cell.re_optimised is None else cell.re_optimised.value,
                "ideal": None if cell.ideal is None else cell.ideal.value,
            }
        )
    widest = max([5.0, *(abs(row["change"]) for row in rows)])
    hints = [
        alt.Tooltip("channel:N"),
        alt.Tooltip("strength:N"),
        alt.Tooltip("eps:N", title="ε"),
        alt.Tooltip("ideal:Q", format=".0%", title="success without noise"),
        alt.Tooltip("anew:Q", format=".0%", title="success through the noise"),
        alt.Tooltip("fixed:Q", format=".0%", title="success of the replay"),
        alt.Tooltip("samples:Q"),
        alt.Tooltip("verdict:N"),
    ]
    order = list(dict.fromkeys(row["strength"] for row in sorted(rows, key=lambda row: float(row["strength"]))))
    base = alt.Chart().encode(
        x=alt.X("strength:N").title("strength").sort(order).axis(labelAngle=0),
        y=alt.Y("eps:N").title("ε").axis(minExtent=30, maxExtent=60),
        tooltip=hints,
    )
    color = alt.Color("change:Q").scale(domain=[-widest, 0, widest], range="diverging", interpolate="rgb")
    cell = base.mark_rect(stroke=None).encode(color=color.legend(None))
    text = base.mark_text(fontSize=12, fontWeight=600, style="cell").encode(text="label:N")
    drawn = alt.layer(cell, text, data=alt.Data(values=rows))
    height = 30 * len({row["eps"] for row in rows}) + 10
    return _by_channel(drawn, [row["channel"] for row in rows], height, "Change of attack success by noise, in points.")


def drift_matrix(cells: list[DriftCell], eps: float) -> Chart:
    """Success of inputs made under one noise (rows) and shown under another (columns), at one ε."""
    rows = [
        {"source": cell.source, "target": cell.target, "value": cell.success.value, "low": cell.success.low,
         "high": cell.success.high, "label": f"{100 * cell.success.value:.0f} %" + _star(cell)}
        for cell in cells
        if cell.eps == eps and cell.success is not None
    ]  # fmt: skip
    order = list(dict.fromkeys(row["source"] for row in rows))
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("target:N").title("shown under").sort(order).axis(labelAngle=-20, labelLimit=220),
        y=alt.Y("source:N").title("made under").sort(order).axis(minExtent=60, maxExtent=240, labelLimit=230),
        tooltip=tips(alt.Tooltip("source:N", title="made under"), alt.Tooltip("target:N", title="shown under")),
    )
    color = alt.Color("value:Q").scale(domain=[0, 1], range="heatmap", interpolate="rgb")
    cell = base.mark_rect(stroke=None).encode(color=color.legend(None))
    text = base.mark_text(fontSize=13, fontWeight=600, style="cell").encode(text="label:N")
    summary = f"Attack success of transferred inputs at ε = {number(eps)}."
    return finish(alt.layer(cell, text), summary, 48 * len(order) + 10)


def mitigation_plot(rows: list[MitigationRow]) -> Chart:
    """Difference of clean and attacked accuracy to no mitigation, in points, with paired 95 % intervals."""
    tested = [row for row in rows if row.mitigation != "none"]
    values = [
        {"mitigation": row.mitigation, "series": series, "value": 100 * pair.difference, "low": 100 * pair.low,
         "high": 100 * pair.high}
        for row in tested
        for series, pair in (("under attack", row.attacked), ("clean", row.clean))
    ]  # fmt: skip
    order, series = [row.mitigation for row in tested], ["under attack", "clean"]
    widest = max([5.0, *(abs(value[end]) for value in values for end in ("low", "high"))])
    x = alt.X("value:Q").title("mitigated − unmitigated, percentage points").scale(domain=[-widest, widest], nice=True)
    shift = alt.YOffset("series:N").scale(domain=series)
    base = alt.Chart(alt.Data(values=values)).encode(
        y=alt.Y("mitigation:N").title(None).sort(order).axis(minExtent=80, maxExtent=120), yOffset=shift
    )
    zero = alt.Chart(alt.Data(values=[{"value": 0}])).mark_rule(style="reference", strokeDash=[6, 4]).encode(x=x)
    color = alt.Color("series:N").scale(domain=series).legend(alt.Legend(orient="bottom", title=None))
    hints = [
        alt.Tooltip("mitigation:N"),
        alt.Tooltip("series:N", title="accuracy"),
        alt.Tooltip("value:Q", format="+.1f", title="points"),
        alt.Tooltip("low:Q", format="+.1f", title="95 % from"),
        alt.Tooltip("high:Q", format="+.1f", title="95 % to"),
    ]
    spread = base.mark_rule(strokeWidth=2.5).encode(x=alt.X("low:Q"), x2="high:Q", color=color)
    points = base.mark_point(filled=True, size=80, opacity=1).encode(
        x=x.axis(format="+d", tickCount=6),
        color=color,
        shape=alt.Shape("series:N").scale(domain=series),
        tooltip=hints,
    )
    summary = "Difference of clean and attacked accuracy by mitigation technique, with paired 95 % intervals."
    return finish(alt.layer(zero, spread, points), summary, 46 * len(order) + 16)


def _by_channel(chart: Any, channels: list[str], height: int, summary: str) -> Chart:
    """Small multiples, one for each channel, with strengths of their own."""
    order = list(dict.fromkeys(channels))
    header = alt.Header(title=None, labelAnchor="start", labelPadding=4)
    cells = chart.properties(height=height).facet(
        facet=alt.Facet("channel:N", header=header, sort=order),
        columns=min(3, len(order)),
        spacing={"row": 14, "column": 14},
    )
    drawn = cells.resolve_scale(x="independent").properties(description=summary).configure_view(stroke=None)
    return Chart(spec=drawn.to_dict(validate=False), summary=summary)


def _strengths(values: list[float]) -> alt.X:
    strengths = sorted({0.0, *values})
    x = ticked(alt.X("strength:Q").title("strength"), strengths)
    if len(strengths) > 1 and WIDE * strengths[1] <= strengths[-1]:
        x = x.scale(type="symlog", constant=strengths[1], domain=[0.0, strengths[-1]], nice=False)
        x = x.title(f"strength (logarithmic above {number(strengths[1])})")
    return x


def _length(point: LadderPoint) -> float:
    """Median length of the inputs, by which trace distances become distances of features."""
    return point.radius.value / point.radius_share if point.radius is not None and point.radius_share else 1.0


def _star(cell: DriftCell) -> str:
    return "*" if cell.own is not None and cell.own.p_holm is not None and cell.own.p_holm < 0.05 else ""
