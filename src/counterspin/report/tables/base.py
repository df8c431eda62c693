"""What a table is: text ready to print."""

from dataclasses import dataclass

__all__ = ["Table"]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; the first cell of each row is its heading.

    Args:
        caption: what the table shows.
        columns: heading of each column.
        rows: cells as text, as many as `columns`.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
