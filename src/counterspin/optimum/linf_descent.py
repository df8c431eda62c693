r"""Points near a sample at which a quadratic margin vanishes: minimum-norm descent in the L-infinity norm.

Accelerated projected gradients on the margin inside the ball of the current radius. Wherever the margin is not above 0
the step is shortened to its first zero on the way, :math:`h + 2 t\,b^T v + t^2 v^T G v = 0`, and the ball shrinks a
little below it; where the descent does not follow, it shrinks less. The result is an upper bound on the radius.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.optimum.linf_problem import LinfProblem

__all__ = ["LinfPoints", "descend", "shortened", "starts"]

_STRIDE = 5
_PATIENCE = 3
_GROWTH = 1.6
_LARGEST_CORNERS = 10
# A shortened step ends this share behind the zero, where rounding cannot hide the flip.
_BEHIND = 1e-9


@dataclass(frozen=True, kw_only=True)
class LinfPoints:
    """Flipping steps.

    Args:
        radius: length of the step `(rows,)` in the L-infinity norm; infinite where none was found.
        steps: the steps `(rows, n)`, 0 where none was found.
    """

    radius: Tensor
    steps: Tensor


def starts(problem: LinfProblem, radius: Tensor, count: int, generator: torch.Generator) -> list[Tensor]:
    """Where descents start `(rows, n)`: the corner downhill, the lowest corner of all in low dimension, random points.

    Args:
        problem: the margins.
        radius: of the balls `(rows,)`.
        count: how many random starts follow.
        generator: draws them.
    """
    low, high = problem.ball(radius)
    found = [torch.where(problem.slope > 0, low, high)]
    n = low.shape[1]
    if n <= _LARGEST_CORNERS:
        bits = (torch.arange(2**n)[:, None] >> torch.arange(n)) & 1
        best, value = found[0], problem.margin(found[0])
        for pattern in bits.bool():
            corner = torch.where(pattern, high, low)
            height = problem.margin(corner)
            best = torch.where((height < value)[:, None], corner, best)
            value = torch.minimum(value, height)
        found.append(best)
    for _ in range(count):
        share = torch.rand(low.shape, generator=generator, dtype=low.dtype)
        found.append(low + share * (high - low))
    return found


def descend(
    problem: LinfProblem, start: Tensor, radius: Tensor, *, finest: float = 1e-8, rounds: int = 100, grow: bool = True
) -> LinfPoints:
    """The shortest flipping step a descent finds.

    Args:
        problem: the margins, positive at the samples.
        start: where to start `(rows, n)`.
        radius: of the first ball `(rows,)`.
        finest: share of the radius by which the ball shrinks at least.
        rounds: rounds of gradient steps at most.
        grow: whether a ball without a flip grows (up to the box); otherwise the row is given up.
    """
    nearest, kept = torch.full_like(radius, torch.inf), torch.zeros_like(start)
    rows = torch.arange(len(start))
    part, e, z, best = problem, radius, start, nearest
    cut, idle = torch.full_like(e, 0.1), torch.zeros_like(e)
    for _ in range(rounds):
        z = _slide(part, z, e)
        flipped = part.margin(z) <= 0
        z = torch.where(flipped[:, None], shortened(part, z), z)
        length = z.abs().amax(dim=1)
        better = flipped & (length < best)
        best = torch.where(better, length, best)
        kept[rows[better]], nearest[rows[better]] = z[better], length[better]
        idle = torch.where(better, 0.0, idle + 1)
        tired, known = idle >= _PATIENCE, torch.isfinite(best)
        idle = idle.masked_fill(tired, 0.0)
        cut = torch.where(tired & known, cut / 10, cut)
        done = (cut < finest) | (tired & ~known & ((e >= part.reach()) | (not grow)))
        wider = torch.where(tired, torch.minimum(_GROWTH * e, part.reach()), e)
        e = torch.where(known, best * (1 - cut), wider)
        left = (~done).nonzero()[:, 0]
        if len(left) == 0:
            break
        if len(left) < len(rows):
            rows, part = rows[left], part.take(left)
            e, best, z, cut, idle = e[left], best[left], z[left], cut[left], idle[left]
    return LinfPoints(radius=nearest, steps=kept)


def shortened(problem: LinfProblem, v: Tensor) -> Tensor:
    """The steps `(rows, n)` cut off right behind the first zero of the margin; steps that reach none stay.

    A step never gets longer.
    """
    bend = (v * (v @ problem.pair.form)).sum(dim=1)
    fall = 2 * (problem.slope * v).sum(dim=1)
    height = problem.height + problem.behind
    root = (fall.square() - 4 * bend * height).clamp(min=0).sqrt()
    share = 2 * height * (1 + _BEHIND) / (root - fall)
    return torch.where((share > 0) & (share < 1), share, 1.0)[:, None] * v


def _slide(problem: LinfProblem, z: Tensor, radius: Tensor) -> Tensor:
    """A few accelerated projected gradient steps on the margin inside the ball."""
    low, high = problem.ball(radius)
    lowest, highest = problem.pair.spectrum
    rate = 1 / max(highest, 1e-3 * -lowest, torch.finfo(torch.float64).tiny)
    z = ahead = torch.minimum(torch.maximum(z, low), high)
    for count in range(_STRIDE):
        gradient = ahead @ problem.pair.form + problem.slope
        fresh = torch.minimum(torch.maximum(ahead - rate * gradient, low), high)
        ahead, z = fresh + count / (count + 3) * (fresh - z), fresh
    return z
