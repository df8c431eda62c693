"""Basic iterative method (Kurakin, Goodfellow, Bengio, arXiv:1607.02533)."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from counterspin.attacks.base import Attack, Ball
from counterspin.attacks.gradients import Autodiff, GradientSource
from counterspin.attacks.losses import CrossEntropy, Loss
from counterspin.attacks.oracle import Oracle

__all__ = ["BIM"]


@dataclass(frozen=True, kw_only=True)
class BIM(Attack):
    r"""The fast gradient method in small steps, from the clean input.

    .. math:: x_0 = x,\qquad x_{t+1} = \Pi_B\bigl(x_t + \tfrac{\varepsilon}{T}\, s(\nabla_x \ell(f(x_t), y))\bigr)

    with :math:`s` the steepest direction of the norm (the sign for L-infinity) and :math:`T` steps; one step is FGSM.
    It has no random start: it never leaves a clean input without a gradient, and further restarts repeat it. A
    baseline from the literature on quantum classifiers (arXiv:2001.00030), not a measure of robustness.

    Args:
        steps: gradient steps.
        loss: what is ascended.
        gradient: where the gradient comes from.

    Example:
        >>> BIM().name
        'bim'
    """

    steps: int = 10
    loss: Loss = field(default_factory=CrossEntropy)
    gradient: GradientSource = field(default_factory=Autodiff)

    requires = ("gradient",)
    norms = ("linf", "l2", "l1")

    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        x = ball.center
        for _ in range(self.steps):
            if oracle.finished:
                return
            x = ball.project(x + ball.radius / self.steps * ball.steepest(oracle.gradient(x, self.loss)))
        oracle.scores(x)
