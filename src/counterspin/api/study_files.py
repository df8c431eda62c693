"""The files of a finished study: its record, a CSV file per table, and one offline page."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from counterspin.models.files import write_atomically

__all__ = ["write_study"]


def write_study(
    directory: Path, value: Mapping[str, Any], tables: Mapping[str, Sequence[Mapping[str, Any]]], page: str
) -> None:
    """Write `study.json`, a CSV file per table that has rows, and `study.html`.

    Args:
        directory: the run directory.
        value: the record as JSON values.
        tables: rows by name.
        page: the finished document.

    Raises:
        StorageError: the disk refused.
    """
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    write_atomically(directory / "study.json", text.encode())
    for name, rows in tables.items():
        if rows:
            write_atomically(directory / f"{name}.csv", _csv(rows).encode())
    write_atomically(directory / "study.html", page.encode())


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with nested records flattened to dotted columns."""
    flat = [_flattened(row) for row in rows]
    columns = list(dict.fromkeys(key for row in flat for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()


def _flattened(row: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in row.items():
        found |= _flattened(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found
