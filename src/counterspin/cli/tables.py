"""Samples in a text table: .csv with a column of labels."""

import csv
from pathlib import Path

import numpy as np

from counterspin.errors import InputError

__all__ = ["read_table"]

_LABELS = ("y", "label", "target", "class")
_EXPECTED = (
    f"give a comma-separated table of numbers whose column {', '.join(_LABELS[:-1])} or {_LABELS[-1]}, or else the "
    "last one, holds the labels"
)


def read_table(path: Path) -> dict[str, np.ndarray]:
    """Samples `x`, labels `y` and names of a table, under the keys of a .npz data file.

    The first line may name the columns. Labels are whole numbers, or words, which are numbered in alphabetical order
    and become class names.

    Raises:
        InputError: a file that cannot be read, or a cell that is no number.
    """
    rows = _rows(path)
    named = not all(_is_number(cell) for cell in rows[0][:-1]) or rows[0][-1].strip().lower() in _LABELS
    header = [cell.strip() for cell in rows[0]] if named else []
    body = rows[1:] if named else rows
    if not body or len(rows[0]) < 2:
        raise InputError(f"{path} holds no samples; {_EXPECTED}.")
    first = 2 if named else 1
    for line, row in enumerate(body, first):
        if len(row) != len(rows[0]):
            raise InputError(
                f"{path}, line {line} has {len(row)} columns and the first has {len(rows[0])}; {_EXPECTED}."
            )
    lower = [name.lower() for name in header]
    place = next((lower.index(name) for name in _LABELS if name in lower), len(rows[0]) - 1)
    features = [[cell for column, cell in enumerate(row) if column != place] for row in body]
    for line, row in enumerate(features, first):
        bad = next((cell for cell in row if not _is_number(cell)), None)
        if bad is not None:
            raise InputError(f"{path}, line {line} holds {bad!r}, which is no number; {_EXPECTED}.")
    arrays = {"x": np.array(features, dtype=np.float64), **_labels([row[place].strip() for row in body])}
    if header:
        arrays["feature_names"] = np.array([name for column, name in enumerate(header) if column != place])
    return arrays


def _rows(path: Path) -> list[list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise InputError(f"{path} cannot be read ({reason}); {_EXPECTED}.") from None
    if not rows:
        raise InputError(f"{path} is empty; {_EXPECTED}.")
    return rows


def _labels(cells: list[str]) -> dict[str, np.ndarray]:
    if all(_is_number(cell) for cell in cells):
        return {"y": np.array(cells, dtype=np.float64)}
    names, numbers = np.unique(np.array(cells), return_inverse=True)
    return {"y": numbers, "class_names": names}


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
