r"""A second proof of global optimality inside a box, where the dual of the cone alone leaves a gap.

Every `z` of the box satisfies :math:`(z_i - l_i)(z_i - u_i) \le 0`. With multipliers :math:`t_i \ge 0` for these
products and :math:`\lambda \ge 0` for the cone,

.. math:: r^2 \ge \min_{l \le z \le u} \|z - x\|^2 + \lambda z^T A z + \sum_i t_i (z_i - l_i)(z_i - u_i),

which is a convex programme once :math:`1 + \lambda A + \mathrm{diag}(t) \succeq 0`; λ itself may be larger than the
:math:`-1/\lambda_{\min}(A)` of the plain dual. At a stationary flip `z` with multiplier λ, products vanish for features
at a bound, and :math:`t_i = |\partial_i| / (u_i - l_i)` there, with :math:`\partial` the gradient of the first two
terms, is the most that keeps `z` the minimiser. If that makes the matrix semidefinite, `z` is the nearest flip of the
whole box. The box may first be cut to the cube around `x` that holds all nearer points, which makes `t` larger. As a
condition of global optimality see Jeyakumar, Rubinov and Wu (Math. Program. 110, 2007); its use for robust radii is to
our knowledge new.
"""

from dataclasses import replace

import torch
from torch import Tensor

from counterspin.optimum.box_programme import BoxProgramme, lower_bound
from counterspin.optimum.box_qp import minimum_over_box
from counterspin.optimum.boxed_dual import lagrangian
from counterspin.optimum.boxed_pair import Pair
from counterspin.optimum.boxed_start import Flips, first_crossing, flip_margin

__all__ = ["face_bound", "lowest_segment", "positive_by_ends", "unflippable"]

_EPS = torch.finfo(torch.float64).eps


def face_bound(
    pair: Pair, x: Tensor, low: Tensor, high: Tensor, points: Tensor, multiplier: Tensor, distance: Tensor
) -> Tensor:
    """Sound lower bound `(rows,)` on the squared distance from a stationary flip; 0 where the proof fails.

    Args:
        pair: the class against the rival.
        x: `(rows, d)`, inside the box.
        low: lower ends of the box `(rows, d)`.
        high: upper ends `(rows, d)`.
        points: stationary flips `(rows, d)`.
        multiplier: λ there `(rows,)`.
        distance: an upper bound on the distance `(rows,)`: only nearer points count.
    """
    reach = (distance * (1 + 8 * _EPS))[:, None]
    tight_low, tight_high = torch.maximum(low, x - reach), torch.minimum(high, x + reach)
    programme, constant = lagrangian(pair, x, tight_low, tight_high, multiplier)
    v = torch.minimum(torch.maximum(points - x, programme.low), programme.high)
    gradient = 2 * programme.image(v) + programme.linear
    held = ((points <= low) & (gradient > 0)) | ((points >= high) & (gradient < 0))
    width = programme.high - programme.low
    products = torch.where(held & (width > 0), gradient.abs() / width.clamp(min=torch.finfo(x.dtype).tiny), 0.0)
    products = torch.where(torch.isfinite(products), products, 0.0)
    proved = _semidefinite(pair, multiplier, products, width > 0)

    # t (v - l)(v - u) = t v^2 - t (l + u) v + t l u, in v = z - x; an infinite end belongs to no product.
    inside = products > 0
    ends = torch.where(inside, programme.low + programme.high, 0.0)
    corner = torch.where(inside, programme.low * programme.high, 0.0)
    shift = products * ends
    sizes = products * torch.where(inside, programme.low.abs() + programme.high.abs(), 0.0)
    full = BoxProgramme(
        form=programme.form,
        spectrum=programme.spectrum,
        linear=programme.linear - shift,
        low=programme.low,
        high=programme.high,
        scale=multiplier,
        diagonal=1 + products,
        curvature=torch.zeros_like(multiplier),
        doubt=(0.0 if programme.doubt is None else programme.doubt) + 8 * _EPS * sizes,
    )
    lost = 8 * _EPS * x.shape[1] * (products * corner.abs()).sum(dim=1)
    bound = lower_bound(full, v) + constant + (products * corner).sum(dim=1) - lost
    # Points outside the cube are no nearer than `distance`.
    return torch.minimum(torch.where(proved & (bound > 0), bound, 0.0), distance.square())


