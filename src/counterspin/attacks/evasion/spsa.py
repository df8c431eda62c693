"""SPSA as an attack: Adam along gradients by simultaneous perturbation (Uesato et al., arXiv:1802.05666)."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from counterspin.attacks.base import Attack, Ball
from counterspin.attacks.evasion.estimation import check_estimator, estimated_gradient
from counterspin.attacks.losses import CW, Loss
from counterspin.attacks.oracle import Oracle

__all__ = ["SPSAAttack"]

# How slowly Adam (arXiv:1412.6980) forgets its first and second moment.
_FIRST, _SECOND = 0.9, 0.999


@dataclass(frozen=True, kw_only=True)
class SPSAAttack(Attack):
    r"""Ascent by Adam along a gradient estimated from scores in directions of random signs.

    .. math:: x_{t+1} = \Pi_B\Bigl(x_t + \alpha\,\varepsilon\, \frac{\hat m_t}{\sqrt{\hat v_t}}\Bigr)

    with the corrected moments :math:`\hat m, \hat v` of the gradients of `estimated_gradient`, whose queries stay in
    the ball. It needs scores only: `2 * directions` queries per step and one at the end. Adam moves each feature by
    about the same length, which suits L-infinity; L1, where few features should move, is left to other attacks. (The
    gradient source `SPSA` serves any attack with gradients, stochastic models too, and asks outside the ball.)

    Args:
        steps: steps per start.
        directions: antithetic pairs of queries per step.
        width: length of a probe as a share of the budget.
        step_size: step of each feature as a share of the budget.
        loss: what is ascended; the plain margin, as in the paper.

    Raises:
        UsageError: a number out of its range.

    Example:
        >>> SPSAAttack().name
        'spsa'
    """

    steps: int = 100
    directions: int = 10
    width: float = 0.1
    step_size: float = 0.1
    loss: Loss = field(default_factory=CW)

    knowledge = "black"

    def __post_init__(self) -> None:
        """Refuse numbers out of their range."""
        super().__post_init__()
        check_estimator(self.directions, self.width, self.step_size)

    @property
    def name(self) -> str:
        """`spsa`."""
        return "spsa"

    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        x = ball.random_point(start, generator)
        first, second = torch.zeros_like(x), torch.zeros_like(x)
        for step in range(1, self.steps + 1):
            if oracle.finished:
                return
            shape = (self.directions * x.shape[0], x.shape[1])
            draw = 2 * torch.randint(2, shape, generator=generator, device=generator.device).to(x) - 1
            gradient = estimated_gradient(oracle, x, ball, draw, width=self.width, loss=self.loss)
            first = _FIRST * first + (1 - _FIRST) * gradient
            second = _SECOND * second + (1 - _SECOND) * gradient.square()
            mean, spread = first / (1 - _FIRST**step), (second / (1 - _SECOND**step)).sqrt()
            x = ball.project(x + self.step_size * ball.radius * torch.where(spread > 0, mean / spread, 0.0))
        oracle.scores(x)
