"""A page of the report: one HTML file that holds everything it shows and asks the network for nothing."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from counterspin.report import attacker, checks, formats, tables, theme, wording
from counterspin.report.bundle import javascript
from counterspin.report.figures import Figure

__all__ = ["Mark", "document"]


@dataclass(frozen=True, kw_only=True)
class Mark:
    """The verdict as it stands next to every figure and table.

    Args:
        verdict: `"pass"`, `"warn"` or `"fail"`.
        text: in words.
    """

    verdict: str
    text: str


def document(template: str, *, mark: Mark, figures: Mapping[str, Sequence[Figure]], context: Mapping[str, Any]) -> str:
    """Fill a template.

    Everything is inside: style, scripts, charts, pictures. The page's Content-Security-Policy forbids every request and
    every script but its own three; charts run on Vega's expression interpreter and need no `eval`.

    Args:
        template: file name.
        mark: verdict of what the page shows.
        figures: by section; charts of an unreliable evaluation say so in themselves, so that a saved one does, too.
        context: what the template asks for besides.
    """
    scripts = {"early": _resource("theme.js"), "libraries": javascript(), "page": _resource("report.js")}
    environment = Environment(
        loader=PackageLoader("counterspin.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    stamp = mark.text if mark.verdict == "fail" else None
    stamped = {section: [figure.stamped(stamp) for figure in group] for section, group in figures.items()}
    shared: dict[str, Any] = {
        "mark": mark,
        "figures": stamped,
        "charts": {f.key: f.chart.spec for group in stamped.values() for f in group},
        "themes": {"light": theme.vega_config(theme.LIGHT), "dark": theme.vega_config(theme.DARK)},
        "say": wording,
        "format": formats,
        "attacker": attacker,
        "checks": checks,
        "tables": tables,
        "style": _style(),
        "scripts": scripts,
        "script_sources": " ".join(_digest(text) for text in scripts.values()),
    }
    return environment.get_template(template).render(shared | dict(context))


def _resource(name: str) -> str:
    return files("counterspin.report").joinpath("templates", name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """The source of a Content-Security-Policy that allows exactly this inline script."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii") + "'"


def _style() -> str:
    """The style sheet with both palettes; print is always light."""
    light, dark = theme.LIGHT.css(), theme.DARK.css()
    palettes = (
        f":root {{ color-scheme: light; {light} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root:not([data-theme=light]) {{ color-scheme: dark; {dark} }} }}\n"
        f":root[data-theme=dark] {{ color-scheme: dark; {dark} }}\n"
        f"@media print {{ :root:root:root {{ color-scheme: light; {light} }} }}\n"
    )
    return palettes + _resource("report.css").replace("FONT", theme.FONT)
