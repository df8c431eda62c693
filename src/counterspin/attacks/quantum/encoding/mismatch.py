r"""Preprocessing that differs between training and service: the scaler is fitted to quantiles instead of extremes.

.. math:: z'_i = \mathrm{clip}\!\left(l_i + w_i\, \frac{z_i - Q_i(q)}{Q_i(1 - q) - Q_i(q)}\right)

with :math:`Q_i` the quantiles of input i over the samples that are served: what a robust scaler, or one fitted to other
data, does to a model that was trained behind the scaler of its own data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.attacks.quantum.encoding.inputs import EncodingAttack, input_box, scores_of_inputs
from counterspin.attacks.quantum.results import Manipulation, Scope, Situation
from counterspin.types import Box, Cost

__all__ = ["PreprocessingMismatch", "rescaled"]


def rescaled(z: Tensor, box: Box, trimmed: float) -> Tensor:
    """`z` `(batch, inputs)` scaled so that its quantiles `trimmed` and `1 - trimmed` fill the box, then clipped.

    Inputs without spread between the quantiles stay as they are.

    Example:
        >>> z = torch.tensor([[0.0], [0.25], [0.5], [0.75], [1.0]])
        >>> rescaled(z, Box.uniform(0.0, 1.0, 1), 0.25)[:, 0].tolist()
        [0.0, 0.0, 0.5, 1.0, 1.0]
    """
    lower, upper = box.lower.to(z), box.upper.to(z)
    low, high = torch.quantile(z, trimmed, dim=0), torch.quantile(z, 1 - trimmed, dim=0)
    spread = high > low
    scaled = lower + (upper - lower) * (z - low) / torch.where(spread, high - low, torch.ones_like(low))
    return torch.where(spread, torch.minimum(torch.maximum(scaled, lower), upper), z)


@dataclass(frozen=True, kw_only=True)
class PreprocessingMismatch(EncodingAttack):
    """Every input of the circuit is scaled by quantiles of the served samples; nothing is searched for.

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("cancer-angle")
        >>> test = recipe.dataset().test
        >>> PreprocessingMismatch()(recipe.model(), test.x[:50], test.y[:50], (0.05,)).unit
        'share trimmed at each end'
    """

    name: ClassVar[str] = "mismatch"
    scope: ClassVar[Scope] = "shared"
    knowledge: ClassVar[str] = "none"
    goal: ClassVar[str] = "as many wrong classes as possible"
    capability: ClassVar[str] = "fits the scaler before the circuit to other data"
    defense: ClassVar[str] = "keep the preprocessing with the model and hash both; known-answer inputs"
    default_budgets: ClassVar[tuple[float, ...]] = (0.01, 0.05, 0.1)
    ceiling: ClassVar[float] = 0.49

    @property
    def unit(self) -> str:
        """Share of the samples beyond the fitted range at each end."""
        return "share trimmed at each end"

    def _run(self, situation: Situation, budget: float, before: Manipulation | None) -> Manipulation:
        model: Any = situation.model
        z = model.circuit_inputs(situation.x).detach()
        served = rescaled(z, input_box(model, z), budget)
        if model.circuit.amplitudes is not None:
            served = torch.where((served.abs().sum(dim=1) > 0)[:, None], served, z)
        scores = scores_of_inputs(model, served)
        return Manipulation(
            scores=scores,
            spent=torch.full_like(scores[:, 0], budget),
            what=served,
            evidence={"changed_share": float((served != z).double().mean())},
            cost=Cost(forwards=len(z), circuits=len(z)),
        )
