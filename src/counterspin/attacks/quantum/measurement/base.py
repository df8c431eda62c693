"""What attacks on the measurement share: each sample's distributions move by what the subclass allows."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.attacks.quantum.base import QuantumAttack
from counterspin.attacks.quantum.measurement.outcomes import (
    Outcomes,
    check_measured,
    noise_of,
    outcomes,
    worst_of_pairs,
)
from counterspin.attacks.quantum.results import Manipulation, Scope, Situation
from counterspin.types import Classifier, Cost

__all__ = ["DistributionAttack", "total_variation"]


def total_variation(before: tuple[Tensor, ...], after: tuple[Tensor, ...]) -> Tensor:
    """The largest total variation over the settings `(batch,)`."""
    moved = [(a - b).abs().sum(dim=1) / 2 for a, b in zip(after, before, strict=True)]
    return torch.stack(moved).amax(dim=0)


@dataclass(frozen=True, kw_only=True)
class DistributionAttack(QuantumAttack):
    """Template: the worst distribution of outcomes within a budget, for each sample and setting."""

    where: ClassVar[str] = "measurement"
    scope: ClassVar[Scope] = "sample"

    def check(self, model: Classifier) -> None:
        """Needs outcomes of one circuit."""
        super().check(model)
        check_measured(model)

    @abstractmethod
    def _tampered(self, model: Any, distribution: Tensor, gap: Tensor, budget: float) -> Tensor:
        """The distribution `(batch, outcomes)` within `budget` with the smallest mean of `gap` `(batch, outcomes)`."""

    def _outcomes(self, model: Any, x: Tensor) -> Outcomes:
        """What the attacker starts from: the distributions as observed."""
        return outcomes(model, x, noise=noise_of(model))

    def _spent(self, before: tuple[Tensor, ...], after: tuple[Tensor, ...], budget: float) -> Tensor:
        """What each sample's tampering takes of the budget `(batch,)`."""
        return torch.full_like(before[0][:, 0], budget)

    def _run(self, situation: Situation, budget: float, before: Manipulation | None) -> Manipulation:
        model: Any = situation.model
        found = self._outcomes(model, situation.x)
        scores, moved = worst_of_pairs(found, situation, lambda d, gap: self._tampered(model, d, gap, budget))
        settings = len(moved)
        return Manipulation(
            scores=scores,
            spent=self._spent(found.distributions, moved, budget),
            what=moved,
            evidence={"settings": settings},
            cost=Cost(forwards=len(scores), circuits=settings * len(scores)),
        )
