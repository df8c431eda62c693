"""How every figure of the benchmarks looks, and how it is saved."""

from pathlib import Path
from typing import Any

import altair as alt

from counterspin.report.theme import FONT, LIGHT

__all__ = ["heading", "save", "themed"]


def heading(text: str, *lines: str, offset: int = 14) -> alt.TitleParams:
    """A title with what was measured below it."""
    return alt.TitleParams(
        text,
        subtitle=list(lines),
        anchor="start",
        fontSize=16,
        color=LIGHT.ink,
        subtitleFontSize=12,
        subtitleColor=LIGHT.muted,
        subtitlePadding=6,
        offset=offset,
    )


def themed(chart: Any) -> Any:
    """A whole chart with the colours and sizes of the reports."""
    return (
        chart.configure(font=FONT, background=LIGHT.ground)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=LIGHT.muted,
            titleColor=LIGHT.ink,
            gridColor=LIGHT.line,
            domainColor=LIGHT.muted,
            tickColor=LIGHT.muted,
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight=500,
            labelLimit=400,
        )
    )


def save(chart: Any, folder: Path, name: str) -> list[Path]:
    """Write a chart as `name.svg` and `name.png`, of twice the size."""
    paths = [folder / f"{name}.svg", folder / f"{name}.png"]
    chart.save(paths[0])
    chart.save(paths[1], scale_factor=2)
    return paths
