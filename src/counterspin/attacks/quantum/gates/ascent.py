"""Gradient ascent on the angles of gates that an attacker adds to a circuit: one set of angles for all samples."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from counterspin.attacks.losses import verdict_margin

__all__ = ["ascend", "descend", "soft_count"]


def soft_count(margins: Tensor, scale: float) -> Tensor:
    """About how many samples are not broken: a sum of sigmoids of the margins `(batch,)`.

    Example:
        >>> soft_count(torch.tensor([10.0, -10.0]), 1.0).item()
        1.0
    """
    return torch.sigmoid(margins / scale).sum()


def ascend(
    scores: Callable[[Tensor], Tensor],
    start: Tensor,
    y: Tensor,
    *,
    target: int | None,
    limit: float,
    steps: int,
) -> Tensor:
    """Angles `(angles,)` within `limit` in the largest norm that break most samples, of all that were tried.

    Args:
        scores: angles -> scores `(batch, classes)`, attached to autograd.
        start: where to start.
        y: labels `(batch,)`.
        target: the class the attacker wants; None: any wrong one.
        limit: largest size of an angle.
        steps: of signed gradient ascent, ever smaller.
    """
    wanted = None if target is None else torch.full_like(y, target)
    angles, best, record = start.clamp(-limit, limit), start.clamp(-limit, limit), None
    for step in range(steps + 1):
        with torch.enable_grad():
            own = angles.detach().clone().requires_grad_()
            margins = verdict_margin(scores(own), y, wanted)
            scale = float(margins.detach().abs().median()) + 1e-12
            (gradient,) = torch.autograd.grad(soft_count(margins, scale), own)
        kept = margins.detach()
        value = (int((kept <= 0).sum()), -float(kept.clamp(min=0).sum()))
        if record is None or value > record:
            record, best = value, own.detach()
        size = 0.5 * limit * (1 - step / (steps + 1))
        angles = (own.detach() - size * gradient.sign()).clamp(-limit, limit)
    return best


def descend(loss: Callable[[Tensor], Tensor], start: Tensor, *, steps: int, rate: float) -> Tensor:
    """Where Adam finds the smallest loss, of all points it visits, `start.shape`.

    Args:
        loss: one value, attached to autograd.
        start: where to start.
        steps: of Adam.
        rate: its learning rate, falling to a tenth.

    Example:
        >>> found = descend(lambda w: (w - 1).square().sum(), torch.zeros(2), steps=200, rate=0.1)
        >>> bool((found - 1).abs().max() < 0.01)
        True
    """
    point = start.detach().clone().requires_grad_()
    optimiser = torch.optim.Adam([point], lr=rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.1, max(1, steps))
    best, record = point.detach().clone(), float("inf")
    for _ in range(steps):
        with torch.enable_grad():
            optimiser.zero_grad()
            value = loss(point)
            value.backward()
        if float(value.detach()) < record:
            record, best = float(value.detach()), point.detach().clone()
        optimiser.step()
        schedule.step()
    return best
