"""Auto-PGD: ascent with momentum that halves its own steps (Croce and Hein, arXiv:2003.01690)."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from counterspin.attacks.base import Attack, Ball
from counterspin.attacks.gradients import Autodiff, GradientSource
from counterspin.attacks.losses import CrossEntropy, Loss
from counterspin.attacks.oracle import Oracle

__all__ = ["APGD", "ascend", "checkpoints"]

# Constants of the paper: weight of the new step against momentum, and the share of improving steps below which a
# checkpoint halves the step.
MOMENTUM = 0.75
PROGRESS = 0.75


def checkpoints(steps: int) -> list[int]:
    r"""Steps after which the step size is reviewed.

    .. math:: w_j = \lceil p_j N \rceil,\quad p_0 = 0,\ p_1 = 0.22,\ p_{j+1} = p_j + \max(p_j - p_{j-1} - 0.03,\ 0.06)

    Example:
        >>> checkpoints(100)
        [22, 41, 57, 70, 80, 87, 93, 99]
    """
    # Whole hundredths: the sums would otherwise round across a step.
    marks, last, share = [], 0, 22
    while share <= 100:
        mark = -(-share * steps // 100)
        if mark < steps and (not marks or mark > marks[-1]):
            marks.append(mark)
        last, share = share, share + max(share - last - 3, 6)
    return marks


def ascend(oracle: Oracle, start: Tensor, ball: Ball, *, steps: int, loss: Loss, rival: Tensor | None = None) -> None:
    r"""The loop of Auto-PGD; see `APGD` for what it does.

    Args:
        oracle: answers the queries, `steps` gradients and one forward for each row.
        start: first point of each row `(rows, features)`.
        ball: admissible set of each row.
        steps: gradient steps.
        loss: what is ascended.
        rival: class each row goes for `(rows,)`; None: the target of the threat, or any wrong class.
    """
    x = before = start
    value, gradient = oracle.value_and_gradient(x, loss, rival)
    best, best_value, best_gradient = x, value, gradient
    size = 2 * ball.radius
    rises = torch.zeros_like(value)
    marks, since = checkpoints(steps), 0
    # The first checkpoint has none before it that could show a stall.
    last_value, last_halved = torch.full_like(value, -torch.inf), torch.ones_like(value, dtype=torch.bool)
    for step in range(1, steps + 1):
        if oracle.finished:
            return
        target = ball.project(x + size * ball.steepest(gradient, x))
        inertia = 1.0 if step == 1 else MOMENTUM
        moved = ball.project(x + inertia * (target - x) + (1 - inertia) * (x - before))
        x, before, old = moved, x, value
        if step == steps:
            oracle.scores(x)
            return
        value, gradient = oracle.value_and_gradient(x, loss, rival)
        rises += value > old
        better = value > best_value
        best = torch.where(better[:, None], x, best)
        best_gradient = torch.where(better[:, None], gradient, best_gradient)
        best_value = torch.where(better, value, best_value)
        if step not in marks:
            continue
        stalled = ~last_halved & (best_value <= last_value)
        halve = (rises < PROGRESS * (step - since)) | stalled
        row = halve[:, None]
        size = torch.where(row, size / 2, size)
        x, before = torch.where(row, best, x), torch.where(row, best, before)
        value, gradient = torch.where(halve, best_value, value), torch.where(row, best_gradient, gradient)
        last_value, last_halved, since = best_value, halve, step
        rises = torch.zeros_like(rises)


@dataclass(frozen=True, kw_only=True)
class APGD(Attack):
    r"""Projected ascent without a step size to choose.

    .. math::
        z_{t+1} &= \Pi_B\bigl(x_t + \eta\, s(\nabla \ell(x_t))\bigr) \\
        x_{t+1} &= \Pi_B\bigl(x_t + \alpha (z_{t+1} - x_t) + (1 - \alpha)(x_t - x_{t-1})\bigr),\quad \alpha = 0.75

    The step starts at twice the budget. At each checkpoint a row whose loss rose in fewer than 75 % of the steps, or
    whose step and best loss have not changed since the checkpoint before, halves its step and goes back to its best
    point (with its momentum at rest). Every row keeps its own step.

    Args:
        steps: gradient steps per start.
        loss: what is ascended; it names the attack, `apgd-ce` or `apgd-margin`.
        gradient: where the gradient comes from.

    Example:
        >>> APGD().name
        'apgd-ce'
    """

    steps: int = 100
    loss: Loss = field(default_factory=CrossEntropy)
    gradient: GradientSource = field(default_factory=Autodiff)

    requires = ("gradient",)
    norms = ("linf", "l2", "l1", "l0")

    @property
    def name(self) -> str:
        """`apgd-` and the name of the loss."""
        return f"apgd-{self.loss.name}"

    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        ascend(oracle, ball.random_point(start, generator), ball, steps=self.steps, loss=self.loss)
