r"""Tampering with what is observed: the distribution of the outcomes moves by at most a total variation.

.. math:: \min_{D'} \sum_o D'_o g_o \quad \text{s.t. } D' \ge 0,\ \textstyle\sum_o D'_o = 1,\
    \tfrac12 \|D' - D\|_1 \le t

for the gap :math:`g_o` that an outcome adds to the margin: mass goes from the outcomes of the largest gap to one of the
smallest. For classes that are groups of outcomes the margin falls by exactly 2t.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.attacks.quantum.measurement.base import DistributionAttack, total_variation

__all__ = ["ReadoutShift", "moved_to_smallest"]


def moved_to_smallest(distribution: Tensor, gap: Tensor, t: float) -> Tensor:
    """`distribution` `(batch, outcomes)` with mass `t` moved from outcomes of large `gap` to one of the smallest.

    Example:
        >>> even = torch.full((1, 4), 0.25)
        >>> moved_to_smallest(even, torch.tensor([[2.0, 1.0, 0.0, -1.0]]), 0.375).tolist()
        [[0.0, 0.125, 0.25, 0.625]]
    """
    order = gap.argsort(dim=1, descending=True, stable=True)
    sorted_mass = distribution.gather(1, order)
    ahead = sorted_mass.cumsum(dim=1) - sorted_mass
    # What lies on the smallest gap stays there.
    costly = gap.gather(1, order) > gap.amin(dim=1, keepdim=True)
    taken = torch.minimum((t - ahead).clamp(min=0), sorted_mass) * costly
    kept = distribution.scatter(1, order, sorted_mass - taken)
    return kept.scatter_add(1, order[:, -1:], taken.sum(dim=1, keepdim=True))


@dataclass(frozen=True, kw_only=True)
class ReadoutShift(DistributionAttack):
    """The worst distribution within a total variation of the observed one, for each sample; exact without a target.

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("digits-amplitude")
        >>> test = recipe.dataset().test
        >>> result = ReadoutShift()(recipe.model(), test.x[:50], test.y[:50], (0.01, 0.05))
        >>> bool((result.success[1] >= result.success[0]).all())
        True
    """

    name: ClassVar[str] = "readout-shift"
    goal: ClassVar[str] = "a wrong class for each input"
    capability: ClassVar[str] = "changes the measured results of each input, within a total variation"
    defense: ClassVar[str] = "none in the model; signed results, known-answer circuits between the real ones"
    default_budgets: ClassVar[tuple[float, ...]] = (0.01, 0.02, 0.05, 0.1)
    ceiling: ClassVar[float] = 1.0

    @property
    def unit(self) -> str:
        """Total variation, of each setting."""
        return "total variation"

    def _tampered(self, model: Any, distribution: Tensor, gap: Tensor, budget: float) -> Tensor:
        return moved_to_smallest(distribution, gap, budget)

    def _spent(self, before: tuple[Tensor, ...], after: tuple[Tensor, ...], budget: float) -> Tensor:
        return total_variation(before, after)
