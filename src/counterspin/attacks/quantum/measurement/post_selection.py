r"""Adversarial post-selection: shots whose outcome does not suit the attacker are dropped, at most a share r of them.

.. math:: \min_{0 \le k \le 1} \frac{\sum_o D_o k_o g_o}{\sum_o D_o k_o} \quad \text{s.t. } \sum_o D_o k_o \ge 1 - r

A mean falls fastest when its largest terms go, so that dropping mass r from the largest gaps is exact, setting by
setting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.attacks.quantum.measurement.base import DistributionAttack

__all__ = ["PostSelection"]


@dataclass(frozen=True, kw_only=True)
class PostSelection(DistributionAttack):
    """The worst share of the shots is dropped for each sample and setting; exact without a target.

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("cancer-angle")
        >>> test = recipe.dataset().test
        >>> PostSelection()(recipe.model(), test.x[:20], test.y[:20], (0.05,)).unit
        'share of shots'
    """

    name: ClassVar[str] = "post-selection"
    goal: ClassVar[str] = "a wrong class for each input"
    capability: ClassVar[str] = "drops a share of the shots after reading them"
    defense: ClassVar[str] = "count the shots that come back; raw counts instead of post-selected ones"
    default_budgets: ClassVar[tuple[float, ...]] = (0.01, 0.02, 0.05, 0.1)
    ceiling: ClassVar[float] = 0.99

    @property
    def unit(self) -> str:
        """Share of the shots that are dropped."""
        return "share of shots"

    def _tampered(self, model: Any, distribution: Tensor, gap: Tensor, budget: float) -> Tensor:
        order = gap.argsort(dim=1, descending=True, stable=True)
        sorted_mass = distribution.gather(1, order)
        ahead = sorted_mass.cumsum(dim=1) - sorted_mass
        taken = torch.minimum((budget - ahead).clamp(min=0), sorted_mass)
        kept = distribution.scatter(1, order, sorted_mass - taken)
        return kept / kept.sum(dim=1, keepdim=True)
