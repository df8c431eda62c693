r"""Branch and bound for the nearest point at which given functions are no longer positive.

Each cell of the search, a box around a point c, is seen through linear minorants
:math:`f(z) \ge f(c) + g^\top (z - c) - s`. Where all of them stay positive the cell is proved; otherwise the part of it
below a plane has a known distance to the sample (`cuts`), which is the bound of the cell, and everything else is cut
off. Turned round, :math:`f(z) \le f(c) + g^\top (z - c) + s` shows points that must flip. Cells are taken nearest
first, hundreds at a time and of all samples together, so that the bracket holds wherever the search ends.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.optimum.cuts import cut_distance, nearest_end, norm_of

__all__ = ["Bracket", "Expansion", "branch_and_bound"]

_ROUNDING = 1e-13  # of coordinates, relative
_PULLS = 4
# Brackets are not closed beyond this share of the smallest length at which anything happens: next to a sample, values
# differ from 0 by rounding alone.
_RESOLUTION = 1e-9


@dataclass(frozen=True, eq=False, kw_only=True)
class Expansion:
    """Linear bounds of the functions of one cell each.

    Args:
        value: at the centre `(cells, functions)`.
        gradient: there `(cells, functions, d)`.
        below: how far the function may lie below the tangent plane within the cell `(cells, functions)`.
        above: how far above.
        floor: lower bound within the cell `(cells, functions)`, where one is known that is better than the plane's.
    """

    value: Tensor
    gradient: Tensor
    below: Tensor
    above: Tensor
    floor: Tensor


# From sample indices (cells,), offsets of the centres (cells, d) and half-widths (cells, d).
Expand = Callable[[Tensor, Tensor, Tensor], Expansion]


@dataclass(frozen=True, eq=False, kw_only=True)
class Bracket:
    """Distance of each sample to the nearest flip.

    Args:
        lower: `(samples,)`; infinite where the whole domain is proved.
        upper: distance of `offsets` `(samples,)`, infinite where none was found.
        offsets: steps to points that flip `(samples, d)`, 0 where none was found.
        nodes: cells looked at per sample `(samples,)`.
    """

    lower: Tensor
    upper: Tensor
    offsets: Tensor
    nodes: Tensor


@dataclass(eq=False)
class _Cells:
    row: Tensor
    low: Tensor
    high: Tensor
    bound: Tensor

    def take(self, index: Tensor) -> "_Cells":
        return _Cells(self.row[index], self.low[index], self.high[index], self.bound[index])

    def joined(self, other: "_Cells") -> "_Cells":
        return _Cells(
            torch.cat([self.row, other.row]),
            torch.cat([self.low, other.low]),
            torch.cat([self.high, other.high]),
            torch.cat([self.bound, other.bound]),
        )


def branch_and_bound(
    expand: Expand,
    low: Tensor,
    high: Tensor,
    *,
    norm: str,
    rule: str = "min",
    stiffness: Tensor,
    tolerance: float = 1e-4,
    nodes: int = 100_000,
    batch: int = 1024,
    beyond: float = 0.0,
    known: Tensor | None = None,
    limit: Tensor | None = None,
) -> Bracket:
    r"""Bracket the smallest norm of a step u in a box with :math:`\min_j f_j(u) \le 0`, or :math:`\max_j f_j(u) \le 0`.

    Args:
        expand: linear bounds of the functions of cells.
        low: lower ends of the domain of each sample `(samples, d)`, finite, not above 0.
        high: upper ends `(samples, d)`, not below 0.
        norm: `"linf"`, `"l2"` or `"l1"`.
        rule: `"min"`: one function that is not positive suffices; `"max"`: all must be.
        stiffness: how fast the functions may turn along each variable `(d,)`, for the choice of where to divide.
        tolerance: relative gap at which a sample is done; so is one with a gap of 1e-9 of its shortest variable, which
            reaches to the end of the domain or as far as it takes to turn by one radian.
        nodes: cells per sample, at most.
        batch: cells per call of `expand`.
        beyond: how far below 0 a function must be for a point to count as flipped.
        known: lower bounds from elsewhere `(samples,)`.
        limit: distance `(samples,)` at which a sample without a nearer flip is done; None: the search never stops
            there.
    """
    samples = len(low)
    cells = _Cells(torch.arange(samples), low.clone(), high.clone(), torch.zeros(samples, dtype=low.dtype))
    upper = torch.full((samples,), torch.inf, dtype=low.dtype)
    offsets = torch.zeros_like(low)
    lower = torch.zeros_like(upper) if known is None else known.clone()
    limit = upper.clone() if limit is None else limit
    resolution = _RESOLUTION * _shortest(low, high, stiffness)
    spent = torch.zeros(samples, dtype=torch.long)
    done = torch.zeros(samples, dtype=torch.bool)
    while True:
        ceiling = torch.minimum(upper, limit)
        cells = cells.take((cells.bound < ceiling[cells.row]).nonzero()[:, 0])
        nearest = torch.full_like(upper, torch.inf).scatter_reduce(0, cells.row, cells.bound, "amin")
        # A sample that is done has no cells left to speak for it.
        lower = torch.maximum(lower, torch.minimum(nearest, ceiling)).where(~done, lower)
        done = done | (lower >= torch.minimum((1 - tolerance) * upper - resolution, limit)) | (spent >= nodes)
        cells = cells.take((~done[cells.row]).nonzero()[:, 0])
        if not len(cells.row):
            return Bracket(lower=lower, upper=upper, offsets=offsets, nodes=spent)
        chosen = _nearest_of_each(cells, max(1, batch // int((~done).sum())))
        taken, rest = cells.take(chosen.nonzero()[:, 0]), cells.take((~chosen).nonzero()[:, 0])
        spent += torch.bincount(taken.row, minlength=samples)
        centre, half = (taken.low + taken.high) / 2, (taken.high - taken.low) / 2
        expansion = expand(taken.row, centre, half)
        _note_flips(expansion, expand, taken, centre, norm, rule, beyond, upper, offsets)
        ceiling = torch.minimum(upper, limit)
        cells = rest.joined(_halved(_narrowed(expansion, taken, centre, norm, rule, ceiling), stiffness))


def _shortest(low: Tensor, high: Tensor, stiffness: Tensor) -> Tensor:
    """The smallest length of each sample `(samples,)` at which anything happens; 0 where it cannot move."""
    reach = torch.maximum(-low, high)
    length = torch.minimum(reach, 1 / stiffness).where(reach > 0, torch.inf).amin(dim=1)
    return length.where(torch.isfinite(length), 0.0)


def _nearest_of_each(cells: _Cells, quota: int) -> Tensor:
    """The `quota` cells of each sample with the lowest bounds, as a mask."""
    order = cells.bound.argsort()
    order = order[cells.row[order].argsort(stable=True)]
    count = torch.bincount(cells.row)
    rank = torch.arange(len(order)) - (count.cumsum(0) - count)[cells.row[order]]
    return torch.zeros_like(order, dtype=torch.bool).index_fill(0, order[rank < quota], True)


def _narrowed(expansion: Expansion, cells: _Cells, centre: Tensor, norm: str, rule: str, ceiling: Tensor) -> _Cells:
    """What of each cell may hold a flip nearer than the `ceiling` `(samples,)`, with its distance as bound."""
    count, functions, d = expansion.gradient.shape
    level = (expansion.gradient * centre[:, None]).sum(dim=-1) - expansion.value + expansion.below
    low, high = (end[:, None].expand(-1, functions, -1) for end in (cells.low, cells.high))
    flat = (low.reshape(-1, d), high.reshape(-1, d), expansion.gradient.reshape(-1, d), level.reshape(-1))
    distance = cut_distance(norm, *flat)[0].reshape(count, functions)
    distance = distance.where(expansion.floor <= 0, torch.inf)
    low, high = _below_plane(low, high, expansion.gradient, level)
    if rule == "min":
        open_ = torch.isfinite(distance)[..., None]
        low, high = low.where(open_, torch.inf).amin(dim=1), high.where(open_, -torch.inf).amax(dim=1)
        bound = distance.amin(dim=1)
    else:
        low, high, bound = low.amax(dim=1), high.amin(dim=1), distance.amax(dim=1)
    within = _within_reach(cells.low, cells.high, ceiling[cells.row], norm)
    low, high = torch.maximum(low, within[0]), torch.minimum(high, within[1])
    bound = torch.maximum(bound, cells.bound)
    keep = (torch.isfinite(bound) & (low <= high).all(dim=-1)).nonzero()[:, 0]
    low, high = low[keep], high[keep]
    bound = torch.maximum(bound[keep], norm_of(norm, nearest_end(low, high)) * (1 - _ROUNDING))
    return _Cells(cells.row[keep], low, high, bound)


def _below_plane(low: Tensor, high: Tensor, gradient: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
    """The bounding box of the part of each box below its plane (the box itself where g is 0)."""
    lowest = torch.minimum(gradient * low, gradient * high)
    size = (gradient.abs() * torch.maximum(low.abs(), high.abs())).sum(dim=-1) + level.abs()
    left = level[..., None] - (lowest.sum(dim=-1, keepdim=True) - lowest) + 8 * _ROUNDING * size[..., None]
    end = left / gradient
    end = torch.where(torch.isfinite(end), end, torch.inf)
    pad = _ROUNDING * (low.abs() + high.abs())
    upper = torch.where(gradient > 0, torch.minimum(high, end + pad), high)
    lower = torch.where(gradient < 0, torch.maximum(low, end.where(torch.isfinite(end), -torch.inf) - pad), low)
    return lower, upper


def _within_reach(low: Tensor, high: Tensor, upper: Tensor, norm: str) -> tuple[Tensor, Tensor]:
    """Ends `(cells, d)` beyond which a step is longer than `upper` `(cells,)`."""
    nearest = nearest_end(low, high).abs()
    if norm == "linf":
        reach = upper[:, None].expand_as(low)
    elif norm == "l1":
        reach = upper[:, None] - (nearest.sum(dim=-1, keepdim=True) - nearest)
    else:
        squares = nearest.square()
        reach = (upper[:, None].square() - (squares.sum(dim=-1, keepdim=True) - squares)).clamp(min=0).sqrt()
    reach = reach * (1 + 8 * _ROUNDING)
    return torch.maximum(low, -reach), torch.minimum(high, reach)


def _halved(cells: _Cells, stiffness: Tensor) -> _Cells:
    """Both halves of each cell, divided where the functions may turn most."""
    width = cells.high - cells.low
    axis = (width * stiffness).argmax(dim=-1, keepdim=True)
    middle = ((cells.low + cells.high) / 2).gather(-1, axis)
    left = _Cells(cells.row, cells.low, cells.high.scatter(-1, axis, middle), cells.bound)
    return left.joined(_Cells(cells.row, cells.low.scatter(-1, axis, middle), cells.high, cells.bound))


def _note_flips(
    expansion: Expansion,
    expand: Expand,
    cells: _Cells,
    centre: Tensor,
    norm: str,
    rule: str,
    beyond: float,
    upper: Tensor,
    offsets: Tensor,
) -> None:
    """Ask about the centres and the nearest points at which a tangent plane vanishes; keep the nearest flips."""
    functions, d = expansion.gradient.shape[1:]
    level = (expansion.gradient * centre[:, None]).sum(dim=-1) - expansion.value - beyond
    low, high = (end[:, None].expand(-1, functions, -1).reshape(-1, d) for end in (cells.low, cells.high))
    row = cells.row.repeat_interleave(functions)
    ends = [(centre, cells.row, expansion.value)]
    distance, point = cut_distance(norm, low, high, expansion.gradient.reshape(-1, d), level.reshape(-1))
    worth = (distance < upper[row]).nonzero()[:, 0]
    if len(worth):
        row, point = row[worth], point[worth]
        ends.append((point, row, expand(row, point, torch.zeros_like(point)).value))
    improved = torch.zeros_like(upper, dtype=torch.bool)
    for where, owner, value in ends:
        improved |= _kept(where, owner, _deciding(value, rule)[0], norm, beyond, upper, offsets)
    rows = improved.nonzero()[:, 0]
    whole, share = offsets[rows], torch.ones(len(rows), 1, dtype=upper.dtype)
    for _ in range(_PULLS if len(rows) else 0):
        # Newton's steps along the ray to the sample: a point behind the boundary is drawn back to it.
        at = expand(rows, share * whole, torch.zeros_like(whole))
        value, index = _deciding(at.value, rule)
        _kept(share * whole, rows, value, norm, beyond, upper, offsets)
        slope = (at.gradient[torch.arange(len(rows)), index] * whole).sum(dim=-1)
        step = ((value + 2 * beyond) / slope).nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
        share = (share - step[:, None]).clamp(0.0, 1.0)


def _deciding(value: Tensor, rule: str) -> tuple[Tensor, Tensor]:
    """The value `(cells,)` whose sign tells whether a point flips, and which function has it."""
    found = value.min(dim=1) if rule == "min" else value.max(dim=1)
    return found.values, found.indices


def _kept(
    where: Tensor, owner: Tensor, value: Tensor, norm: str, beyond: float, upper: Tensor, offsets: Tensor
) -> Tensor:
    """Note points that flip nearer than the known ones; tells for which samples `(samples,)`."""
    far = norm_of(norm, where).where(value <= -beyond, torch.inf)
    best = upper.scatter_reduce(0, owner, far, "amin")
    better = ((far == best[owner]) & (far < upper[owner])).nonzero()[:, 0]
    offsets[owner[better]] = where[better]
    upper.copy_(best)
    return torch.zeros_like(upper, dtype=torch.bool).index_fill(0, owner[better], True)
