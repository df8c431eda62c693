"""Vega-Lite without a network: the JavaScript libraries as text, and charts drawn ahead of time."""

import functools
from typing import Any

import altair
import vl_convert

__all__ = ["javascript", "static_svg"]

# The Vega-Lite release altair writes for ("v6.4.1" -> "v6.4"), so that chart and library always agree.
_VEGA_LITE = ".".join(altair.SCHEMA_VERSION.split(".")[:2])


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
        width: width of the plot in pixels, in place of the chart's own.
    """
    return vl_convert.vegalite_to_svg(
        spec | {"width": width}, vl_version=_VEGA_LITE, config=config, allowed_base_urls=[]
    )
