"""Fast gradient (sign) method (Goodfellow et al., arXiv:1412.6572)."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from counterspin.attacks.base import Attack, Ball
from counterspin.attacks.gradients import Autodiff, GradientSource
from counterspin.attacks.losses import CrossEntropy, Loss
from counterspin.attacks.oracle import Oracle

__all__ = ["FGSM"]


@dataclass(frozen=True, kw_only=True)
class FGSM(Attack):
    r"""One step of full length from the clean input.

    .. math:: x + \varepsilon\, s(\nabla_x \ell(f(x), y))

    with :math:`s` the steepest direction of the norm (the sign for L-infinity). A baseline: an iterative attack that
    breaks less is broken itself. Deterministic, so further restarts repeat it.

    Args:
        loss: what is ascended.
        gradient: where the gradient comes from.

    Example:
        >>> FGSM().config["loss"]["kind"]
        'CrossEntropy'
    """

    loss: Loss = field(default_factory=CrossEntropy)
    gradient: GradientSource = field(default_factory=Autodiff)

    requires = ("gradient",)
    norms = ("linf", "l2", "l1", "l0")

    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        x = ball.center
        oracle.scores(ball.project(x + ball.radius * ball.steepest(oracle.gradient(x, self.loss))))
