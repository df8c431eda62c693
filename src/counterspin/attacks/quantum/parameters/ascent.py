"""Ascent of a soft count from several starts at once, in the manner of APGD (arXiv:2003.01690)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.attacks.directions import normalised
from counterspin.attacks.projections import norm_of
from counterspin.attacks.quantum.parameters.aims import Aim

__all__ = ["Found", "ascend", "better", "into_ball", "starts"]

_MOMENTUM = 0.75
_CHECKS = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """The best errors so far.

    Args:
        point: errors, or whatever is searched, `(parameters,)`.
        rank: as of the aim.
    """

    point: Tensor
    rank: float


def into_ball(point: Tensor, radius: float, norm: str) -> Tensor:
    """Each row of `point` `(lanes, parameters)`, brought into the ball around 0: exactly, in floating point."""
    if norm == "linf":
        return point.clamp(-radius, radius)
    inside = point * (radius / norm_of(point, norm).clamp_min(torch.finfo(point.dtype).tiny)).clamp(max=1.0)
    # The product is rounded and may lie some units in the last place too far.
    eps = torch.finfo(point.dtype).eps
    return torch.where(norm_of(inside, norm) > radius, inside * (1 - 8 * eps), inside)


def starts(
    lanes: int, parameters: int, radius: float, norm: str, before: Tensor | None, generator: torch.Generator
) -> Tensor:
    """Where to start `(lanes, parameters)`: at 0 and at what a smaller budget found, from the fifth lane on at random.

    Args:
        lanes: how many.
        parameters: how many are searched.
        radius: of the ball.
        norm: of the ball.
        before: what was found at a smaller budget `(parameters,)`, or None.
        generator: source of the random ones.
    """
    found = torch.zeros(lanes, parameters, dtype=torch.float64)
    if before is not None:
        found[1:4:2] = before
    if lanes > 4:
        drawn = torch.randn(lanes - 4, parameters, dtype=torch.float64, generator=generator)
        found[4:] = radius * (drawn.sign() if norm == "linf" else normalised(drawn))
    return found


def ascend(
    scores: Callable[[Tensor], Tensor],
    aim: Aim,
    start: Tensor,
    temperature: Tensor,
    *,
    radius: float,
    norm: str,
    steps: int,
) -> Found:
    """The best point met on steepest ascents with momentum; where one stalls it returns to its best, at half the step.

    Args:
        scores: `(lanes, batch, classes)` of points `(lanes, parameters)`, attached to autograd.
        aim: what is ascended, and what is best.
        start: `(lanes, parameters)`.
        temperature: of each lane `(lanes,)`.
        radius: of the ball around 0.
        norm: `"linf"` or `"l2"`.
        steps: gradients per lane.
    """
    point = previous = into_ball(start, radius, norm)
    step = torch.full_like(point[:, :1], radius if norm == "l2" else 2 * radius)
    top = torch.full_like(temperature, -torch.inf)
    top_point, gained = point, torch.zeros_like(top)
    top_gradient = torch.zeros_like(point)
    best = Found(point=torch.zeros_like(point[0]), rank=-torch.inf)
    window = max(2, steps // _CHECKS)
    for number in range(1, steps + 1):
        with torch.enable_grad():
            at = point.detach().requires_grad_()
            found = scores(at)
            value = aim.soft(found, temperature)
            (gradient,) = torch.autograd.grad(value.sum(), at)
        best = better(best, point, aim.rank(found.detach()))
        rises = value.detach() > top
        top = torch.where(rises, value.detach(), top)
        top_point = torch.where(rises[:, None], point, top_point)
        top_gradient = torch.where(rises[:, None], gradient, top_gradient)
        gained = gained + rises
        if number % window == 0:
            stalled = (gained < window / 2)[:, None]
            step = torch.where(stalled, step / 2, step)
            point, previous = torch.where(stalled, top_point, point), torch.where(stalled, top_point, previous)
            gradient, gained = torch.where(stalled, top_gradient, gradient), torch.zeros_like(gained)
        direction = gradient.sign() if norm == "linf" else normalised(gradient)
        moved = into_ball(point + step * direction, radius, norm)
        moved = into_ball(point + _MOMENTUM * (moved - point) + (1 - _MOMENTUM) * (point - previous), radius, norm)
        point, previous = moved, point
    return better(best, point, aim.rank(scores(point)))


def better(best: Found, points: Tensor, ranks: Tensor) -> Found:
    """The best of `points` `(lanes, parameters)` with ranks `(lanes,)`, if it is better than what is known."""
    lane = int(ranks.argmax())
    return Found(point=points[lane].clone(), rank=float(ranks[lane])) if float(ranks[lane]) > best.rank else best
