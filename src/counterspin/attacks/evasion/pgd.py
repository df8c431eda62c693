"""Projected gradient descent (Madry et al., arXiv:1706.06083)."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from counterspin.attacks.base import Attack, Ball
from counterspin.attacks.gradients import Autodiff, GradientSource
from counterspin.attacks.losses import Loss, Margin
from counterspin.attacks.oracle import Oracle
from counterspin.errors import UsageError

__all__ = ["PGD"]


@dataclass(frozen=True, kw_only=True)
class PGD(Attack):
    r"""Steepest ascent on a loss inside the threat model's ball.

    .. math:: x_{t+1} = \Pi_{B}\bigl(x_t + \alpha\,\varepsilon\, s(\nabla_x \ell(f(x_t), y))\bigr)

    with :math:`s` the steepest direction of the norm (the sign for L-infinity).

    Args:
        steps: gradient steps per start.
        step_size: step as a fraction of the budget.
        loss: what is ascended. The margin suits logits, probabilities and expectation values alike.
        gradient: where the gradient comes from.

    Example:
        >>> PGD(steps=20).config["steps"]
        20
    """

    steps: int = 40
    step_size: float = 0.1
    loss: Loss = field(default_factory=Margin)
    gradient: GradientSource = field(default_factory=Autodiff)

    requires = ("gradient",)
    norms = ("linf", "l2", "l1")

    def __post_init__(self) -> None:
        """Refuse a step that goes nowhere."""
        super().__post_init__()
        if not (math.isfinite(self.step_size) and self.step_size > 0):
            raise UsageError(f"step_size is {self.step_size}; it must be a finite fraction of the budget above 0.")

    @property
    def name(self) -> str:
        """`pgd` with the margin, `pgd-ce` and so on with another loss."""
        return "pgd" if isinstance(self.loss, Margin) else f"pgd-{self.loss.name}"

    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        x = ball.random_point(start, generator)
        for _ in range(self.steps):
            if oracle.finished:
                return
            gradient = oracle.gradient(x, self.loss)
            x = ball.project(x + self.step_size * ball.radius * ball.steepest(gradient, x))
        oracle.scores(x)
