"""The rows of a cross-check: a number of another tool, ours, and whether they agree."""

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Crosscheck", "Relation", "Row"]

Relation = Literal["=", "<=", ">="]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One comparison.

    Args:
        tool: whose number it is compared with.
        attack: what was run there.
        quantity: what is compared.
        theirs: the tool's number, or the value that is demanded.
        ours: our number.
        tolerance: how far ours may lie on the wrong side of theirs.
        relation: how ours must stand to theirs: `"="`, `"<="` or `">="`.

    Example:
        >>> Row(tool="a", attack="b", quantity="c", theirs=0.5, ours=0.505, tolerance=0.01, relation="<=").passed
        True
    """

    tool: str
    attack: str
    quantity: str
    theirs: float
    ours: float
    tolerance: float
    relation: Relation

    @property
    def passed(self) -> bool:
        """Whether ours stands to theirs as it must, up to the tolerance; NaN never does."""
        excess = {
            "=": abs(self.ours - self.theirs),
            "<=": self.ours - self.theirs,
            ">=": self.theirs - self.ours,
        }[self.relation]
        # Shares of 100 samples that differ by one are 0.01 apart, give or take a rounding.
        return excess <= self.tolerance * (1 + 1e-9)

    def to_json(self) -> dict[str, Any]:
        """The row as JSON values."""
        return {
            "tool": self.tool,
            "attack": self.attack,
            "quantity": self.quantity,
            "theirs": self.theirs,
            "ours": self.ours,
            "tolerance": self.tolerance,
            "relation": self.relation,
            "pass": self.passed,
        }


@dataclass(frozen=True, kw_only=True)
class Crosscheck:
    """All comparisons on one model.

    Args:
        rows: what was compared.
        skipped: what was not, with the reason.
        samples: number of samples.
        versions: of everything that may move a number.
        seconds: wall time.
    """

    rows: tuple[Row, ...]
    skipped: tuple[str, ...]
    samples: int
    versions: dict[str, str]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether every row passes."""
        return all(row.passed for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        return {
            "rows": [row.to_json() for row in self.rows],
            "passed": self.passed,
            "skipped": list(self.skipped),
            "samples": self.samples,
            "versions": self.versions,
            "seconds": self.seconds,
        }
