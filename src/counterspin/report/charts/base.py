"""What the figures share: axes, series that differ by more than colour, intervals, and the finished specification."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import altair as alt

from counterspin.evaluation.records import Measured

__all__ = [
    "Chart",
    "curve_chart",
    "dashes",
    "facetted",
    "finish",
    "legend",
    "measured",
    "picked",
    "share_axis",
    "ticked",
    "tips",
]

# Dash and shape tell the series apart without colour; the first ones belong to the curves that bound the truth.
_DASHES = [[1, 0], [8, 4], [2, 3], [6, 2], [1, 2], [10, 3, 2, 3], [4, 4], [12, 3], [3, 2, 1, 2], [8, 2, 2, 2, 2, 2]]
_STAR = "M0,-1L.24,-.32L.95,-.31L.38,.12L.59,.81L0,.4L-.59,.81L-.38,.12L-.95,-.31L-.24,-.32Z"
_SALTIRE = "M-1,-.6L-.6,-1L0,-.4L.6,-1L1,-.6L.4,0L1,.6L.6,1L0,.4L-.6,1L-1,.6L-.4,0Z"
_SHAPES = ["circle", "square", "diamond", "triangle-up", "cross", "triangle-down", _STAR, "triangle-right", _SALTIRE,
           "triangle-left"]  # fmt: skip

# What altair promises for a stack of layers.
Layers: TypeAlias = alt.LayerChart | alt.FacetChart


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One figure.

    Args:
        spec: the Vega-Lite specification, data inline; its width follows its container, small multiples their columns.
        summary: what it shows, in one sentence, for those who do not see it.
    """

    spec: dict[str, Any]
    summary: str


def measured(share: Measured) -> dict[str, float]:
    """A share as the fields of a data row."""
    return {"value": share.value, "low": share.low, "high": share.high}


def share_axis(title: str) -> alt.Y:
    """A y axis from 0 to 100 %."""
    return alt.Y("value:Q").title(title).scale(domain=[0, 1]).axis(format="%", tickCount=5)


def ticked(x: alt.X, values: list[float]) -> alt.X:
    """An axis from 0 with a tick at each measured value."""
    return x.scale(domain=[0.0, values[-1]], nice=False).axis(values=values, format=".4~g")


def tips(*first: alt.Tooltip) -> list[alt.Tooltip]:
    """What a pointer shows of a share, after `first`."""
    return [
        *first,
        alt.Tooltip("value:Q", format=".1%", title="share"),
        alt.Tooltip("low:Q", format=".1%", title="95 % from"),
        alt.Tooltip("high:Q", format=".1%", title="95 % to"),
    ]


def dashes(series: list[str]) -> alt.StrokeDash:
    """A dash for each series; after ten they repeat."""
    return alt.StrokeDash("series:N").scale(domain=series, range=_repeated(_DASHES, len(series)))


def legend(*, lines: bool = False, values: list[str] | None = None) -> alt.Legend:
    """Below the figure, never cut short; with `lines` it shows pieces of them, with `values` only these series."""
    look: dict[str, Any] = {"symbolType": "stroke", "symbolStrokeWidth": 2, "symbolSize": 400} if lines else {}
    if values is not None:
        look["values"] = values
    return alt.Legend(orient="bottom", symbolLimit=0, symbolOpacity=1, columnPadding=16, **look)


def picked() -> tuple[alt.Parameter, Any]:
    """A choice of series by clicks on the legend, and the opacity it gives: all are shown until one is chosen."""
    choice = alt.selection_point(name="pick", fields=["series"], bind="legend")
    return choice, alt.condition(choice, alt.value(1.0), alt.value(0.1))


def curve_chart(
    rows: list[dict[str, Any]], series: list[str], x: alt.X, title: str, hints: list[alt.Tooltip]
) -> Layers:
    """Lines with marks and 95 % bands.

    Args:
        rows: data; later rows are drawn on top. A row may say `thin`, for a line of the second rank.
        series: in the order of palette, dashes, shapes and legend, the first one bold.
        x: horizontal axis.
        title: of the vertical axis.
        hints: what a pointer shows of a mark.
    """
    choice, opacity = picked()
    base = alt.Chart(alt.Data(values=rows)).encode(x=x)
    color = alt.Color("series:N").scale(domain=series).legend(legend())
    shape = alt.Shape("series:N").scale(domain=series, range=_repeated(_SHAPES, len(series))).legend(legend())
    first, thin = alt.datum.series == series[0], alt.expr.isValid(alt.datum.thin)
    width = alt.when(first).then(alt.value(3.5)).when(thin).then(alt.value(1.25)).otherwise(alt.value(2.0))
    size = alt.when(first).then(alt.value(120)).when(thin).then(alt.value(40)).otherwise(alt.value(60))
    y = share_axis(title)
    band = (
        base.transform_filter("datum.band")
        .mark_area(opacity=0.14)
        .encode(y=alt.Y("low:Q").title(title), y2="high:Q", color=color)
    )
    lines = base.mark_line().encode(y=y, color=color, strokeDash=dashes(series).legend(legend()), strokeWidth=width)
    points = base.mark_point(filled=True).encode(y=y, color=color, shape=shape, size=size, tooltip=hints)
    return alt.layer(band, lines.encode(opacity=opacity), points.encode(opacity=opacity).add_params(choice))


def finish(chart: Any, summary: str, height: int) -> Chart:
    """The specification of a chart as wide as its container."""
    sized = chart.properties(width="container", height=height, description=summary).configure_view(stroke=None)
    return Chart(spec=sized.to_dict(validate=False), summary=summary)


def facetted(chart: alt.Chart, summary: str, *, by: str, order: list[str], height: int) -> Chart:
    """The specification of small multiples, one for each value of `by`; the page decides on columns and widths."""
    header = alt.Header(title=None, labelAnchor="start", labelPadding=4)
    cells = chart.properties(height=height).facet(
        facet=alt.Facet(f"{by}:N", header=header, sort=order),
        columns=min(3, len(order)),
        spacing={"row": 14, "column": 14},
    )
    sized = cells.properties(description=summary).configure_view(stroke=None)
    return Chart(spec=sized.to_dict(validate=False), summary=summary)


def _repeated(looks: list[Any], number: int) -> list[Any]:
    return (looks * -(-number // len(looks)))[:number]
