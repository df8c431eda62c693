"""Natural evolution strategies (Ilyas et al., arXiv:1804.08598)."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from counterspin.attacks.base import Attack, Ball
from counterspin.attacks.evasion.estimation import check_estimator, estimated_gradient
from counterspin.attacks.losses import CW, Loss
from counterspin.attacks.oracle import Oracle
from counterspin.errors import UsageError

__all__ = ["NES"]


@dataclass(frozen=True, kw_only=True)
class NES(Attack):
    r"""Steepest ascent along a gradient estimated from scores in Gaussian directions, with momentum.

    .. math::
        g_{t+1} &= \mu\, g_t + (1 - \mu)\, \hat\nabla \ell(x_t) \\
        x_{t+1} &= \Pi_B\bigl(x_t + \alpha\,\varepsilon\, s(g_{t+1})\bigr)

    with :math:`\hat\nabla` of `estimated_gradient` and :math:`s` the steepest direction of the norm (the sign for
    L-infinity). It needs scores only: `2 * directions` queries per step and one at the end.

    Args:
        steps: steps per start.
        directions: antithetic pairs of queries per step.
        width: length of a probe as a share of the budget.
        step_size: step as a share of the budget.
        momentum: share of the accumulated gradient that is kept, from 0 to below 1.
        loss: what is ascended.

    Raises:
        UsageError: a number out of its range.

    Example:
        >>> NES().name
        'nes'
    """

    steps: int = 100
    directions: int = 10
    width: float = 0.1
    step_size: float = 0.1
    momentum: float = 0.5
    loss: Loss = field(default_factory=CW)

    norms = ("linf", "l2", "l1")
    knowledge = "black"

    def __post_init__(self) -> None:
        """Refuse numbers out of their range."""
        super().__post_init__()
        check_estimator(self.directions, self.width, self.step_size)
        if not 0 <= self.momentum < 1:
            raise UsageError(f"momentum is {self.momentum}; it must be at least 0 and below 1, for example 0.5.")

    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        x = ball.random_point(start, generator)
        total = torch.zeros_like(x)
        for _ in range(self.steps):
            if oracle.finished:
                return
            shape = (self.directions * x.shape[0], x.shape[1])
            draw = torch.randn(shape, generator=generator, dtype=x.dtype, device=generator.device).to(x.device)
            found = estimated_gradient(oracle, x, ball, draw, width=self.width, loss=self.loss)
            total = self.momentum * total + (1 - self.momentum) * found
            x = ball.project(x + self.step_size * ball.radius * ball.steepest(total, x))
        oracle.scores(x)
