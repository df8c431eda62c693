"""The report of one audit."""

import os
from pathlib import Path

from counterspin.errors import InputError
from counterspin.evaluation.records import AuditRecord
from counterspin.models.files import write_atomically
from counterspin.report import conditions, wording
from counterspin.report.attacker import threat_words
from counterspin.report.conditions import condition_figures
from counterspin.report.details import RunDetails
from counterspin.report.document import Mark, document
from counterspin.report.figures import report_figures
from counterspin.report.images import gallery
from counterspin.report.samples import ReportSamples

__all__ = ["render", "save_report"]


def render(record: AuditRecord, samples: ReportSamples, details: RunDetails | None = None) -> str:
    """The report as one HTML document.

    Args:
        record: the audit.
        samples: the pictures of the gallery.
        details: distances, traces and costs that stand in the run directory only; None: they are not shown.

    Raises:
        InputError: a record without a budget.
    """
    if not record.budgets:
        raise InputError("record.budgets is empty; a report needs the results of at least one ε.")
    details = details or RunDetails()
    pictures, grey = gallery(samples)
    return document(
        "report.html.j2",
        mark=Mark(verdict=record.sanity.verdict, text=wording.verdict_mark(record)),
        figures=report_figures(record, details) | {"conditions": condition_figures(record)},
        context={
            "record": record,
            "details": details,
            "samples": samples,
            "name": str(record.model.get("name", "unnamed model")),
            "dataset": str(record.dataset.get("name", "unnamed data")),
            "run_name": Path(record.run).name,  # the path to it is nobody's business once the file is handed on
            "threat": threat_words(record.threat),
            "budget": wording.headline_budget(record),
            "pictures": pictures,
            "grey": grey,
            "conditions": conditions,
        },
    )


def save_report(html: str, path: str | os.PathLike[str]) -> Path:
    """Write a report as UTF-8; a reader of `path` sees the old file or the whole new one, never a part.

    Args:
        html: what `render` or `render_comparison` returned.
        path: the file.

    Returns:
        The path.

    Raises:
        StorageError: the disk refuses; what stood at `path` is unchanged.
    """
    write_atomically(Path(path), html.encode())
    return Path(path)
