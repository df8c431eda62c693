"""Decoupled direction and norm, in L2 (Rony et al., arXiv:1811.09600)."""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from counterspin.attacks.ball import Ball
from counterspin.attacks.evasion.nearby import aims, first_order, near_start
from counterspin.attacks.gradients import Autodiff, GradientSource
from counterspin.attacks.minimum_norm import MinimumNorm
from counterspin.attacks.oracle import Oracle
from counterspin.attacks.schedules import cosine

__all__ = ["DDN"]


@dataclass(frozen=True, kw_only=True)
class DDN(MinimumNorm):
    r"""Turns the direction by the gradient, and the length by whether the point breaks the sample.

    .. math::
        \varepsilon_{t+1} = (1 \mp \gamma)\,\varepsilon_t, \qquad
        \delta_{t+1} = \varepsilon_{t+1}\, \frac{\delta_t + \alpha_t \varepsilon_t \nabla\ell / \|\nabla\ell\|}
            {\|\delta_t + \alpha_t \varepsilon_t \nabla\ell / \|\nabla\ell\|\|}

    cut by the box. Departures from the paper: the margin is ascended and not the cross-entropy, whose gradient vanishes
    for confident models; :math:`\varepsilon_0` is the first-order distance to the boundary and the step a share of
    :math:`\varepsilon_t`, so that nothing depends on the scale of the features; :math:`\gamma` falls with
    :math:`\alpha_t`, without which the length keeps swinging by 5 %.

    Args:
        steps: gradient steps.
        step_size: :math:`\alpha_0`.
        gamma: :math:`\gamma_0`.
        gradient: where the gradient comes from.

    Example:
        >>> DDN().norms
        ('l2',)
    """

    steps: int = 200
    restarts: int = 5
    step_size: float = 1.0
    gamma: float = 0.05
    gradient: GradientSource = field(default_factory=Autodiff)

    requires = ("gradient",)
    norms = ("l2",)

    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        x = near_start(oracle, ball, generator)
        loss, rival = aims(oracle, x, ball.norm)
        size: Tensor | None = None
        for step in range(self.steps):
            if oracle.finished:
                return
            value, gradient = oracle.value_and_gradient(x, loss, rival)
            alpha = cosine(self.step_size, 1e-4 * self.step_size, step, self.steps)
            gamma = cosine(self.gamma, 1e-4 * self.gamma, step, self.steps)
            delta = x - ball.center
            if size is None:
                slope = first_order(gradient, ball.norm)
                size = torch.where(slope > 0, ball.size(delta) + value.abs()[:, None] / slope, ball.radius)
            delta = delta + alpha * size * ball.steepest(gradient)
            size = torch.minimum(torch.where((value >= 0)[:, None], 1 - gamma, 1 + gamma) * size, ball.radius)
            length = ball.size(delta)
            stretched = torch.where(length > 0, size / length, 0.0) * delta
            x = replace(ball, radius=size).project(ball.center + stretched)
        oracle.scores(x)
