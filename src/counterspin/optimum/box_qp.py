r"""Minimisers of convex quadratic programmes over boxes, many at once.

Accelerated projected gradients with restarts (O'Donoghue and Candes, arXiv:1204.3982) find the active bounds roughly;
projected Newton steps on the free variables (Bertsekas, SIAM J. Control Optim. 20, 1982) end the iteration once they
are right. Convergence is a matter of tightness, never of soundness: see `counterspin.optimum.box_programme`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.optimum.box_programme import BoxProgramme, lower_bound, optimality_gap

__all__ = ["BoxMinimum", "free_variables", "minimum_over_box", "solve_free"]

# Numbers of the Newton systems solved together: 16 MiB, 32 systems of 256 unknowns.
_AT_ONCE = 2**21
_CHECK_EVERY = 10
_HALVINGS = 8


@dataclass(frozen=True, kw_only=True)
class BoxMinimum:
    """Minimisers and bounds.

    Args:
        points: points `(rows, d)` of the boxes.
        values: objective there `(rows,)`, upper bounds on the minimum up to rounding.
        lower: sound lower bounds on the minimum `(rows,)`.
    """

    points: Tensor
    values: Tensor
    lower: Tensor


def minimum_over_box(
    programme: BoxProgramme,
    start: Tensor | None = None,
    *,
    enough: Tensor | None = None,
    gradient_steps: int = 60,
    newton_steps: int = 40,
) -> BoxMinimum:
    """Minimise every row.

    Args:
        programme: the programmes; convex ones if the bound is to be tight.
        start: where to start `(rows, d)`; None: the point of the box nearest to 0.
        enough: a row is finished once value and bound differ by less than this `(rows,)`; None: 1e-12 of one plus the
            value at the start.
        gradient_steps: accelerated steps at most.
        newton_steps: Newton steps at most.

    Example:
        >>> two = torch.tensor([[-4.0, 1.0]]).double()
        >>> programme = BoxProgramme.of(torch.eye(2).double(), two, 0 * two, 0 * two + 1)
        >>> minimum_over_box(programme).points.tolist()
        [[1.0, 0.0]]
    """
    z = programme.clamp(torch.zeros_like(programme.linear) if start is None else start)
    if enough is None:
        enough = 1e-12 * (1 + programme.value(z).abs())
    z = _accelerated(programme, z, gradient_steps, enough)
    z = _newton(programme, z, newton_steps, enough)
    return BoxMinimum(points=z, values=programme.value(z), lower=lower_bound(programme, z))


def free_variables(programme: BoxProgramme, z: Tensor, gradient: Tensor) -> Tensor:
    """Variables `(rows, d)` bool that are not held at a bound by the gradient `(rows, d)` at `z`."""
    return ~(((z <= programme.low) & (gradient > 0)) | ((z >= programme.high) & (gradient < 0)))


def solve_free(programme: BoxProgramme, target: Tensor, free: Tensor) -> Tensor:
    """Solution `(rows, d)` of `H_FF s_F = target_F` on the free variables of each row, 0 elsewhere.

    A hair is added to the diagonal, so that a semidefinite system has a solution; where it is indefinite the target
    itself is returned.

    Args:
        programme: whose `H`.
        target: right-hand sides `(rows, d)`.
        free: variables `(rows, d)` bool.
    """
    solution = torch.zeros_like(target)
    count = free.sum(dim=1)
    hair = 1e-12 * programme.lipschitz()
    # Systems of like size together, each padded with ones to the largest among them.
    together = max(1, _AT_ONCE // max(1, int(count.max())) ** 2) if len(count) else 1
    for rows in count.argsort().split(together):
        width = int(count[rows].max())
        if width == 0:
            continue
        index = free[rows].to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :width]
        real = free[rows].gather(1, index)
        system = programme.form[index[:, :, None], index[:, None, :]]
        if programme.scale is not None:
            system *= programme.scale[rows, None, None]
        system *= real[:, :, None] & real[:, None, :]
        extra = hair[rows, None].expand_as(index)
        if programme.diagonal is not None:
            extra = extra + programme.diagonal[rows].gather(1, index)
        system.diagonal(dim1=1, dim2=2).add_(torch.where(real, extra, 1.0))
        right = target[rows].gather(1, index) * real
        factor, trouble = torch.linalg.cholesky_ex(system)
        solved = torch.cholesky_solve(right[:, :, None], factor)[:, :, 0]
        solved = torch.where((trouble == 0)[:, None] & torch.isfinite(solved), solved, right)
        solution[rows[:, None], index] = solved * real
    return solution


def _accelerated(programme: BoxProgramme, start: Tensor, steps: int, enough: Tensor) -> Tensor:
    result = start.clone()
    rows = torch.arange(len(start))
    part, z, ahead = programme, start, start
    step = 1 / part.lipschitz()[:, None]
    inertia = torch.ones_like(step)
    for count in range(steps):
        image = part.image(ahead)
        gradient = 2 * image + part.linear
        fresh = part.clamp(ahead - 0.5 * step * gradient)
        # Momentum that points uphill is dropped; the run starts anew from here.
        uphill = ((ahead - fresh) * (fresh - z)).sum(dim=1, keepdim=True) > 0
        following = torch.where(uphill, 1.0, (1 + (1 + 4 * inertia.square()).sqrt()) / 2)
        push = torch.where(uphill, 0.0, (inertia - 1) / following)
        ahead, z, inertia = fresh + push * (fresh - z), fresh, following
        if count % _CHECK_EVERY == _CHECK_EVERY - 1:
            left = optimality_gap(part, z, 2 * part.image(z) + part.linear) > enough[rows]
            result[rows] = z
            if not bool(left.any()):
                return result
            if not bool(left.all()):
                keep = left.nonzero()[:, 0]
                rows, part = rows[keep], part.take(keep)
                z, ahead, inertia, step = z[keep], ahead[keep], inertia[keep], step[keep]
    result[rows] = z
    return result


def _newton(programme: BoxProgramme, start: Tensor, steps: int, enough: Tensor) -> Tensor:
    result = start.clone()
    rows = torch.arange(len(start))
    part, z = programme, start
    for _ in range(steps):
        image = part.image(z)
        gradient = 2 * image + part.linear
        value = (z * (image + part.linear)).sum(dim=1)
        keep = (optimality_gap(part, z, gradient) > enough[rows]).nonzero()[:, 0]
        if len(keep) == 0:
            break
        if len(keep) < len(rows):
            rows, part = rows[keep], part.take(keep)
            z, gradient, value = z[keep], gradient[keep], value[keep]
        free = free_variables(part, z, gradient)
        z = _descent(part, z, value, solve_free(part, -0.5 * gradient, free))
        result[rows] = z
    return result


def _descent(part: BoxProgramme, z: Tensor, value: Tensor, direction: Tensor) -> Tensor:
    """The first Newton step that lowers the value (in full, to the first bound, then shorter), and a gradient step."""
    best = z.clone()
    rows, length = torch.arange(len(z)), torch.ones_like(value)
    # Up to the first bound a convex objective falls all along the step, however far a flat system throws it.
    room = torch.where(direction > 0, part.high - z, z - part.low)
    hits = torch.where((direction != 0) & (room > 0), room / direction.abs(), torch.inf).amin(dim=1).clamp(max=1)
    for attempt in range(_HALVINGS):
        tried = part.take(rows)
        moved = tried.clamp(z[rows] + length[rows, None] * direction[rows])
        lower = tried.value(moved) < value[rows]
        best[rows[lower]] = moved[lower]
        rows = rows[~lower]
        if len(rows) == 0:
            break
        length = hits if attempt == 0 else 0.5 * length
    gradient = 2 * part.image(best) + part.linear
    return part.clamp(best - 0.5 * gradient / part.lipschitz()[:, None])
