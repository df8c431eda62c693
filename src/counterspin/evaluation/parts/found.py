"""What an attack on a part of a model found, whatever the part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from counterspin.evaluation.parts.matched import Certified
from counterspin.evaluation.parts.record import Scope
from counterspin.types import Cost

__all__ = ["Found", "FoundAt"]


@dataclass(frozen=True, kw_only=True, eq=False)
class FoundAt:
    """One attack at one budget.

    Args:
        budget: in the unit of the attack.
        success: samples broken `(batch,)`.
        spent: what each success took `(batch,)`, infinite on failure.
        cost: queries.
        seconds: wall time.
        evidence: what was done, JSON values.
    """

    budget: float
    success: Tensor
    spent: Tensor
    cost: Cost
    seconds: float
    evidence: dict[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """One attack over all its budgets, with the certificate that matches it.

    Args:
        attack: its label.
        unit: of its budgets.
        scope: whether each sample meets its own manipulation.
        goal: one line.
        capability: one line.
        knowledge: of the model.
        defense: which defence to expect to help, one line.
        config: everything that defines it.
        correct: samples classified correctly without it `(batch,)`.
        attacked: those of them that it attacked `(batch,)`.
        budgets: ascending.
        certified: what is proved against it; None: nothing can be.
    """

    attack: str
    unit: str
    scope: Scope
    goal: str
    capability: str
    knowledge: str
    defense: str
    config: dict[str, Any]
    correct: Tensor
    attacked: Tensor
    budgets: tuple[FoundAt, ...]
    certified: Certified | None

    def broken(self, budget: float) -> Tensor:
        """Samples broken within `budget` `(batch,)`.

        With one manipulation for all samples, those of the budget that breaks most; otherwise those of any budget.
        """
        within = [at.success for at in self.budgets if at.budget <= budget]
        if not within:
            return torch.zeros_like(self.correct)
        if self.scope == "shared":
            return max(within, key=lambda success: int(success.sum()))
        return torch.stack(within).any(dim=0)

    def proved(self, budget: float) -> Tensor | None:
        """Correct samples proved at `budget` `(batch,)`; None without a certificate or where it was not asked."""
        places = [place for place, at in enumerate(self.budgets) if at.budget == budget]
        if self.certified is None or not places:
            return None
        return self.correct & self.certified.holds[places[0]]
