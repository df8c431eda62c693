"""Momentum iterative method (Dong et al., arXiv:1710.06081)."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from counterspin.attacks.base import Attack, Ball
from counterspin.attacks.gradients import Autodiff, GradientSource
from counterspin.attacks.losses import CrossEntropy, Loss
from counterspin.attacks.oracle import Oracle
from counterspin.errors import UsageError

__all__ = ["MIM"]


@dataclass(frozen=True, kw_only=True)
class MIM(Attack):
    r"""The basic iterative method along an accumulated gradient.

    .. math::
        g_{t+1} &= \mu\, g_t + \frac{\nabla_x \ell(f(x_t), y)}{\|\nabla_x \ell(f(x_t), y)\|_1} \\
        x_{t+1} &= \Pi_B\bigl(x_t + \tfrac{\varepsilon}{T}\, s(g_{t+1})\bigr),\qquad x_0 = x,\ g_0 = 0

    with :math:`s` the steepest direction of the norm and :math:`T` steps. Decay 0 is BIM. Made for transfer between
    models; on the model itself a baseline. It has no random start, so further restarts repeat it.

    Args:
        steps: gradient steps.
        decay: share :math:`\mu` of the accumulated gradient that is kept, at least 0; 1 in the paper.
        loss: what is ascended.
        gradient: where the gradient comes from.

    Raises:
        UsageError: a decay that is negative or not finite.

    Example:
        >>> MIM().config["decay"]
        1.0
    """

    steps: int = 10
    decay: float = 1.0
    loss: Loss = field(default_factory=CrossEntropy)
    gradient: GradientSource = field(default_factory=Autodiff)

    requires = ("gradient",)
    norms = ("linf", "l2", "l1")

    def __post_init__(self) -> None:
        """Refuse a decay that is none."""
        super().__post_init__()
        if not (math.isfinite(self.decay) and self.decay >= 0):
            raise UsageError(f"decay is {self.decay}; it must be finite and at least 0, for example 1.0.")

    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        x, total = ball.center, torch.zeros_like(ball.center)
        for _ in range(self.steps):
            if oracle.finished:
                return
            gradient = oracle.gradient(x, self.loss)
            length = gradient.abs().sum(dim=1, keepdim=True)
            total = self.decay * total + torch.where(length > 0, gradient / length, 0.0)
            x = ball.project(x + ball.radius / self.steps * ball.steepest(total))
        oracle.scores(x)
