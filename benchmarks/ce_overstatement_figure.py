"""The figure of the over-statement: points above the exact robust accuracy, per readout and attack."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt

from benchmarks.charts import heading, save, themed
from counterspin.report.theme import LIGHT

__all__ = ["NAME", "draw", "points"]

NAME = "ce-overstatement"
_ATTACKS = {
    "pgd-ce × 1": "cross-entropy, 1 start",
    "pgd-ce × 10": "cross-entropy, 10 starts",
    "apgd-ce × 1": "cross-entropy, Auto-PGD",
    "pgd-margin × 1": "margin, 1 start",
}
_LABELS = list(_ATTACKS.values())
_COLORS = [LIGHT.series[1], LIGHT.series[2], LIGHT.series[3], LIGHT.series[0]]
_SHAPES = ["square", "diamond", "triangle-up", "circle"]
_WIDTH, _READOUT_HEIGHT = 430, 46
_PANELS = {
    "same weights": "The weights of {}, read in four ways",
    "trained": "The circuit of {}, trained through each readout",
}


def draw(rows: Sequence[dict[str, Any]], folder: Path) -> list[Path]:
    """Write `ce-overstatement.svg` and `ce-overstatement.png` from rows as they stand in the JSON file."""
    found = points(rows)
    panels = list(dict.fromkeys(point["panel"] for point in found))
    end = 5 * math.ceil(max(point["high"] for point in found) / 5)
    charts = [
        _panel(panel, [point for point in found if point["panel"] == panel], end, last=panel == panels[-1])
        for panel in panels
    ]
    title = heading(
        "How far cross-entropy attacks over-state robust accuracy",
        "points above the exact robust accuracy at the median exact L2 radius (no box); PGD of 40 steps,",
        "Auto-PGD of 100. Bars: 95 % intervals; where three seeds were trained, lowest to highest seed.",
    )
    chart = (
        themed(alt.vconcat(*charts, spacing=18).properties(title=title, padding=14))
        # One width for the labels of every panel: their scales of points stand in line.
        .configure_axisY(minExtent=185, maxExtent=185)
        .configure_legend(labelColor=LIGHT.ink, labelFontSize=12, symbolSize=70, labelLimit=300)
    )
    return save(chart, folder, NAME)


def points(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Points `{panel, readout, attack, value, low, high}` in points of a hundred, one per readout and attack.

    One seed has the interval of its share; several have their mean between the lowest and the highest.
    """
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in rows:
        if row["attack"] in _ATTACKS:
            panel = _PANELS[row["part"]].format(row["subject"])
            groups.setdefault((panel, row["readout"], _ATTACKS[row["attack"]]), []).append(row)
    found = []
    for (panel, readout, attack), seeds in groups.items():
        values = [row["overstatement"] for row in seeds]
        low, high = min(values), max(values)
        if len(seeds) == 1:
            low, high = (seeds[0][f"overstatement_{name}"] for name in ("low", "high"))
        shares = {"value": sum(values) / len(values), "low": low, "high": high}
        named = {"panel": panel, "readout": readout, "attack": attack}
        found.append(named | {name: 100 * share for name, share in shares.items()})
    return found


def _panel(title: str, data: list[dict[str, Any]], end: int, *, last: bool) -> alt.LayerChart | alt.FacetChart:
    """One panel; the last one carries the axis and the legend."""
    readouts = list(dict.fromkeys(point["readout"] for point in data))
    axis = alt.Axis(
        values=list(range(0, end + 1, 5)),
        domain=False,
        ticks=False,
        labels=last,
        labelPadding=8,
        labelFlush=False,
        title="points too high" if last else None,
    )
    x_scale = alt.Scale(domain=[0, end], nice=False)
    base = alt.Chart(alt.Data(values=data)).encode(
        y=alt.Y("readout:N")
        .sort(readouts)
        .title(None)
        .scale(paddingInner=0.25, paddingOuter=0.12)
        .axis(alt.Axis(domain=False, ticks=False, grid=False, labelPadding=12, labelColor=LIGHT.ink)),
        yOffset=alt.YOffset("attack:N").sort(_LABELS),
    )
    scale = alt.Scale(domain=_LABELS, range=_COLORS)
    legend = alt.Legend(title=None, orient="bottom", columns=2, symbolStrokeWidth=0) if last else None
    bars = base.mark_rule(opacity=0.55, strokeWidth=1.5).encode(
        x=alt.X("low:Q").scale(x_scale).axis(axis), x2="high:Q", color=alt.Color("attack:N", scale=scale).legend(None)
    )
    shape = alt.Shape("attack:N").scale(domain=_LABELS, range=_SHAPES).legend(legend)
    marks = base.mark_point(filled=True, size=64, opacity=1).encode(
        x=alt.X("value:Q").scale(x_scale).axis(axis),
        color=alt.Color("attack:N", scale=scale).legend(legend),
        shape=shape,
    )
    name = alt.TitleParams(title, anchor="start", fontSize=13, fontWeight=600, color=LIGHT.ink, offset=8)
    # Apart, or the bars would take the shapes out of the legend.
    layers = alt.layer(bars, marks).resolve_scale(color="independent", shape="independent")
    return layers.properties(width=_WIDTH, height=_READOUT_HEIGHT * len(readouts), title=name)
