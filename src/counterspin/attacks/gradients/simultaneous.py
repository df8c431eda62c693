"""SPSA: gradients from differences of the objective along random directions (Spall, IEEE TAC 37, 1992)."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from counterspin.attacks.gradients.base import Evaluation, GradientSource, Objective, check_count, check_generator
from counterspin.attacks.stochastic import call_cost
from counterspin.errors import UsageError
from counterspin.types import Classifier, Cost
from counterspin.validation import checked_scores

__all__ = ["SPSA"]


@dataclass(frozen=True, kw_only=True)
class SPSA(GradientSource):
    r"""Simultaneous perturbation: needs scores alone, so it serves black boxes, and stochastic models too.

    .. math:: \hat g = \frac{1}{m} \sum_{i=1}^m
        \frac{\ell(x + r\delta_i) - \ell(x - r\delta_i)}{2r}\, \delta_i, \qquad \delta_i \in \{-1, 1\}^d

    It is unbiased where the objective is quadratic, biased by :math:`O(r^2)` elsewhere, and its variance falls as
    :math:`1/m`; on a stochastic model every difference meets fresh randomness, so it estimates the gradient of the mean
    objective. The model is asked outside its box, by at most `radius`. It takes 2 `directions` + 1 forwards per sample:
    the last is the point itself, whose value and scores on a stochastic model are those of one draw.

    Args:
        directions: random directions m per gradient.
        radius: r, in feature units. Short against the scale on which the objective bends; long enough that the
            difference exceeds the model's own noise.

    Raises:
        UsageError: no direction, or a radius that is not a finite number above 0.
    """

    directions: int = 16
    radius: float = 0.05

    averages: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse settings that give no difference."""
        check_count("directions", self.directions)
        if not (math.isfinite(self.radius) and self.radius > 0):
            raise UsageError(f"radius is {self.radius}; it must be a finite number above 0, for example 0.05.")

    def check(self, model: Classifier) -> None:
        """Every model has scores."""

    def price(self, model: Classifier, rows: int) -> Cost:
        """Two calls per direction, and one at the points themselves."""
        return sum((call_cost(model, rows) for _ in range(2 * self.directions + 1)), Cost())

    def __call__(
        self, model: Classifier, x: Tensor, objective: Objective, generator: torch.Generator | None = None
    ) -> Evaluation:
        """Value and estimated gradient.

        Raises:
            UsageError: no generator.
        """
        source = check_generator(self, generator)
        gradient = torch.zeros_like(x)
        with torch.no_grad():
            scores = checked_scores(model, x)
            for _ in range(self.directions):
                signs = torch.randint(2, x.shape, generator=source, device=source.device)
                direction = (2 * signs - 1).to(x)
                rise = objective(checked_scores(model, x + self.radius * direction)) - objective(
                    checked_scores(model, x - self.radius * direction)
                )
                gradient += rise[:, None] / (2 * self.radius) * direction
            value = objective(scores)
        return Evaluation(scores, value, gradient / self.directions, self.price(model, len(x)))
