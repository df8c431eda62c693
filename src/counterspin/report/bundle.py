"""Vega-Lite without a network: the JavaScript libraries as text, and charts drawn ahead of time."""

import functools
import re
from typing import Any

import altair
import vl_convert

__all__ = ["javascript", "static_svg"]

# The Vega-Lite release altair writes for ("v6.4.1" -> "v6.4"), so that chart and library always agree.
_VEGA_LITE = ".".join(altair.SCHEMA_VERSION.split(".")[:2])

# Of small multiples, in pixels: their axes and the gaps between them, see `report.js`.
_AXES = 96

# Coordinates finer than can be seen, and the font of the page at every word, make half of the text.
_PLACES = re.compile(r'\b(?:d|transform)="[^"]*"')
_FONT = re.compile(r' font-family="[^"]*"')
_FINE = re.compile(r"\d+\.\d{2,}")


@functools.cache
def javascript() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script of about 0.9 MB that defines `window.vegaEmbed`.

    The bundle holds Vega's expression interpreter: with the option `ast: true` charts need no `eval`, so that the page
    can forbid it.
    """
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=_VEGA_LITE)


def static_svg(spec: dict[str, Any], *, config: dict[str, Any], width: int) -> str:
    """A Vega-Lite chart drawn as SVG, for print and for readers without JavaScript.

    Args:
        spec: the chart; its data are inline, no address is read.
        config: colours and fonts.
        width: width of the plot in pixels, in place of the chart's own; small multiples share it.
    """
    if "facet" in spec:
        cell = (width - _AXES) // spec["columns"]
        sized = spec | {"spec": spec["spec"] | {"width": cell}}
    else:
        sized = spec | {"width": width}
    # The page describes each drawing itself, in one sentence in place of one for each mark.
    svg = vl_convert.vegalite_to_svg(
        sized, vl_version=_VEGA_LITE, config=config | {"aria": False}, allowed_base_urls=[]
    )
    return _PLACES.sub(lambda place: _FINE.sub(lambda found: f"{float(found[0]):.1f}", place[0]), _FONT.sub("", svg))
