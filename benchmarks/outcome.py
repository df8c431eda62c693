"""What a benchmark is asked for and what it hands back."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

__all__ = ["Options", "Outcome", "columns"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to run.

    Args:
        folder: where figures go.
        quick: fewer and smaller cases, under 50 seconds.
        all_peers: every peer that is installed, not only the usual one.
    """

    folder: Path
    quick: bool = False
    all_peers: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Results of one benchmark.

    Args:
        rows: for the JSON file.
        tables: for the terminal.
        missed: how many requirements were not met.
    """

    rows: Sequence[dict[str, Any]]
    tables: Sequence[Table]
    missed: int = 0


def columns(title: str, rows: Sequence[dict[str, Any]]) -> Table:
    """One row per quantity and one column per case: many quantities of few cases fit a terminal this way."""
    first, *quantities = rows[0]
    table = Table(first, *(str(row[first]) for row in rows), title=title)
    for quantity in quantities:
        table.add_row(quantity, *(_text(row[quantity]) for row in rows))
    return table


def _text(value: Any) -> str:
    return "–" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)
