"""The scaling figure: time of a call against qubits, batch and depth."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt

from benchmarks.charts import heading, save, themed
from benchmarks.engines import COMPILED, TORCH
from benchmarks.peers import PENNYLANE
from counterspin.report.theme import LIGHT

__all__ = ["draw", "points"]

_LABELS = {COMPILED: "counterspin, compiled", TORCH: "counterspin, torch", PENNYLANE: "PennyLane default.qubit"}
_FLOOR = "floating-point floor"
_SERIES = [_LABELS[PENNYLANE], _LABELS[TORCH], _LABELS[COMPILED], _FLOOR]
_COLORS = [LIGHT.series[1], LIGHT.series[2], LIGHT.series[0], LIGHT.muted]
_DASHES = [[1, 0], [1, 0], [1, 0], [4, 4]]
_WIDTHS = [2, 2, 3, 1.25]

_TIMES = [10.0**k for k in range(-4, 6)]
_UNITS = (
    "datum.value >= 1000 ? format(datum.value / 1000, '~g') + ' s' : "
    "datum.value >= 1 ? format(datum.value, '~g') + ' ms' : format(datum.value * 1000, '~g') + ' µs'"
)

# What each panel varies, and what it holds.
_PANELS = {
    "n": ("qubits", {"batch": 256, "depth": 6}),
    "batch": ("batch", {"n": 8, "depth": 6}),
    "depth": ("re-uploading layers", {"n": 8, "batch": 256}),
}
_NAMES = {"n": "{} qubits", "batch": "batch {}", "depth": "{} layers"}


def draw(rows: Sequence[dict[str, Any]], folder: Path) -> list[Path]:
    """Write `engine.svg` and `engine.png` from rows as they stand in the JSON file."""
    found = {axis: points(rows, axis) for axis in _PANELS}
    times = [point["milliseconds"] for panel in found.values() for point in panel]
    domain = [min(times) / 1.5, max(times) * 1.5]
    first, *_, last = _PANELS
    panels = [_panel(axis, found[axis], domain, scale=axis == first, names=axis == last) for axis in _PANELS]
    threads = min(row["threads"] for row in rows)
    title = heading(
        "One call on a batch: scores and the gradient of the inputs",
        f"data re-uploading with rings of CNOTs, float32, {threads} thread{'s' * (threads > 1)}, median times",
        offset=18,
    )
    chart = themed(alt.hconcat(*panels, spacing=20).properties(title=title, padding=16))
    return save(chart, folder, "engine")


def points(rows: Sequence[dict[str, Any]], axis: str) -> list[dict[str, Any]]:
    """Points `{series, x, milliseconds}` of one panel, ordered by x: ours, the peer's and the floor's."""
    _, fixed = _PANELS[axis]
    held = {"workload": "reuploading", "gradient": "inputs", "dtype": "float32", **fixed}
    threads = min(row["threads"] for row in rows)
    found: dict[tuple[str, int], float] = {}
    for row in rows:
        usual = row["peer"] in (None, PENNYLANE) and row["threads"] == threads
        if not usual or row["engine"] not in _LABELS or any(row[name] != value for name, value in held.items()):
            continue
        found[_LABELS[row["engine"]], row[axis]] = row["milliseconds"]
        if row["peer"] is not None:
            found[_LABELS[PENNYLANE], row[axis]] = row["peer_milliseconds"]
        if row["floor_milliseconds"] is not None:
            found[_FLOOR, row[axis]] = row["floor_milliseconds"]
    return [
        {"series": series, "x": x, "milliseconds": value}
        for (series, x), value in sorted(found.items(), key=lambda item: item[0][1])
    ]


def _panel(
    axis: str, data: list[dict[str, Any]], domain: list[float], *, scale: bool, names: bool
) -> alt.LayerChart | alt.FacetChart:
    """One panel; `scale` labels the times, `names` the lines."""
    name, fixed = _PANELS[axis]
    ticks = alt.Axis(values=sorted({point["x"] for point in data}), format="d", grid=False, labelFlush=False)
    x = alt.X("x:Q").title(name).axis(ticks).scale(nice=False, zero=False)
    if axis != "n":
        x = x.scale(type="log", base=2, nice=False)
    times = alt.Axis(
        values=_TIMES, labelExpr=_UNITS, labels=scale, ticks=False, labelPadding=9, domain=False, title=None
    )
    y = alt.Y("milliseconds:Q").scale(type="log", domain=domain, nice=False).axis(times)
    base = alt.Chart(alt.Data(values=data)).encode(x=x, y=y, color=_styled(alt.Color, _COLORS))
    lines = base.mark_line().encode(
        strokeDash=_styled(alt.StrokeDash, _DASHES), strokeWidth=_styled(alt.StrokeWidth, _WIDTHS)
    )
    marks = base.transform_filter(alt.datum.series != _FLOOR).mark_point(filled=True, size=36, opacity=1)
    layers = [lines, marks]
    if names:
        ends = {point["series"]: point for point in data}  # the last of each, as they are ordered
        for series, end in ends.items():
            # The floor runs just below the compiled engine: their names part.
            shift = {_FLOOR: 7, _LABELS[COMPILED]: -5}.get(series, 0)
            text = alt.Chart(alt.Data(values=[end])).mark_text(align="left", dx=9, dy=shift, fontSize=12)
            layers.append(text.encode(x=x, y=y, color=_styled(alt.Color, _COLORS), text="series:N"))
    held = ", ".join(_NAMES[key].format(value) for key, value in fixed.items())
    title = alt.TitleParams(held, anchor="start", fontSize=12, fontWeight=500, color=LIGHT.muted, offset=8)
    return alt.layer(*layers).properties(width=270, height=300, title=title)


def _styled(channel: Any, values: Sequence[Any]) -> Any:
    return channel("series:N").scale(domain=_SERIES, range=values).legend(None)
