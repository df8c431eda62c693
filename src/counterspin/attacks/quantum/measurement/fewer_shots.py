r"""Fewer shots than paid for: a provider runs a share of them and reports frequencies as if it had run them all.

Frequencies stay unbiased, their spread grows by :math:`1/\sqrt{1 - r}`; samples near the boundary are lost. Withholding
everything but one shot leaves a random guess by the class probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from counterspin.attacks.quantum.base import QuantumAttack
from counterspin.attacks.quantum.measurement.outcomes import check_measured, noise_of, outcomes
from counterspin.attacks.quantum.results import Manipulation, Scope, Situation
from counterspin.errors import UsageError
from counterspin.simulation.shots import sampled_distribution
from counterspin.types import Classifier, Cost

__all__ = ["WithheldShots"]


@dataclass(frozen=True, kw_only=True)
class WithheldShots(QuantumAttack):
    """A share of the paid shots is never run; one reading of each sample with the rest.

    Args:
        shots: paid per sample and setting, at least 1.

    Raises:
        UsageError: shots below 1.

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("cancer-angle")
        >>> test = recipe.dataset().test
        >>> result = WithheldShots(shots=1000)(recipe.model(), test.x[:20], test.y[:20], (0.99,))
        >>> result.budgets[0].manipulation.evidence["shots_run"]
        10
    """

    shots: int = 1024

    name: ClassVar[str] = "withheld-shots"
    where: ClassVar[str] = "measurement"
    scope: ClassVar[Scope] = "shared"
    knowledge: ClassVar[str] = "none"
    goal: ClassVar[str] = "to be paid for shots that were not run"
    capability: ClassVar[str] = "runs fewer shots and reports frequencies"
    defense: ClassVar[str] = "ask for single shots instead of frequencies; test their spread over repeated jobs"
    default_budgets: ClassVar[tuple[float, ...]] = (0.5, 0.9, 0.99)

    def __post_init__(self) -> None:
        """Refuse counts below 1."""
        if not isinstance(self.shots, int) or self.shots < 1:
            raise UsageError(f"shots is {self.shots!r}; give the whole number of shots that are paid for.")

    @property
    def unit(self) -> str:
        """Share of the paid shots that is withheld."""
        return "share of shots"

    def check(self, model: Classifier) -> None:
        """Needs outcomes of one circuit."""
        super().check(model)
        check_measured(model)

    def checked_budgets(self, budgets: Any) -> tuple[float, ...]:
        """At least one shot is run, so that shares stay below 1."""
        levels = super().checked_budgets(budgets)
        if levels[-1] >= 1:
            raise UsageError(f"a share of {levels[-1]:g} of the shots is withheld; give shares below 1.")
        return levels

    def _run(self, situation: Situation, budget: float, before: Manipulation | None) -> Manipulation:
        model: Any = situation.model
        run = max(1, round(self.shots * (1 - budget)))
        found = outcomes(model, situation.x, noise=noise_of(model))
        paid = found.scores(
            tuple(sampled_distribution(d, self.shots, situation.generator) for d in found.distributions)
        )
        read = tuple(sampled_distribution(d, run, situation.generator) for d in found.distributions)
        scores = found.scores(read)
        lost = int((situation.correct & (situation.margin(paid) <= 0)).sum())
        calls = len(scores) * len(read)
        return Manipulation(
            scores=scores,
            spent=torch.full_like(scores[:, 0], budget),
            what=read,
            evidence={"shots_paid": self.shots, "shots_run": run, "broken_with_all_shots": lost},
            cost=Cost(forwards=len(scores), circuits=calls, shots=calls * run),
        )
