r"""Angles out of range: one input of a sample leaves its box where nothing checks it.

Angles are periodic, so that an input far outside is a valid angle. Each sample has one circuit input set to a value up
to :math:`\beta` box widths beyond either end; every input and a grid of values are tried. An input outside whose angles
are those of one inside (for a single gate with angle :math:`w x`, shifted by :math:`2\pi/|w|`) is an alias: no score
tells the two apart, a check of ranges does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from counterspin.attacks.quantum.encoding.inputs import EncodingAttack, input_box, scores_of_inputs
from counterspin.attacks.quantum.results import Manipulation, Scope, Situation
from counterspin.errors import UsageError
from counterspin.types import Cost

__all__ = ["OutOfRange"]

_ROWS = 4096


@dataclass(frozen=True, kw_only=True)
class OutOfRange(EncodingAttack):
    """One input of each sample is set to the worst value beyond its box; exhaustive up to the grid.

    Args:
        points: values tried beyond each end of the box, at least 2.

    Raises:
        UsageError: fewer points than 2.

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("cancer-angle")
        >>> test = recipe.dataset().test
        >>> result = OutOfRange()(recipe.model(), test.x[:20], test.y[:20], (0.5,))
        >>> result.budgets[0].manipulation.what.shape
        torch.Size([20, 4])
    """

    points: int = 16

    name: ClassVar[str] = "out-of-range"
    scope: ClassVar[Scope] = "sample"
    knowledge: ClassVar[str] = "black"
    goal: ClassVar[str] = "a wrong class for each input"
    capability: ClassVar[str] = "sets one input of the circuit to a value outside its box"
    defense: ClassVar[str] = "check ranges, or wrap angles, before the circuit; bounded fronts (tanh)"
    default_budgets: ClassVar[tuple[float, ...]] = (0.25, 0.5, 1.0)

    def __post_init__(self) -> None:
        """Refuse grids without two ends."""
        if not isinstance(self.points, int) or self.points < 2:
            raise UsageError(f"points is {self.points!r}; give a whole number of at least 2.")

    @property
    def unit(self) -> str:
        """How far beyond its box the input may lie, in widths of the box."""
        return "box widths"

    def _run(self, situation: Situation, budget: float, before: Manipulation | None) -> Manipulation:
        model: Any = situation.model
        z = model.circuit_inputs(situation.x).detach()
        box = input_box(model, z)
        width = box.upper - box.lower
        beyond = budget * torch.linspace(1 / self.points, 1, self.points, dtype=z.dtype)
        best = situation.margin(situation.scores)
        chosen, scores, spent = z.clone(), situation.scores.clone(), torch.zeros_like(best)
        calls = 0
        for index in range(z.shape[1]):
            low, high = box.lower[index] - width[index] * beyond, box.upper[index] + width[index] * beyond
            values, steps = torch.cat([low, high]), torch.cat([beyond, beyond])
            tried = z[:, None].repeat(1, len(values), 1)
            tried[:, :, index] = values
            reached = torch.cat([scores_of_inputs(model, rows) for rows in tried.flatten(0, 1).split(_ROWS)])
            calls += len(reached)
            by_value = reached.reshape(len(z), len(values), -1)
            margins = torch.stack([situation.margin(part) for part in by_value.unbind(1)])
            margin, at = margins.min(dim=0)
            better = margin < best
            rows = torch.arange(len(z))
            best = torch.where(better, margin, best)
            spent = torch.where(better, steps[at], spent)
            chosen = torch.where(better[:, None], tried[rows, at], chosen)
            scores = torch.where(better[:, None], by_value[rows, at], scores)
        return Manipulation(
            scores=scores,
            spent=spent,
            what=chosen,
            evidence={"tried": 2 * self.points * z.shape[1]},
            cost=Cost(forwards=calls, circuits=calls),
        )
