"""The report: one HTML file that holds everything it shows and asks the network for nothing."""

import base64
import hashlib
import os
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from counterspin.errors import InputError
from counterspin.evaluation.records import AuditRecord
from counterspin.models.files import write_atomically
from counterspin.report import tables, theme, wording
from counterspin.report.bundle import javascript
from counterspin.report.figures import report_figures
from counterspin.report.images import gallery
from counterspin.report.samples import ReportSamples

__all__ = ["render", "save_report"]


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


def render(record: AuditRecord, samples: ReportSamples) -> str:
    """The report as one HTML document.

    Everything is inside: style, scripts, charts, pictures. The page's Content-Security-Policy forbids every request and
    every script but its own three; charts run on Vega's expression interpreter and need no `eval`.

    Args:
        record: the audit.
        samples: the pictures of the gallery.

    Raises:
        InputError: a record without a budget.
    """
    if not record.budgets:
        raise InputError("record.budgets is empty; a report needs the results of at least one ε.")
    figures = report_figures(record)
    pictures, grey = gallery(samples)
    scripts = {"early": _resource("theme.js"), "libraries": javascript(), "page": _resource("report.js")}
    environment = Environment(
        loader=PackageLoader("counterspin.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    context: dict[str, Any] = {
        "record": record,
        "samples": samples,
        "name": str(record.model.get("name", "unnamed model")),
        "dataset": str(record.dataset.get("name", "unnamed data")),
        "run_name": Path(record.run).name,  # the path to it is nobody's business once the file is handed on
        "threat": wording.threat_words(record.threat),
        "budget": wording.headline_budget(record),
        "figures": figures,
        "charts": {f.key: f.chart.spec for group in figures.values() for f in group},
        "themes": {"light": theme.vega_config(theme.LIGHT), "dark": theme.vega_config(theme.DARK)},
        "pictures": pictures,
        "grey": grey,
        "say": wording,
        "tables": tables,
        "style": _style(),
        "scripts": scripts,
        "script_sources": " ".join(_digest(text) for text in scripts.values()),
    }
    return environment.get_template("report.html.j2").render(context)


def save_report(html: str, path: str | os.PathLike[str]) -> Path:
    """Write a report as UTF-8; a reader of `path` sees the old file or the whole new one, never a part.

    Args:
        html: what `render` returned.
        path: the file.

    Returns:
        The path.

    Raises:
        StorageError: the disk refuses; what stood at `path` is unchanged.
    """
    write_atomically(Path(path), html.encode())
    return Path(path)
