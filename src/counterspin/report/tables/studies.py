"""Studies in numbers."""

from typing import Any

from counterspin.evaluation.measured import Measured
from counterspin.report.formats import count, number
from counterspin.report.tables.base import Table
from counterspin.report.wording import share

__all__ = ["surfaces_table", "threat_table"]


def surfaces_table(rows: list[dict[str, Any]]) -> Table:
    """Every surface at one relative budget."""
    lines = [
        (
            row["surface"],
            count(row["numbers"]),
            f"{number(row['budget'])} of {row['scale']}",
            _share(row["margin_lost"]),
            _share(row["accuracy"]),
            "–" if row["half_broken"] is None else number(row["half_broken"]["value"]),
            number(row["half_broken_first_order"]),
            _share(row["margin_lost_shared"]),
            _share(row["accuracy_shared"]),
        )
        for row in rows
    ]
    return Table(
        caption="Every surface at one budget, with 95 % intervals. Half broken: smallest relative budget that breaks "
        "half of the correct samples, found and to first order.",
        columns=(
            "Surface",
            "Numbers",
            "Budget",
            "Margin lost",
            "Accuracy",
            "Half broken",
            "First order",
            "Margin lost, one change",
            "Accuracy, one change",
        ),
        rows=tuple(lines),
    )


def threat_table(rows: list[dict[str, Any]]) -> Table:
    """The attack on features at the threat's own budgets."""
    lines = [(number(row["eps"]), row["norm"], _share(row["accuracy"]), f"{row['margin_lost']:.1%}") for row in rows]
    return Table(
        caption="Features attacked at the budgets of the threat.",
        columns=("ε", "Norm", "Accuracy", "Margin lost"),
        rows=tuple(lines),
    )


def _share(value: dict[str, Any] | None) -> str:
    return share(None if value is None else Measured.model_validate(value))
