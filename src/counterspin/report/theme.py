"""The colours of the report, stated once for the page (CSS variables) and its charts (Vega-Lite configuration).

The series colours follow Okabe and Ito's colour-blind-safe set, darkened on white and lightened on black so that every
line keeps a contrast of at least 3:1 on its ground. Colour never stands alone: charts add dashes and shapes.
"""

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["DARK", "FONT", "LIGHT", "Palette", "css_palette", "vega_config"]

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True, kw_only=True)
class Palette:
    """The colours of one theme.

    Args:
        ground: page background.
        surface: background of tables, pictures and boxes.
        ink: text and the worst-case curve.
        muted: secondary text, axes.
        line: borders and grid lines.
        link: links and focus rings.
        good: a passed check.
        caution: a warning.
        bad: a failed check.
        bad_ground: background of the banner of an unreliable audit.
        series: colours of the other curves, in order.
    """

    ground: str
    surface: str
    ink: str
    muted: str
    line: str
    link: str
    good: str
    caution: str
    bad: str
    bad_ground: str
    series: tuple[str, ...]

    def css(self) -> str:
        """The palette as CSS custom properties, `--ink: #1b1f24; …; --series-0: …`."""
        named = {name.replace("_", "-"): value for name, value in asdict(self).items() if name != "series"}
        series = {f"series-{i}": value for i, value in enumerate(self.series)}
        return "".join(f"--{name}: {value};" for name, value in (named | series).items())


LIGHT = Palette(
    ground="#ffffff",
    surface="#f5f6f8",
    ink="#1b1f24",
    muted="#57606a",
    line="#d5d9df",
    link="#0b5cad",
    good="#116b4f",
    caution="#8a5a00",
    bad="#b3261e",
    bad_ground="#fdecea",
    series=("#00805e", "#d55e00", "#0072b2", "#b0508c", "#a87000", "#2583b8", "#7a5fb5", "#6b6b6b"),
)
DARK = Palette(
    ground="#14171a",
    surface="#1d2125",
    ink="#f0f2f4",
    muted="#a9b1ba",
    line="#3a4148",
    link="#7fbcff",
    good="#4fd1a5",
    caution="#f0b84a",
    bad="#ff8a80",
    bad_ground="#3d1a18",
    series=("#2fc49b", "#ff8a4c", "#5ab0f0", "#e08fc0", "#e6b422", "#8fd3ff", "#b9a3f0", "#b0b0b0"),
)


def css_palette() -> Palette:
    """The palette as references to the page's CSS variables, for drawings that are part of the page and follow it.

    Each reference falls back to the light colour, so that such a drawing is readable outside the page as well.

    Example:
        >>> css_palette().ink
        'var(--ink, #1b1f24)'
    """
    named = {
        name: f"var(--{name.replace('_', '-')}, {value})" for name, value in asdict(LIGHT).items() if name != "series"
    }
    series = tuple(f"var(--series-{i}, {value})" for i, value in enumerate(LIGHT.series))
    return Palette(series=series, **named)


def vega_config(palette: Palette) -> dict[str, Any]:
    """The Vega-Lite configuration of one theme.

    Charts name no colour themselves: nominal colours come from `range.category`, the rest from named mark styles
    (`reference` for guide lines, `measured` for single series, `note` for text, `cell` for numbers in coloured cells,
    `stamp` for the verdict in a chart of an unreliable audit).
    """
    text = {"labelColor": palette.muted, "titleColor": palette.ink, "labelFontSize": 12, "titleFontSize": 12}
    return {
        "background": palette.ground,  # opaque: a saved figure must be readable on any ground
        "font": FONT,
        "view": {"stroke": None},
        "axis": text
        | {
            "gridColor": palette.line,
            "domainColor": palette.muted,
            "tickColor": palette.muted,
            "titleFontWeight": 500,
            "titlePadding": 8,
        },
        # One width for every y axis: charts that stand above each other keep their x axes aligned.
        "axisY": {"minExtent": 44, "maxExtent": 44},
        "legend": text | {"title": None, "symbolSize": 90, "symbolStrokeWidth": 0, "labelLimit": 150, "columns": 4},
        "header": {"labelColor": palette.ink, "labelFontSize": 12, "labelFontWeight": 600},
        # Ink is for the first series alone.
        "range": {
            "category": [palette.ink, *palette.series, *palette.series],
            "diverging": [palette.series[2], palette.surface, palette.series[1]],
            "heatmap": [palette.surface, palette.series[1]],
        },
        "style": {
            "reference": {"color": palette.muted},
            "measured": {"color": palette.series[2]},
            "note": {"color": palette.muted, "fontSize": 11},
            "cell": {"color": palette.ink},
            "stamp": {"fill": palette.bad, "fontSize": 13, "fontWeight": 700},
        },
    }
