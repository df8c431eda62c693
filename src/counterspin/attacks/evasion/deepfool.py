"""DeepFool (Moosavi-Dezfooli et al., arXiv:1511.04599): the weak reference among the minimum-norm attacks."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from counterspin.attacks.ball import Ball
from counterspin.attacks.evasion.nearby import first_order
from counterspin.attacks.gradients import Autodiff, GradientSource
from counterspin.attacks.losses import Gap
from counterspin.attacks.minimum_norm import MinimumNorm
from counterspin.attacks.oracle import Oracle

__all__ = ["DeepFool"]


@dataclass(frozen=True, kw_only=True)
class DeepFool(MinimumNorm):
    r"""Walks to the nearest boundary of the linearised model until the prediction changes.

    .. math::
        j = \arg\min_k \frac{|f_k|}{\|w_k\|_q}, \qquad
        \delta \leftarrow \delta + (1 + o)\, \frac{|f_j|}{\|w_j\|_q}\, s(w_j)

    with :math:`f_k = z_y - z_k`, its gradient :math:`w_k` and the dual norm :math:`q`. It stops at the first point that
    breaks the sample and never looks for a nearer one: on curved boundaries it ends several times too far away, which
    is why it counts in no suite.

    Args:
        steps: linearisations.
        rivals: classes tried in each, those with the highest clean scores.
        overshoot: :math:`o`.
        gradient: where the gradient comes from.

    Example:
        >>> DeepFool().name
        'deepfool'
    """

    steps: int = 50
    rivals: int = 10
    overshoot: float = 0.02
    gradient: GradientSource = field(default_factory=Autodiff)

    requires = ("gradient",)
    norms = ("linf", "l2")

    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        x = ball.project(start + 1e-3 * (ball.random_point(start, generator) - start))
        candidates = self._candidates(oracle, x)
        # A wrong class is reached where it passes the true one, a target where it passes them all.
        loss = Gap(pairwise=oracle.target is None)
        going = torch.ones(len(x), dtype=torch.bool, device=x.device)
        for _ in range(self.steps):
            if oracle.finished or not bool(going.any()):
                return
            step = torch.zeros_like(x)
            nearest = torch.full_like(ball.radius, torch.inf)
            for rival in candidates.unbind(dim=1):
                value, gradient = oracle.value_and_gradient(x, loss, rival)
                going &= value < 0
                slope = first_order(gradient, ball.norm)
                distance = torch.where(slope > 0, value.abs()[:, None] / slope, torch.inf)
                nearer = distance < nearest
                nearest = torch.where(nearer, distance, nearest)
                step = torch.where(nearer, distance * ball.steepest(gradient), step)
            moved = ball.project(x + (1 + self.overshoot) * step)
            x = torch.where(going[:, None], moved, x)
        oracle.scores(x)

    def _candidates(self, oracle: Oracle, x: Tensor) -> Tensor:
        """Classes to try for each row `(rows, tried)`: the target, or the strongest rivals."""
        scores = oracle.scores(x)
        if oracle.target is not None:
            return oracle.target.repeat(len(x) // len(oracle.y))[:, None]
        own = oracle.y.repeat(len(x) // len(oracle.y))[:, None]
        rivals = scores.scatter(1, own, -torch.inf)
        return rivals.topk(min(self.rivals, scores.shape[1] - 1), dim=1).indices
