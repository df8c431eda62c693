"""What was found about the candidates of a selection, and which of them was chosen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from counterspin.mitigation.base import Mitigation
from counterspin.mitigation.validation import Errors
from counterspin.types import Cost

__all__ = ["Candidate", "Selection"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """What was found about one technique.

    Args:
        name: under which it was tried.
        mitigation: the technique, fitted; None: it refused.
        errors: on the validation circuits, with the shots of the selection; None: it refused.
        circuits: variants per sample and setting.
        overhead: how many times the shots reach the standard error of an unmitigated value.
        fitting: circuits and shots of its training or calibration, spent once and not part of the budget.
        refused: why it cannot be used here, one sentence.
    """

    name: str
    mitigation: Mitigation | None
    errors: Errors | None = None
    circuits: int = 0
    overhead: float = 1.0
    fitting: Cost = field(default_factory=Cost)
    refused: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """The outcome of a selection; every candidate is reported.

    Args:
        chosen: name of the best candidate.
        candidates: all of them, in the order in which they were given.
        shots: the budget per circuit and setting, shared by the variants of a technique.
        validated: number of validation circuits.
    """

    chosen: str
    candidates: tuple[Candidate, ...]
    shots: int
    validated: int

    @property
    def best(self) -> Mitigation:
        """The chosen technique, fitted."""
        return next(c.mitigation for c in self.candidates if c.name == self.chosen and c.mitigation is not None)

    def rows(self) -> list[dict[str, Any]]:
        """One row of JSON values per candidate."""
        return [
            {
                "mitigation": c.name,
                "chosen": c.name == self.chosen,
                "error": None if c.errors is None else c.errors.total,
                "bias": None if c.errors is None else c.errors.bias,
                "circuits": c.circuits,
                "overhead": c.overhead,
                "fitting_circuits": c.fitting.circuits,
                "fitting_shots": c.fitting.shots,
                "refused": c.refused,
            }
            for c in self.candidates
        ]
