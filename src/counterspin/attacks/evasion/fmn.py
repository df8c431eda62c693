"""Fast minimum-norm attack in every norm (Pintor et al., arXiv:2102.12827)."""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from counterspin.attacks.ball import Ball
from counterspin.attacks.evasion.nearby import aims, first_order, near_start
from counterspin.attacks.gradients import Autodiff, GradientSource
from counterspin.attacks.minimum_norm import MinimumNorm
from counterspin.attacks.oracle import Oracle
from counterspin.attacks.schedules import cosine

__all__ = ["FMN"]


@dataclass(frozen=True, kw_only=True)
class FMN(MinimumNorm):
    r"""Steps up the margin loss inside a ball that closes in on the boundary.

    .. math::
        \varepsilon_{t+1} &= \begin{cases}
            \min(\varepsilon_t, \|\delta^*\|)\,(1 - \gamma_t) & \text{if } x + \delta_t \text{ breaks the sample} \\
            \|\delta_t\| + |\ell| / \|\nabla \ell\|_q & \text{if nothing has broken it yet} \\
            \varepsilon_t\,(1 + \gamma_t) & \text{otherwise} \end{cases} \\
        \delta_{t+1} &= \Pi_{\varepsilon_{t+1}}\bigl(\delta_t + \alpha_t\, \varepsilon_{t+1}\, s(\nabla \ell)\bigr)

    Both :math:`\alpha_t` and :math:`\gamma_t` fall along a cosine. Unlike the paper's, the step is a share of the
    current ball, so that nothing depends on the scale of the features; and the first restart alone starts beside the
    clean input, the others anywhere in the ball.

    Args:
        steps: gradient steps.
        step_size: :math:`\alpha_0`.
        gamma: :math:`\gamma_0`.
        gradient: where the gradient comes from.

    Example:
        >>> FMN().name
        'fmn'
    """

    steps: int = 200
    restarts: int = 5
    step_size: float = 1.0
    gamma: float = 0.05
    gradient: GradientSource = field(default_factory=Autodiff)

    requires = ("gradient",)
    norms = ("linf", "l2", "l1", "l0")

    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        x = near_start(oracle, ball, generator)
        loss, rival = aims(oracle, x, ball.norm)
        size, nearest = ball.radius, torch.full_like(ball.radius, torch.inf)
        for step in range(self.steps):
            if oracle.finished:
                return
            value, gradient = oracle.value_and_gradient(x, loss, rival)
            alpha = cosine(self.step_size, 1e-4 * self.step_size, step, self.steps)
            gamma = cosine(self.gamma, 1e-4 * self.gamma, step, self.steps)
            length = ball.size(x - ball.center)
            breaks = (value >= 0)[:, None]
            nearest = torch.where(breaks, torch.minimum(nearest, length), nearest)
            size = self._next_size(ball, size, length, nearest, breaks, value, gradient, gamma)
            closer = replace(ball, radius=size)
            x = closer.project(x + alpha * size * closer.steepest(gradient))
        oracle.scores(x)

    def _next_size(
        self,
        ball: Ball,
        size: Tensor,
        length: Tensor,
        nearest: Tensor,
        breaks: Tensor,
        value: Tensor,
        gradient: Tensor,
        gamma: float,
    ) -> Tensor:
        """Radius of the next ball of each row `(rows, 1)`, at most that of the threat."""
        slope = first_order(gradient, ball.norm)
        estimate = torch.where(slope > 0, length + value.abs()[:, None] / slope, ball.radius)
        shrink, grow = torch.minimum(size, nearest) * (1 - gamma), size * (1 + gamma)
        if ball.norm == "l0":
            # Whole features: by at least one either way.
            estimate, shrink = estimate.ceil().clamp_min(1.0), torch.minimum(shrink.floor(), nearest - 1).clamp_min(1.0)
            grow = torch.maximum(grow.ceil(), size + 1)
        chosen = torch.where(breaks, shrink, torch.where(torch.isinf(nearest), estimate, grow))
        return torch.minimum(chosen, ball.radius)
