r"""Results replaced without looking at them: a share r of the shots reads what the attacker likes.

.. math:: D' = (1 - r) D + r\, e_{o^*}, \qquad m' = (1 - r)\, m + r \min_o g_o

It is also the worst confusion matrix around the identity each of whose columns moves by r: a decision by groups of
outcomes stands iff :math:`p_A - p_B > r / (1 - r)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor
from torch.nn.functional import one_hot

from counterspin.attacks.quantum.measurement.base import DistributionAttack

__all__ = ["ResultTampering"]


@dataclass(frozen=True, kw_only=True)
class ResultTampering(DistributionAttack):
    """A share of the shots is replaced blindly by the worst outcome of each sample; exact without a target.

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("cancer-angle")
        >>> test = recipe.dataset().test
        >>> ResultTampering()(recipe.model(), test.x[:20], test.y[:20], (0.05,)).unit
        'share of shots'
    """

    name: ClassVar[str] = "result-tampering"
    goal: ClassVar[str] = "a wrong class for each input"
    capability: ClassVar[str] = "replaces a share of the shots, without seeing what they read"
    defense: ClassVar[str] = "none in the model; signed results, known-answer circuits between the real ones"
    default_budgets: ClassVar[tuple[float, ...]] = (0.01, 0.02, 0.05, 0.1)
    ceiling: ClassVar[float] = 1.0

    @property
    def unit(self) -> str:
        """Share of the shots that are replaced."""
        return "share of shots"

    def _tampered(self, model: Any, distribution: Tensor, gap: Tensor, budget: float) -> Tensor:
        worst = one_hot(gap.argmin(dim=1), gap.shape[1]).to(distribution)
        return (1 - budget) * distribution + budget * worst
