"""The attack of Carlini and Wagner in L2 (arXiv:1608.04644)."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from counterspin.attacks.ball import Ball
from counterspin.attacks.evasion.nearby import aims, first_order, near_start
from counterspin.attacks.gradients import Autodiff, GradientSource
from counterspin.attacks.losses import Gap
from counterspin.attacks.minimum_norm import MinimumNorm
from counterspin.attacks.oracle import Oracle
from counterspin.attacks.schedules import cosine

__all__ = ["CarliniWagner"]

# Factor between two constants while only one side of the right one is known.
_WIDEN = 4.0


@dataclass(frozen=True, kw_only=True)
class CarliniWagner(MinimumNorm):
    r"""Adam on a penalised distance, with a search for the weight of the penalty.

    .. math:: \min_\delta\ \|\delta\|_2^2 + c \cdot \max\bigl(m(x + \delta), 0\bigr)

    with the verdict margin :math:`m`. Departures from the paper: the box is kept by projection and not by a tanh, which
    has no gradient where a feature sits on its bound; lengths are measured in the first-order distance
    :math:`d_0 = m / \|\nabla m\|` and :math:`c` starts at :math:`2 d_0 / \|\nabla m\|`, the multiplier of a linear
    model, so that neither depends on the scale of features or scores; the learning rate falls along a cosine.

    Args:
        steps: Adam steps for each constant.
        searches: constants tried.
        learning_rate: of Adam, in units of :math:`d_0`.
        gradient: where the gradient comes from.

    Example:
        >>> CarliniWagner().name
        'cw'
    """

    steps: int = 200
    searches: int = 5
    restarts: int = 5
    learning_rate: float = 0.1
    gradient: GradientSource = field(default_factory=Autodiff)

    requires = ("gradient",)
    norms = ("l2",)

    @property
    def name(self) -> str:
        """`cw`."""
        return "cw"

    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        x = near_start(oracle, ball, generator)
        loss, rival = aims(oracle, x, ball.norm)
        value, gradient = oracle.value_and_gradient(x, loss, rival)
        slope = first_order(gradient, ball.norm)
        unit = torch.where(slope > 0, value.abs()[:, None] / slope, ball.radius).minimum(ball.radius)
        unit = torch.where(unit > 0, unit, ball.radius)
        weight = torch.where(slope > 0, 2 * unit / slope, 1.0)
        low, high = torch.zeros_like(weight), torch.full_like(weight, torch.inf)
        for _ in range(self.searches):
            if oracle.finished:
                return
            won = self._descend(oracle, ball, x, unit, weight, loss, rival)
            low, high = torch.where(won, low, weight), torch.where(won, weight, high)
            between = torch.where(low > 0, (low * high).sqrt(), high / _WIDEN)
            weight = torch.where(torch.isinf(high), low * _WIDEN, between)

    def _descend(
        self, oracle: Oracle, ball: Ball, x: Tensor, unit: Tensor, weight: Tensor, loss: Gap, rival: Tensor | None
    ) -> Tensor:
        """One run of Adam from `x`; whether each row broke its sample on the way `(rows, 1)`."""
        won = torch.zeros_like(weight, dtype=torch.bool)
        shift = ((x - ball.center) / unit).requires_grad_()
        adam = torch.optim.Adam([shift], lr=self.learning_rate)
        for step in range(self.steps):
            value, gradient = oracle.value_and_gradient(x, loss, rival)
            crossed = (value >= 0)[:, None]
            won |= crossed
            with torch.no_grad():
                # Everything over unit²: the penalty of the same size as the squared length of `shift`.
                # Beyond the boundary the penalty is flat.
                shift.grad = 2 * shift - torch.where(crossed, 0.0, weight * gradient / unit)
                adam.param_groups[0]["lr"] = cosine(self.learning_rate, 0.01 * self.learning_rate, step, self.steps)
                adam.step()
                x = ball.project(ball.center + unit * shift)
                shift.copy_((x - ball.center) / unit)
        return won
