"""Coordinates between 0 and 1, the only ones every foreign tool handles correctly."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.attacks.ball import Ball
from counterspin.errors import ConditionsError
from counterspin.types import Box

__all__ = ["UnitFrame"]


@dataclass(frozen=True, eq=False)
class UnitFrame:
    r"""Features as :math:`u = (x - l) / s`, with one scale for all of them: balls of a norm stay balls of that norm.

    The scale is the widest span. Where a feature's own span is narrower, tools that clip to [0, 1] leave the box;
    `to_features` puts such points back, which brings every coordinate closer to any point of the box.

    Args:
        lower: lowest value of each feature `(features,)`.
        upper: highest value of each feature `(features,)`.

    Example:
        >>> frame = UnitFrame.of(Box.uniform(-1.0, 1.0, features=2))
        >>> frame.to_unit(torch.tensor([[0.0, 1.0]])).tolist(), frame.to_features(torch.tensor([[0.5, 1.0]])).tolist()
        ([[0.5, 1.0]], [[0.0, 1.0]])
    """

    lower: Tensor
    upper: Tensor

    @classmethod
    def of(cls, box: Box) -> UnitFrame:
        """The frame of a bounded box.

        Raises:
            ConditionsError: a feature is unbounded or periodic.
        """
        if bool(box.periodic.any()) or not bool(torch.isfinite(box.upper - box.lower).all()):
            raise ConditionsError(
                "the model's box has periodic or unbounded features; Foolbox, ART and AutoAttack clip every feature "
                "to a finite interval, so give the model a box with finite bounds."
            )
        return cls(box.lower, box.upper)

    @classmethod
    def around(cls, ball: Ball) -> UnitFrame:
        """A frame that holds every admissible point: the box where it is finite, else as far as the balls reach."""
        lower, upper = ball.lower.amin(dim=0), ball.upper.amax(dim=0)
        nearest, farthest = (ball.center - ball.radius).amin(dim=0), (ball.center + ball.radius).amax(dim=0)
        return cls(
            torch.where(torch.isfinite(lower), lower, nearest), torch.where(torch.isfinite(upper), upper, farthest)
        )

    @property
    def scale(self) -> float:
        """How many units of the features are one unit here."""
        return float((self.upper - self.lower).amax())

    def to_unit(self, x: Tensor) -> Tensor:
        """Coordinates `(batch, features)` in [0, 1] of features `x` `(batch, features)` inside the bounds."""
        return ((x - self.lower.to(x)) / self.scale).clamp(0.0, 1.0)

    def to_features(self, u: Tensor) -> Tensor:
        """Features `(batch, features)` of coordinates `u`, inside the bounds, attached to autograd."""
        return torch.clamp(self.lower.to(u) + self.scale * u, self.lower.to(u), self.upper.to(u))
