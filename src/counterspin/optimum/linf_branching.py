r"""Branch and bound for quadratic margins over L-infinity balls: is the margin positive on the whole ball?

A node is a box of steps, its bound the relaxed margin. The loss of the relaxation, :math:`\sum_i s (v_i - a_i)(b_i -
v_i)` at its minimiser, falls with the square of the widths; the feature that loses most is split. A node is closed once
its bound is positive; a minimiser whose margin is not ends the search with a flip. Whatever is left when the budget
ends leaves the question open, never wrongly answered.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.optimum.linf_descent import LinfPoints, descend, shortened
from counterspin.optimum.linf_problem import LinfProblem

__all__ = ["BranchedRadius", "branched_radius", "settle"]

_EFFORT = 20
_WIDER = 4.0
_ROUNDS = 30
# Together in memory: nodes times features.
_ENTRIES = 2**20


@dataclass(frozen=True, kw_only=True)
class BranchedRadius:
    """A bracket per row.

    Args:
        lower: certified radius `(rows,)`.
        points: the nearest flipping steps that were met.
    """

    lower: Tensor
    points: LinfPoints


def branched_radius(problem: LinfProblem, lower: Tensor, upper: Tensor, *, gap: float, nodes: int) -> BranchedRadius:
    """Raise certified radii towards known flips.

    A hair below the known flip is asked first. A flip found there comes nearer, a proof ends the search, and where the
    budget runs out, ever smaller radii are: each four times as far from the known flip.

    Args:
        problem: the margins, positive at the samples.
        lower: certified radii `(rows,)`.
        upper: finite radii `(rows,)` of known flips, or beyond which nothing is asked.
        gap: relative width at which a bracket is closed.
        nodes: boxes each question may cost.
    """
    lower, upper = lower.clone(), upper.clone()
    nearest, steps = torch.full_like(upper, torch.inf), torch.zeros_like(problem.slope)
    below = torch.full_like(upper, 0.5 * gap)
    for _ in range(_ROUNDS):
        asked = upper * (1 - below)
        rows = ((lower < upper * (1 - gap)) & (lower < asked)).nonzero()[:, 0]
        if len(rows) == 0:
            break
        part = problem.take(rows)
        proved, met = settle(part, asked[rows], accuracy=0.05 * gap, nodes=nodes)
        lower[rows[proved]] = asked[rows[proved]]
        flipped = torch.isfinite(met.radius).nonzero()[:, 0]
        polished = descend(part.take(flipped), met.steps[flipped], met.radius[flipped], grow=False)
        for at, found in ((rows, met), (rows[flipped], polished)):
            nearer = found.radius < nearest[at]
            nearest[at[nearer]], steps[at[nearer]] = found.radius[nearer], found.steps[nearer]
        upper = torch.minimum(upper, nearest)
        below[rows[~proved & torch.isinf(met.radius)]] *= _WIDER
        below[rows[proved]] = 1.0  # done
    return BranchedRadius(lower=lower, points=LinfPoints(radius=nearest, steps=steps))


def settle(problem: LinfProblem, radius: Tensor, *, accuracy: float, nodes: int) -> tuple[Tensor, LinfPoints]:
    """Whether the margin is positive on each ball.

    Args:
        problem: the margins, positive at the samples.
        radius: finite radii `(rows,)`.
        accuracy: of the nodes' bounds, as a share of the margin at the sample.
        nodes: boxes a row may cost.

    Returns:
        Rows `(rows,)` bool proved positive, and flipping steps of those where one was met.
    """
    proved = torch.zeros_like(radius, dtype=torch.bool)
    nearest, steps = torch.full_like(radius, torch.inf), torch.zeros_like(problem.slope)
    for rows in torch.arange(len(radius)).split(max(1, _ENTRIES // (nodes * problem.slope.shape[1]))):
        part = problem.take(rows)
        low, high = part.ball(radius[rows])
        owner, guess = torch.arange(len(rows)), torch.zeros_like(low)
        spent = torch.zeros(len(rows), dtype=torch.long)
        closed = torch.ones(len(rows), dtype=torch.bool)
        while len(owner):
            each = part.take(owner)
            found = each.relaxed_minimum(low, high, guess, accuracy * each.height.abs(), _EFFORT)
            spent += torch.bincount(owner, minlength=len(rows))
            flips = each.margin(found.points) <= 0
            short = shortened(each.take(flips), found.points[flips])
            length = short.abs().amax(dim=1)
            for place in range(len(short)):
                row = rows[owner[flips][place]]
                if length[place] < nearest[row]:
                    nearest[row], steps[row] = length[place], short[place]
            pending = found.lower <= 0
            closed[owner[flips]] = False
            waiting = torch.bincount(owner[pending], minlength=len(rows))
            closed &= spent + 2 * waiting <= nodes
            alive = (pending & closed[owner]).nonzero()[:, 0]
            owner, low, high, guess = _split(owner[alive], low[alive], high[alive], found.points[alive])
        proved[rows] = closed
    return proved, LinfPoints(radius=nearest, steps=steps)


def _split(owner: Tensor, low: Tensor, high: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Owners, boxes and starting points of both halves of each node; the uniform shift makes the loss a product."""
    feature = ((v - low) * (high - v)).argmax(dim=1)
    # Near a bound the loss is small already: not closer to it than a quarter of the width.
    at, rows = feature[:, None], torch.arange(len(v))
    a, b = low.gather(1, at)[:, 0], high.gather(1, at)[:, 0]
    middle = torch.minimum(torch.maximum(v.gather(1, at)[:, 0], 0.75 * a + 0.25 * b), 0.25 * a + 0.75 * b)
    below, above = high.clone(), low.clone()
    below[rows, feature], above[rows, feature] = middle, middle
    return owner.repeat(2), torch.cat([low, above]), torch.cat([below, high]), v.repeat(2, 1)
