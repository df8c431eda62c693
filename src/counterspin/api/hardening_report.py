"""What `cs.harden` hands back, and the two files it leaves for readers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterspin.evaluation.hardening import HardenRecord
from counterspin.models import load_model
from counterspin.models.files import write_atomically

__all__ = ["HardenReport", "write_hardening"]


@dataclass(frozen=True, kw_only=True)
class HardenReport:
    """A finished hardening.

    Args:
        record: every number, as `--json` prints it.
        directory: the run directory: `model/` (the defended model), `before/` and `after/` (both audits),
            `harden.json` and `harden.html`.
    """

    record: HardenRecord
    directory: Path

    @property
    def html(self) -> Path:
        """The page, one offline file."""
        return self.directory / "harden.html"

    @property
    def reliable(self) -> bool:
        """Whether neither audit nor the adaptive check failed."""
        return self.record.reliable

    @property
    def model(self) -> Any:
        """The defended model, frozen and in evaluation mode."""
        return load_model(self.directory / "model")


def write_hardening(record: HardenRecord, directory: Path) -> None:
    """Write `harden.json` and `harden.html` where they are not there yet, or differ.

    Raises:
        StorageError: the disk refused.
    """
    from counterspin.report.hardening import render_hardening  # here: the charts' library takes long to import

    text = json.dumps(record.to_json(), indent=1, ensure_ascii=False) + "\n"
    file, page = directory / "harden.json", directory / "harden.html"
    if file.is_file() and page.is_file() and file.read_text(encoding="utf-8") == text:
        return
    write_atomically(file, text.encode())
    write_atomically(page, render_hardening(record).encode())
