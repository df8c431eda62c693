r"""Gains and offsets that are off between preprocessing and circuit, the same for all samples.

.. math:: z'_i = (1 + s_i)\, z_i + o_i\, w_i, \qquad |s_i|, |o_i| \le \varepsilon

with :math:`w_i` the width of input i's box. A common gain leaves amplitude encodings unchanged; gains of single inputs
and offsets do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle, product
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.attacks.quantum.encoding.inputs import EncodingAttack, input_box, scores_of_inputs
from counterspin.attacks.quantum.results import Manipulation, Scope, Situation
from counterspin.errors import UsageError
from counterspin.types import Cost

__all__ = ["EncodingScale", "tampered_inputs"]

# Samples broken, mean margin left with its sign turned, the change.
_Found = tuple[int, float, Tensor]

# How sharply the smooth count tells broken from whole samples, start by start.
_SHARPNESS = (2.0, 8.0, 0.5)

# Corners are walked to while a round of them is this many runs or fewer.
_WALKED = 64


def tampered_inputs(z: Tensor, width: Tensor, change: Tensor) -> Tensor:
    """Inputs `(batch, inputs)` under gains and offsets `change` `(2, inputs)`; `width` `(inputs,)` scales offsets.

    Example:
        >>> z = torch.tensor([[1.0, 2.0]])
        >>> tampered_inputs(z, torch.ones(2), torch.tensor([[0.5, 0.0], [0.0, 0.25]])).tolist()
        [[1.5, 2.25]]
    """
    return z * (1 + change[0]) + width * change[1]


@dataclass(frozen=True, kw_only=True)
class EncodingScale(EncodingAttack):
    """The gains and offsets that lose most samples: ascent on a smooth count of broken samples, from several starts.

    What is best then goes from corner to corner, one gain or offset at a time, as long as that breaks more.

    Args:
        steps: of each start, at least 1.
        restarts: random starts besides the one without change and the one of the budget before, at least 1.

    Raises:
        UsageError: counts below 1.

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("cancer-angle")
        >>> test = recipe.dataset().test
        >>> EncodingScale(steps=5)(recipe.model(), test.x[:20], test.y[:20], (0.05,)).unit
        'relative (linf)'
    """

    steps: int = 60
    restarts: int = 3

    name: ClassVar[str] = "encoding-scale"
    scope: ClassVar[Scope] = "shared"
    goal: ClassVar[str] = "as many wrong classes as possible"
    capability: ClassVar[str] = "changes gain and offset of each input of the circuit"
    defense: ClassVar[str] = "hash the preprocessing; known-answer inputs; trainable scales kept small"
    default_budgets: ClassVar[tuple[float, ...]] = (0.02, 0.05, 0.1)

    def __post_init__(self) -> None:
        """Refuse counts below 1."""
        if min(self.steps, self.restarts) < 1:
            raise UsageError(f"steps is {self.steps} and restarts {self.restarts}; give whole numbers of at least 1.")

    @property
    def unit(self) -> str:
        """Share of the input for gains, of the box for offsets; the largest of all of them."""
        return "relative (linf)"

    def _run(self, situation: Situation, budget: float, before: Manipulation | None) -> Manipulation:
        model: Any = situation.model
        z = model.circuit_inputs(situation.x).detach()
        box = input_box(model, z)
        width = box.upper - box.lower
        shape = (2, z.shape[1])
        starts = [torch.zeros(shape, dtype=z.dtype)]
        if before is not None:
            starts.append(before.what)
        starts += [
            budget * torch.sign(torch.randn(shape, generator=situation.generator, dtype=z.dtype))
            for _ in range(self.restarts)
        ]
        climbed = [
            self._ascend(situation, z, width, start, budget, sharpness)
            for start, sharpness in zip(starts, cycle(_SHARPNESS), strict=False)
        ]
        change = _polished(situation, z, width, max(climbed, key=lambda found: found[:2])[2], budget)
        scores = scores_of_inputs(model, tampered_inputs(z, width, change)).detach()
        calls = len(z) * self.steps * len(starts)
        return Manipulation(
            scores=scores,
            spent=torch.full_like(scores[:, 0], float(change.abs().max())),
            what=change,
            evidence={"largest_gain": float(change[0].abs().max()), "largest_offset": float(change[1].abs().max())},
            cost=Cost(forwards=calls, backwards=calls, circuits=calls),
        )

    def _ascend(
        self, situation: Situation, z: Tensor, width: Tensor, start: Tensor, budget: float, sharpness: float
    ) -> _Found:
        """Best change from one start: samples broken, mean clipped margin with its sign turned, the change."""
        change, rate = start.clone(), budget / 4
        clean = situation.margin(situation.scores)[situation.correct]
        scale = clean.median().clamp(min=1e-9) if len(clean) else torch.ones(())
        best: _Found = (-1, 0.0, change)
        for step in range(self.steps):
            change = change.detach().requires_grad_()
            with torch.enable_grad():
                scores = scores_of_inputs(situation.model, tampered_inputs(z, width, change))
                margin = situation.margin(scores)[situation.correct] / scale
                loss = torch.sigmoid(-sharpness * margin).sum()
                (slope,) = torch.autograd.grad(loss, change)
            reached = (*_count(margin), change.detach())
            best = reached if reached[:2] > best[:2] else best
            size = rate * (1 - step / self.steps) + budget / 50
            change = (change.detach() + size * slope.sign()).clamp(-budget, budget)
        return best


def _count(margin: Tensor) -> tuple[int, float]:
    return int((margin <= 0).sum()), -float(margin.clamp(min=0).mean()) if len(margin) else 0.0


def _polished(situation: Situation, z: Tensor, width: Tensor, change: Tensor, budget: float) -> Tensor:
    """The change from which no single gain or offset at an end of its range breaks more."""
    if 2 * change.numel() > _WALKED:
        return change

    def value(candidate: Tensor) -> tuple[int, float]:
        scores = scores_of_inputs(situation.model, tampered_inputs(z, width, candidate))
        return _count(situation.margin(scores)[situation.correct])

    best, improved = value(change), True
    while improved:
        improved = False
        for place, end in product(range(change.numel()), (-budget, budget)):
            candidate = change.clone()
            candidate.view(-1)[place] = end
            reached = value(candidate)
            if reached > best:
                change, best, improved = candidate, reached, True
    return change
