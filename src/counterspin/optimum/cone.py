r"""Nearest points on one quadratic cone, as a certified lower and an attained upper distance."""

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.optimum.secular import dual_value, secular_root, stationary_point

__all__ = ["ConePoints", "nearest_on_cone"]

_EPS = torch.finfo(torch.float64).eps


@dataclass(frozen=True, kw_only=True)
class ConePoints:
    """Distance of unit vectors to a cone.

    Args:
        lower: certified distance `(rows,)`; infinite if the cone is empty.
        upper: distance of `points` `(rows,)`; infinite where no point was found or none was looked for.
        points: points `(rows, d)` seen to lie in the cone, else the unit vector itself.
        multiplier: Lagrange multiplier `(rows,)`, 0 where there is no point.
    """

    lower: Tensor
    upper: Tensor
    points: Tensor
    multiplier: Tensor


def nearest_on_cone(form: Tensor, eigenvalues: Tensor, vectors: Tensor, unit: Tensor, ceiling: Tensor) -> ConePoints:
    r"""Distance of each unit vector to :math:`\{z \ne 0 : z^T A z \le 0\}`, bracketed against rounding.

    With :math:`\delta = 8 (d + 8)\,u\,\|A\|` (:math:`u` = 2.2e-16; about four times the largest backward error of
    LAPACK seen over all sizes) the cone of :math:`A - \delta 1` contains that of the exact form and the cone of
    :math:`A + \delta 1` lies inside it. `lower` is the dual value of the first, less :math:`8 (d + 8)\,u` for the
    rounding of the coefficients (the distance is 1-Lipschitz in the point). The stationary point is moved along the
    lowest eigenvector into the second cone, which is also what the hard case asks for, and counts if the form itself is
    seen to be `<= 0` there.

    Args:
        form: symmetric `A` `(d, d)` float64.
        eigenvalues: of the form `(d,)`, ascending.
        vectors: eigenvectors as columns `(d, d)`.
        unit: unit vectors `(rows, d)`.
        ceiling: points are looked for only where `lower` is below this `(rows,)`.
    """
    d = len(eigenvalues)
    rounding = 8 * (d + 8) * _EPS
    slack = max(rounding * float(eigenvalues.abs().max()), torch.finfo(torch.float64).tiny)
    nowhere = torch.full((len(unit),), torch.inf, dtype=unit.dtype, device=unit.device)
    # A semidefinite form is touched only in its null space (a tie); it is excluded once rounding cannot hide one.
    if float(eigenvalues[0]) - slack >= 0:
        return ConePoints(lower=nowhere, upper=nowhere, points=unit, multiplier=torch.zeros_like(nowhere))

    lowered = eigenvalues - slack
    coefficients = unit @ vectors
    weights = coefficients.square()
    root = secular_root(lowered, weights)
    squared = dual_value(lowered, weights, root.odds).clamp(min=0)
    lower = (squared.sqrt() - rounding).clamp(min=0)

    rows = (lower < ceiling).nonzero()[:, 0]
    found = _inside(eigenvalues, slack, coefficients[rows], root.odds[rows]) @ vectors.T
    seen = (((found @ form) * found).sum(dim=1) <= 0) & (found != 0).any(dim=1)
    rows, found = rows[seen], found[seen]
    upper, points, multiplier = nowhere.clone(), unit.clone(), torch.zeros_like(nowhere)
    upper[rows] = torch.linalg.vector_norm(found - unit[rows], dim=1)
    points[rows] = found
    multiplier[rows] = root.multiplier[rows]
    return ConePoints(lower=lower, upper=upper, points=points, multiplier=multiplier)


def _inside(eigenvalues: Tensor, slack: float, coefficients: Tensor, odds: Tensor) -> Tensor:
    lifted = eigenvalues + slack
    lowest = float(lifted[0])
    if lowest >= 0:
        # Semidefinite up to rounding: the nearest tie is the projection onto the null space.
        return torch.where(eigenvalues <= eigenvalues[0] + 2 * slack, coefficients, torch.zeros_like(coefficients))
    z = stationary_point(eigenvalues - slack, coefficients, odds)
    # Smallest t with (z + t v)' lifted (z + t v) <= 0; at the optimum every direction costs the same to first order.
    excess = ((lifted * z.square()).sum(dim=1) / -lowest).clamp(min=0)
    along = z[:, 0]
    root = (along.square() + excess).sqrt()
    reach = along + torch.where(along < 0, -root, root)
    z[:, 0] += torch.where(excess > 0, excess / reach, torch.zeros_like(excess))
    return z
