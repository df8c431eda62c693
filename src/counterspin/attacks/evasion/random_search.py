"""Local random search: draws around the best point so far, from a ball that shrinks."""

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from counterspin.attacks.base import Attack, Ball
from counterspin.attacks.losses import CW, Loss
from counterspin.attacks.oracle import Oracle
from counterspin.errors import UsageError

__all__ = ["RandomSearch"]


@dataclass(frozen=True, kw_only=True)
class RandomSearch(Attack):
    r"""Draws around the best point so far, kept where the loss rises.

    .. math:: z \sim U\bigl(B(x_t, r_t)\bigr),\qquad r_t = \varepsilon\, \rho^{\,t / T}

    with the last radius :math:`\rho\,\varepsilon` and :math:`T` queries; every draw is projected into the threat's
    ball as well. It needs scores only and no step size. The first radii cover the ball, the last ones polish. A radius
    that adapts to success (the one-fifth rule) broke less on periodic loss surfaces: it shrinks into the first hollow.

    Args:
        queries: model evaluations per sample and start.
        smallest: last radius, as a share of the budget.
        loss: what has to rise for a draw to be kept.

    Raises:
        UsageError: a smallest radius that is no share of the budget.

    Example:
        >>> RandomSearch().name
        'random-search'
    """

    queries: int = 2000
    smallest: float = 0.1
    loss: Loss = field(default_factory=CW)

    norms = ("linf", "l2", "l1")
    knowledge = "black"

    def __post_init__(self) -> None:
        """Refuse a smallest radius that is no share of the budget."""
        super().__post_init__()
        if not (math.isfinite(self.smallest) and 0 < self.smallest <= 1):
            raise UsageError(f"smallest is {self.smallest}; it must be above 0 and at most 1, for example 0.1.")

    @property
    def name(self) -> str:
        """`random-search`."""
        return "random-search"

    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        x = ball.random_point(start, generator)
        value = oracle.value(x, self.loss)
        for query in range(1, self.queries):
            if oracle.finished:
                return
            radius = self.smallest ** (query / self.queries) * ball.radius
            draw = ball.project(replace(ball, center=x, radius=radius).random_point(x, generator))
            found = oracle.value(draw, self.loss)
            better = found > value
            x, value = torch.where(better[:, None], draw, x), torch.where(better, found, value)
