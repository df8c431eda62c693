r"""The largest radius at which the relaxed margin is proved positive."""

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.optimum.linf_problem import LinfProblem

__all__ = ["RelaxedRadius", "relaxed_radius"]

_ACCURACY = 1e-2
_EVALUATIONS = 40


@dataclass(frozen=True, kw_only=True)
class RelaxedRadius:
    """Certified radii.

    Args:
        lower: radius `(rows,)` at which the margin is proved positive on the whole ball, at most the ceiling.
        steps: minimisers of the relaxed margin `(rows, n)` there or nearby, where a descent may start.
    """

    lower: Tensor
    steps: Tensor


def relaxed_radius(
    problem: LinfProblem, ceiling: Tensor, start: Tensor, *, tolerance: float = 1e-4, effort: int = 40
) -> RelaxedRadius:
    """Certified radius of each row, within `tolerance` of the largest the relaxation gives.

    The ceiling is tried first; the root below it is bracketed by the Illinois form of the secant rule with a bisection
    now and then (the bound on the ball of radius 0 is the margin itself).

    Args:
        problem: the margins, positive at the samples.
        ceiling: finite radii `(rows,)` beyond which nothing is asked.
        start: guesses of the worst steps `(rows, n)`.
        tolerance: relative width at which a bracket is closed.
        effort: see `LinfProblem.relaxed_minimum`.
    """
    rows = torch.arange(len(ceiling))
    lower, steps = torch.zeros_like(ceiling), start.clone()
    part, radius, guess = problem, ceiling.clone(), start
    low, high = torch.zeros_like(ceiling), ceiling.clone()
    at_low, at_high = problem.height - problem.height_doubt, torch.full_like(ceiling, -torch.inf)
    previous: Tensor | None = None
    for count in range(_EVALUATIONS):
        enough = _ACCURACY * tolerance * part.height.abs()
        found = part.relaxed_minimum(*part.ball(radius), guess, enough, effort)
        proved = found.lower > 0
        steps[rows] = found.points
        lower[rows[proved]] = torch.maximum(lower[rows[proved]], radius[proved])
        # Illinois: an end that stays twice in a row counts half.
        again = torch.zeros_like(proved) if previous is None else previous == proved
        at_low = torch.where(proved, found.lower, torch.where(again, at_low / 2, at_low))
        at_high = torch.where(proved, torch.where(again, at_high / 2, at_high), found.lower)
        low, high = torch.where(proved, radius, low), torch.where(proved, high, radius)
        previous = proved
        left = (high - low > tolerance * high).nonzero()[:, 0]
        if len(left) == 0:
            break
        rows, part, previous = rows[left], part.take(left), proved[left]
        low, high, at_low, at_high = low[left], high[left], at_low[left], at_high[left]
        share = (at_low / (at_low - at_high)).nan_to_num(0.5) if count % 4 < 3 else torch.full_like(low, 0.5)
        # A hair below the root: there the next evaluation proves and closes the bracket.
        following = torch.minimum(low + share * (high - low), high * (1 - 0.5 * tolerance)) - 0.25 * tolerance * high
        following = torch.maximum(following, low + 0.1 * tolerance * high)
        guess = found.points[left] * (following / radius[left])[:, None]
        radius = following
    return RelaxedRadius(lower=lower, steps=steps)
