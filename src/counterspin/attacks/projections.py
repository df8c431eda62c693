"""Euclidean projections of a batch onto norm ball and box, feasible in floating point."""

import torch
from torch import Tensor

from counterspin.attacks.structure import Structure

__all__ = ["clip", "largest_changes", "norm_of", "onto_l0", "onto_l1", "onto_l2", "onto_linf"]

_ORDERS = {"linf": torch.inf, "l2": 2.0, "l1": 1.0}


def norm_of(delta: Tensor, norm: str, structure: Structure | None = None) -> Tensor:
    """Norm of each row of `delta` `(rows, features)`, `(rows, 1)`; in L0 the number of changed units."""
    if norm != "l0":
        return torch.linalg.vector_norm(delta, ord=_ORDERS[norm], dim=1, keepdim=True)
    changed = (delta != 0).to(delta)
    if structure is not None:
        changed = (structure.sums(changed) > 0).to(delta)
    return changed.sum(dim=1, keepdim=True)


def clip(x: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """Each value of `x` brought between its bounds, all `(rows, features)`."""
    return torch.minimum(torch.maximum(x, lower), upper)


def onto_linf(x: Tensor, center: Tensor, radius: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """The nearest point to each row of `x` with no change above `radius` `(rows, 1)`."""
    x = clip(torch.minimum(torch.maximum(x, center - radius), center + radius), lower, upper)
    # center ± radius is rounded and may lie one unit in the last place too far.
    return torch.where((x - center).abs() > radius, torch.nextafter(x, center), x)


def onto_l2(x: Tensor, center: Tensor, radius: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    r"""The nearest point to each row of `x` in L2 ball and box, for rows that lie outside.

    The minimiser is :math:`\mathrm{clip}(c + t(x - c))` with the largest :math:`t \le 1` that keeps it in the ball (the
    multiplier of the ball is :math:`1/t - 1`); :math:`t` in closed form from the sorted bounds.
    """
    step = x - center
    room = torch.where(step > 0, upper - center, center - lower)
    # The features in the order in which they hit their bound as t grows; those that do not move never do.
    hit = torch.where(step == 0, torch.inf, room / step.abs())
    hit, order = hit.sort(dim=1)
    ordered, room = step.gather(1, order), room.gather(1, order)
    finite = torch.isfinite(hit)
    bound = torch.where(finite, room, 0.0).square()
    stopped = bound.cumsum(dim=1)
    moving = ordered.square().flip(1).cumsum(dim=1).flip(1)  # of this feature and all later ones
    at_hit = torch.where(finite, stopped - bound + hit.square() * moving, torch.inf)
    squared = radius.square()
    count = (at_hit <= squared).sum(dim=1, keepdim=True)
    zero = torch.zeros_like(squared)
    rest = squared - torch.cat([zero, stopped], dim=1).gather(1, count)
    speed = torch.cat([moving, zero], dim=1).gather(1, count)
    reach = torch.where(speed > 0, (rest.clamp_min(0.0) / speed).sqrt(), 1.0).clamp(max=1.0)
    return _shrunk(clip(center + reach * step, lower, upper), "l2", center, radius, lower, upper)


def onto_l1(x: Tensor, center: Tensor, radius: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    r"""The nearest point to each row of `x` in L1 ball and box, for rows whose clipped point lies outside the ball.

    .. math::
        z_i = c_i + \operatorname{sign}(s_i)\,\min(\max(|s_i| - \lambda, 0),\, \text{room}_i),\quad s = x - c,
        \quad \sum_i |z_i - c_i| = r

    The sum falls in :math:`\lambda` in straight pieces between the values :math:`|s_i|`, where a feature comes to rest,
    and :math:`|s_i| - \text{room}_i`, where it leaves its bound; :math:`\lambda` is read off the piece that crosses
    :math:`r` (after Duchi et al. 2008; with a box as in arXiv:2103.01208).
    """
    step = x - center
    size = step.abs()
    # Bounds of a feature that does not move play no part.
    room = torch.where(step > 0, upper - center, center - lower).masked_fill(step == 0, 0.0)
    knots = torch.cat([size, (size - room).clamp_min(0.0)], dim=1)
    knots, order = knots.sort(dim=1, descending=True)
    slope = torch.where(order < size.shape[1], 1.0, -1.0).to(size).cumsum(dim=1)
    pieces = slope[:, :-1] * (knots[:, :-1] - knots[:, 1:])
    reached = torch.cat([torch.zeros_like(radius), pieces.cumsum(dim=1)], dim=1)
    # The last knot at which the sum is still within the radius starts the piece; its multiplier from direct sums.
    start = (reached <= radius).sum(dim=1, keepdim=True) - 1
    above = knots.gather(1, start)
    below = knots.gather(1, (start + 1).clamp(max=knots.shape[1] - 1))
    middle = (above + below) / 2
    moving = (size > middle) & (size - room <= middle)
    resting = torch.where(size - room > middle, room, 0.0).sum(dim=1, keepdim=True)
    active = moving.sum(dim=1, keepdim=True).to(size)
    free = torch.where(moving, size, 0.0).sum(dim=1, keepdim=True) + resting - radius
    multiplier = torch.where(active > 0, free / active, middle).clamp_min(0.0)
    change = step.sign() * torch.minimum((size - multiplier).clamp_min(0.0), room)
    return _shrunk(clip(center + change, lower, upper), "l1", center, radius, lower, upper)


def onto_l0(
    x: Tensor, center: Tensor, radius: Tensor, lower: Tensor, upper: Tensor, structure: Structure | None
) -> Tensor:
    """The nearest point to each row of `x` in the box with at most `radius` changed units."""
    point = clip(x, lower, upper)
    return torch.where(largest_changes(x, point, center, radius, structure), point, center)


def largest_changes(
    x: Tensor, point: Tensor, center: Tensor, count: Tensor, structure: Structure | None = None
) -> Tensor:
    """The features of the `count` `(rows, 1)` units whose change to `point` brings most squared distance to `x`.

    Returns:
        `(rows, features)` bool.
    """
    # |x - center|² - |x - point|², without squares that overflow.
    gain = (point - center) * ((x - center) + (x - point))
    gain = gain if structure is None else structure.sums(gain)
    rank = gain.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    kept = rank + 1 <= count
    return kept if structure is None else kept[:, structure.unit]


def _shrunk(point: Tensor, norm: str, center: Tensor, radius: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """`point`, made to satisfy the ball in floating point: it is outside by roundings at most."""
    # Rounding center + delta costs up to eps |point| and may leave a row outside: shrink it by that much, then by
    # more, and in the end give up the step.
    unit = torch.finfo(point.dtype).eps * (norm_of(point, norm) + radius)
    for slack in (unit, 4 * unit, 16 * unit):
        delta = point - center
        length = norm_of(delta, norm)
        ratio = torch.where(length > radius, (radius - slack).clamp_min(0.0) / length, 1.0)
        point = torch.where(length > radius, clip(center + ratio * delta, lower, upper), point)
    return torch.where(norm_of(point - center, norm) > radius, center, point)
