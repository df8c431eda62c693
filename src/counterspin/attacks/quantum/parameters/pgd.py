"""The worst errors of all gate angles at once, the same for all samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from counterspin.attacks.projections import norm_of
from counterspin.attacks.quantum.parameters.aims import AsMany, temperatures
from counterspin.attacks.quantum.parameters.ascent import Found, ascend, better, starts
from counterspin.attacks.quantum.parameters.base import (
    AngleNorm,
    ParameterAttack,
    Tampering,
    evidence,
    steepest_columns,
)
from counterspin.attacks.quantum.parameters.coordinate import polish
from counterspin.attacks.quantum.parameters.gate_errors import gate_errors
from counterspin.attacks.quantum.results import Manipulation, Scope, Situation

__all__ = ["WeightsPGD"]


@dataclass(frozen=True, kw_only=True)
class WeightsPGD(ParameterAttack):
    r"""Ascent on the soft count of broken samples over errors of all gate angles, :math:`\|\Delta\| \le` the budget.

    Several ascents at once, from 0, from what a smaller budget found and from random points, each at a temperature of
    its own; then the best one is polished angle by angle, along which scores are known exactly. The bound is
    :math:`\sum_j|\Delta_j| s_j < \theta^*` for every sample.

    Args:
        norm: of the errors: `"linf"` (the largest) or `"l2"`.
        steps: gradients per start.
        restarts: starts.
        polished: how many angles are polished, the steepest ones; 0: none.

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("cancer-angle")
        >>> model, test = recipe.model(), recipe.dataset().test
        >>> result = WeightsPGD(steps=10)(model, test.x[:50], test.y[:50], (0.05, 0.2))
        >>> bool(result.robust_accuracy[1] < result.robust_accuracy[0])
        True
    """

    norm: AngleNorm = "linf"
    steps: int = 40
    restarts: int = 12
    polished: int = 16

    name: ClassVar[str] = "weights-pgd"
    scope: ClassVar[Scope] = "shared"
    goal: ClassVar[str] = "as many wrong classes as possible by one change of the machine"
    capability: ClassVar[str] = "changes the angle of every gate by a little, once for all inputs"
    defense: ClassVar[str] = "calibration checks with known-answer circuits; training on perturbed weights"
    default_budgets: ClassVar[tuple[float, ...]] = (0.002, 0.01, 0.05, 0.1)

    @property
    def unit(self) -> str:
        """Radians in the norm."""
        return f"radians ({self.norm})"

    def _run(self, situation: Situation, budget: float, before: Manipulation | None) -> Manipulation:
        site = gate_errors(situation.model, situation.x, situation.scores)
        best = Found(point=torch.zeros(site.angles, dtype=torch.float64), rank=-torch.inf)
        if bool(situation.correct.any()):
            heats = temperatures(situation)
            aim = AsMany(situation=situation, finest=float(heats[-1]))
            known = None if before is None else before.what.errors
            start = starts(self.restarts, site.angles, budget, self.norm, known, situation.generator)
            heat = heats.repeat(-(-self.restarts // len(heats)))[: self.restarts]
            found = ascend(site.shared, aim, start, heat, radius=budget, norm=self.norm, steps=self.steps)
            best = better(best, found.point[None], aim.rank(site.shared(found.point[None])))
            columns = steepest_columns(site, situation, best, self.polished)
            best = polish(site, aim, best, columns, radius=budget, norm=self.norm)
        errors = best.point
        spent = norm_of(errors[None], self.norm)[0].expand(len(situation.y))
        return Manipulation(
            scores=site.scores(errors),
            spent=spent,
            what=Tampering(circuit=site.circuit, errors=errors),
            evidence=evidence(site.circuit, errors),
            cost=site.cost,
        )