def lowest_segment(pair: Pair, x: Tensor, low: Tensor, high: Tensor, points: Tensor) -> Flips:
    """Flips on the line along the lowest eigenvector through minimisers `points` `(rows, d)` at the largest multiplier.

    There the objective is flat along that line (the hard case): a flip on it that lies in the box is optimal.
    """
    margin = flip_margin(pair.form, x, pair.doubt)
    direction = pair.vectors[:, 0].expand_as(x)
    best, distance = points.clone(), torch.full_like(x[:, 0], torch.inf)
    for sign in (1.0, -1.0):
        reach = first_crossing(pair.form, points, sign * direction, 2 * margin)
        found = points + (sign * reach.masked_fill(torch.isinf(reach), 0.0))[:, None] * direction
        found = torch.minimum(torch.maximum(found, low), high)
        length = torch.linalg.vector_norm(found - x, dim=1)
        nearer = (((found @ pair.form) * found).sum(dim=1) <= -margin) & (length < distance)
        best[nearer], distance[nearer] = found[nearer], length[nearer]
    return Flips(points=best, distance=distance, multiplier=torch.full_like(distance, pair.ceiling))


def positive_by_ends(form: Tensor, low: Tensor, high: Tensor) -> Tensor:
    r"""Rows `(rows,)` bool whose box, short of 0, is proved by its signs to hold no `z` with `z'Az <= 0`.

    Where two features keep their signs in the box, :math:`A_{ij} z_i z_j \ge 0` for entries of that sign; `A` without
    them is positive definite (so that `A` is copositive on the box).
    """
    sign = torch.where(low >= 0, 1.0, torch.where(high <= 0, -1.0, 0.0)).to(form)
    proved = torch.zeros_like(low[:, 0], dtype=torch.bool)
    for row in range(len(low)):
        same = form * torch.outer(sign[row], sign[row]) > 0
        same.fill_diagonal_(False)
        proved[row] = _is_definite(form.masked_fill(same, 0.0), 0.0)
    return proved


def unflippable(pair: Pair, x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    r"""Rows `(rows,)` bool whose box, short of 0, is proved to hold no `z` with `z'Az <= 0`.

    Two sufficient conditions: `positive_by_ends`, or the block of the features that may move is positive semidefinite,
    and the convex minimum over the box is above 0.
    """
    proved = positive_by_ends(pair.form, low, high)
    if pair.ceiling < torch.inf:
        return proved
    programme, constant = lagrangian(pair, x, low, high, torch.ones_like(x[:, 0]))
    convex = replace(programme, diagonal=None)
    return proved | (minimum_over_box(convex, torch.zeros_like(x)).lower + constant > 0)


def _semidefinite(pair: Pair, multiplier: Tensor, products: Tensor, movable: Tensor) -> Tensor:
    """Rows `(rows,)` bool whose `1 + λA + diag(t)` is proved semidefinite on the features that may move."""
    size = multiplier * torch.linalg.matrix_norm(pair.form)
    proved = torch.zeros_like(multiplier, dtype=torch.bool)
    for row in range(len(multiplier)):
        on = movable[row]
        matrix = multiplier[row] * pair.form * (on[:, None] & on)
        matrix.diagonal().add_(1 + products[row])
        proved[row] = _is_definite(matrix, float(size[row]))
    return proved


def _is_definite(matrix: Tensor, size: float) -> bool:
    r"""Whether a symmetric matrix, whose entries may be off by roundings of `size`, is proved positive definite.

    A Cholesky factorisation that runs to its end in floating point proves
    :math:`\lambda_{\min} \ge -(d + 2)\, u\, \mathrm{tr}` (Demmel, LAPACK working note 14); so much, and the rounding
    of the entries, is taken off the diagonal first.
    """
    diagonal = matrix.diagonal()
    diagonal.sub_(4 * (len(matrix) + 8) * _EPS * (float(diagonal.abs().sum()) + size))
    return int(torch.linalg.cholesky_ex(matrix).info) == 0
