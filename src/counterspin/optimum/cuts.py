r"""How far the part of a box below a plane is: closed forms for three norms, each a dual value.

.. math:: \min \|u\|_p \quad\text{s.t.}\quad l \le u \le h,\quad g^\top u \le \beta

The Lagrange dual has one multiplier and is piecewise linear (L1, L-infinity) or quadratic (L2) between at most 2d
breakpoints, so its maximum is found by looking at all of them. Whatever rounding does to the multiplier, a dual value
is a lower bound.
"""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["cut_distance", "nearest_end", "norm_of"]

# Relative: what the few sums of a dual value may lose to rounding.
_ROUNDING = 1e-13
_TINY = torch.finfo(torch.float64).tiny
_FLAT = 1e-100  # a slope below is none


def cut_distance(norm: str, low: Tensor, high: Tensor, gradient: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
    r"""Distance from the origin to a box below a plane, as a sound lower bound, and a point that nearly attains it.

    Args:
        norm: `"linf"`, `"l2"` or `"l1"`.
        low: lower corners `(rows, d)`, finite.
        high: upper corners `(rows, d)`.
        gradient: g `(rows, d)`.
        level: :math:`\beta` `(rows,)`.

    Returns:
        The distance `(rows,)`, infinite where the plane misses the box, and the points `(rows, d)`.

    Example:
        >>> one = torch.ones(1, 2).double()
        >>> distance, point = cut_distance("linf", -one, one, -one, torch.tensor([-0.5]).double())
        >>> round(distance.item(), 6), point.mul(4).round().tolist()
        (0.25, [[1.0, 1.0]])
    """
    lowest = torch.minimum(gradient * low, gradient * high)
    margin = _ROUNDING * ((gradient.abs() * torch.maximum(low.abs(), high.abs())).sum(dim=-1) + level.abs())
    level = level + margin
    distance, point = _SOLVERS[norm](low, high, gradient, level)
    distance = torch.maximum(distance, norm_of(norm, nearest_end(low, high))) * (1 - _ROUNDING)
    return distance.where(lowest.sum(dim=-1) <= level, torch.inf), point


def nearest_end(low: Tensor, high: Tensor) -> Tensor:
    """The point of each box `(rows, d)` that is nearest to the origin."""
    return torch.minimum(torch.maximum(low, torch.zeros_like(low)), high)


def norm_of(norm: str, u: Tensor) -> Tensor:
    """Norm of each row of `u` `(..., d)`."""
    return torch.linalg.vector_norm(u, ord={"linf": torch.inf, "l2": 2.0, "l1": 1.0}[norm], dim=-1)


def _linf(low: Tensor, high: Tensor, gradient: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
    # Within distance r the lowest g.u is -sum |g_i| min(r, e_i): the minimum of d + 1 linear functions of r.
    slope = gradient.abs()
    end = torch.where(gradient > 0, -low, high)
    ordered, order = end.sort(dim=-1)
    weight = slope.gather(-1, order)
    before = (weight * ordered).cumsum(dim=-1) - weight * ordered
    after = weight.flip(-1).cumsum(dim=-1).flip(-1)
    reach = (-level[:, None] - before) / after.clamp(min=_TINY)
    distance = reach.where(after > 0, -torch.inf).amax(dim=-1)
    distance = torch.maximum(distance, norm_of("linf", nearest_end(low, high)))
    step = -gradient.sign() * torch.minimum(distance[:, None], end)
    return distance, torch.minimum(torch.maximum(step, low), high)


def _l1(low: Tensor, high: Tensor, gradient: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
    # A fractional knapsack: from the nearest point of the box, room is bought where g is steepest.
    start = nearest_end(low, high)
    slope = gradient.abs()
    room = torch.where(gradient > 0, start - low, high - start)
    missing = (gradient * start).sum(dim=-1) - level
    # Any price gives a bound; one beyond 1/_FLAT would overflow against rooms that count for nothing.
    price = torch.where(slope > _FLAT, 1 / slope.clamp(min=_FLAT), 0.0)
    price = torch.cat([torch.zeros_like(price[:, :1]), price], dim=-1)
    spared = (room[:, None] * (price[..., None] * slope[:, None] - 1).clamp(min=0)).sum(dim=-1)
    distance = norm_of("l1", start) + (price * missing[:, None] - spared).amax(dim=-1)
    weight, order = slope.sort(dim=-1, descending=True)
    gain = weight * room.gather(-1, order)
    left = missing[:, None] - (gain.cumsum(dim=-1) - gain)
    taken = torch.minimum(left.clamp(min=0) / weight.clamp(min=_TINY), room.gather(-1, order))
    step = torch.zeros_like(taken).scatter(-1, order, taken)
    return distance, start - gradient.sign() * step


def _l2(low: Tensor, high: Tensor, gradient: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
    # u(t) = clip(-t g): g.u falls along t, linear between the breakpoints at which a coordinate meets an end.
    safe = torch.where(gradient == 0, torch.ones_like(gradient), gradient)
    breaks = torch.cat([-low / safe, -high / safe], dim=-1).where((gradient != 0).repeat(1, 2), 0.0)
    breaks = torch.cat([torch.zeros_like(breaks[:, :1]), breaks.clamp(min=0)], dim=-1).sort(dim=-1).values
    path = torch.minimum(torch.maximum(-breaks[..., None] * gradient[:, None], low[:, None]), high[:, None])
    excess = (path * gradient[:, None]).sum(dim=-1) - level[:, None]
    after = (excess > 0).sum(dim=-1, keepdim=True).clamp(max=breaks.shape[1] - 1)
    before = (after - 1).clamp(min=0)
    t0, t1, e0, e1 = (values.gather(-1, place) for values in (breaks, excess) for place in (before, after))
    share = (e0 / (e0 - e1).clamp(min=_TINY)).clamp(0, 1).where(e0 > 0, 0.0)
    multiplier = t0 + share * (t1 - t0)
    point = torch.minimum(torch.maximum(-multiplier * gradient, low), high)
    dual = 0.5 * point.square().sum(dim=-1) + multiplier[:, 0] * ((point * gradient).sum(dim=-1) - level)
    # The difference of two near-equal terms: its rounding is a share of the terms, not of the difference.
    size = 0.5 * point.square().sum(dim=-1) + multiplier[:, 0] * (point * gradient).abs().sum(dim=-1)
    return (2 * (dual - _ROUNDING * size)).clamp(min=0).sqrt(), point


_SOLVERS: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    "linf": _linf,
    "l2": _l2,
    "l1": _l1,
}
