r"""Inputs held to few digits: the circuit's inputs are cut to a grid, the same for all samples.

.. math:: z'_i = l_i + q\, w_i \left\lfloor \frac{z_i - l_i}{q\, w_i} \right\rfloor

with :math:`l_i, w_i` lower bound and width of the box and q the step as a share of it, :math:`2^{-b}` for b bits.
Truncation shifts every input down by half a step on average; rounding would not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.attacks.quantum.encoding.inputs import EncodingAttack, input_box, scores_of_inputs
from counterspin.attacks.quantum.results import Manipulation, Scope, Situation
from counterspin.types import Box, Cost

__all__ = ["Precision", "truncated"]

# A value on the grid must not fall to the next point by rounding.
_ON_GRID = 1e-9


def truncated(z: Tensor, box: Box, step: float) -> Tensor:
    """`z` `(batch, inputs)` cut to the grid of `step` times the box.

    Example:
        >>> truncated(torch.tensor([[0.3, 0.5]]), Box.uniform(0.0, 1.0, 2), 0.25).tolist()
        [[0.25, 0.5]]
    """
    lower, width = box.lower.to(z), (box.upper - box.lower).to(z)
    return lower + step * width * torch.floor((z - lower) / (step * width) + _ON_GRID)


@dataclass(frozen=True, kw_only=True)
class Precision(EncodingAttack):
    """Every input of the circuit is truncated to a grid; nothing is searched for.

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("cancer-angle")
        >>> test = recipe.dataset().test
        >>> result = Precision()(recipe.model(), test.x[:20], test.y[:20], (0.0625,))
        >>> result.budgets[0].manipulation.evidence["bits"]
        4.0
    """

    name: ClassVar[str] = "precision"
    scope: ClassVar[Scope] = "shared"
    knowledge: ClassVar[str] = "none"
    goal: ClassVar[str] = "as many wrong classes as possible"
    capability: ClassVar[str] = "cuts the digits of the inputs"
    defense: ClassVar[str] = "hash the preprocessing; known-answer inputs; train with rounded inputs"
    default_budgets: ClassVar[tuple[float, ...]] = (1 / 16, 1 / 8, 1 / 4)
    ceiling: ClassVar[float] = 1.0

    @property
    def unit(self) -> str:
        """Step of the grid as a share of the box."""
        return "share of the box"

    def _run(self, situation: Situation, budget: float, before: Manipulation | None) -> Manipulation:
        model: Any = situation.model
        z = model.circuit_inputs(situation.x).detach()
        cut = truncated(z, input_box(model, z), budget)
        # All-zero amplitudes are no state; such samples keep what they are.
        if model.circuit.amplitudes is not None:
            cut = torch.where((cut.abs().sum(dim=1) > 0)[:, None], cut, z)
        scores = scores_of_inputs(model, cut)
        return Manipulation(
            scores=scores,
            spent=torch.full_like(scores[:, 0], budget),
            what=cut,
            evidence={"bits": -math.log2(budget)},
            cost=Cost(forwards=len(z), circuits=len(z)),
        )
