"""The figure of the attacks: robust accuracy against restarts, and against the loss for each readout."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt

from benchmarks.charts import heading, save, themed
from counterspin.report.theme import LIGHT

__all__ = ["by_loss", "by_restarts", "draw"]

_ATTACKS = {"apgd-ce": "cross-entropy", "apgd-margin": "margin", "apgd-targeted": "one rival after another"}
_COLORS = [LIGHT.series[1], LIGHT.series[0], LIGHT.series[2]]
_SHAPES = ["square", "circle", "triangle-up"]
_DASHES = [[1, 0], [6, 3], [2, 3]]
_PER_CENT = alt.Axis(format="%", domain=False, ticks=False, labelPadding=9, title=None)


def draw(rows: Sequence[dict[str, Any]], folder: Path) -> list[Path]:
    """Write `attacks.svg` and `attacks.png` from rows as they stand in the JSON file."""
    panels = alt.hconcat(_restarts(by_restarts(rows)), _losses(by_loss(rows)), spacing=40)
    chart = themed(panels.resolve_scale(color="independent", shape="independent").properties(padding=16))
    return save(chart.configure_legend(labelColor=LIGHT.ink, labelFontSize=12, symbolSize=60), folder, "attacks")


def by_restarts(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Points `{eps, restarts, value, low, high}`; `eps` as a text, because it names a line."""
    return [
        {
            "eps": f"ε = {row['eps']:g}",
            "restarts": row["restarts"],
            "value": row["robust_accuracy"],
            "low": row["low"],
            "high": row["high"],
        }
        for row in rows
        if row["part"] == "restarts"
    ]


def by_loss(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Points `{case, loss, value, low, high}`, one case per readout: at the budget where the losses differ most."""
    cases: dict[tuple[str, str], dict[float, list[dict[str, Any]]]] = {}
    for row in rows:
        if row["part"] == "losses":
            cases.setdefault((row["subject"], row["readout"]), {}).setdefault(row["eps"], []).append(row)
    found = []
    for (subject, readout), budgets in cases.items():
        eps, chosen = max(budgets.items(), key=lambda item: (_spread(item[1]), item[0]))
        name = f"{subject.removesuffix(', bare')}: {readout}, ε = {eps:g}"
        found += [
            {
                "case": name,
                "loss": _ATTACKS[row["attack"]],
                "value": row["robust_accuracy"],
                "low": row["low"],
                "high": row["high"],
            }
            for row in chosen
        ]
    return found


def _spread(rows: Sequence[dict[str, Any]]) -> float:
    values = [row["robust_accuracy"] for row in rows]
    return max(values) - min(values)


def _restarts(data: list[dict[str, Any]]) -> alt.LayerChart | alt.FacetChart:
    names = list(dict.fromkeys(point["eps"] for point in data))
    counts = sorted({point["restarts"] for point in data})
    color = alt.Color("eps:N").scale(domain=names, range=_COLORS).legend(None)
    base = alt.Chart(alt.Data(values=data)).encode(
        x=alt.X("restarts:Q")
        .title("starts per sample")
        .axis(alt.Axis(values=counts, format="d", grid=False))
        .scale(type="log", base=2, nice=False),
        color=color,
    )
    value = alt.Y("value:Q").axis(_PER_CENT).scale(domain=[0, 1])
    band = base.mark_area(opacity=0.15).encode(y=alt.Y("low:Q").axis(_PER_CENT), y2="high:Q")
    dash = alt.StrokeDash("eps:N").scale(domain=names, range=_DASHES).legend(None)
    lines = base.mark_line().encode(y=value, strokeDash=dash)
    marks = base.mark_point(filled=True, size=36, opacity=1).encode(y=value)
    ends = [point for point in data if point["restarts"] == counts[-1]]
    text = alt.Chart(alt.Data(values=ends)).mark_text(align="left", dx=9, fontSize=12)
    named = text.encode(x="restarts:Q", y=value, text="eps:N", color=color)
    return alt.layer(band, lines, marks, named).properties(
        width=300,
        height=320,
        title=heading(
            "What restarts buy", "robust accuracy, APGD-margin of 100 steps", "digits-reuploading, L∞; mean of seeds"
        ),
    )


def _losses(data: list[dict[str, Any]]) -> alt.LayerChart | alt.FacetChart:
    cases, losses = (list(dict.fromkeys(point[key] for point in data)) for key in ("case", "loss"))
    legend, scale = alt.Legend(title=None, orient="bottom"), alt.Scale(domain=losses, range=_COLORS)
    base = alt.Chart(alt.Data(values=data)).encode(
        y=alt.Y("case:N").sort(cases).title(None).axis(alt.Axis(domain=False, ticks=False, grid=False)),
        yOffset=alt.YOffset("loss:N").sort(losses),
    )
    low = alt.X("low:Q").scale(domain=[0, 1]).axis(_PER_CENT)
    color = alt.Color("loss:N", scale=scale)
    intervals = base.mark_rule(opacity=0.5).encode(x=low, x2="high:Q", color=color.legend(None))
    shape = alt.Shape("loss:N").scale(domain=losses, range=_SHAPES).legend(legend)
    value = alt.X("value:Q").axis(_PER_CENT)
    marks = base.mark_point(filled=True, size=60, opacity=1).encode(x=value, color=color.legend(legend), shape=shape)
    # Apart, or the intervals would take the shapes out of the legend.
    layers = alt.layer(intervals, marks).resolve_scale(color="independent", shape="independent")
    return layers.properties(
        width=300,
        height=320,
        title=heading("Loss against readout", "robust accuracy, APGD of 100 steps and 9 starts", "95 % intervals"),
    )
