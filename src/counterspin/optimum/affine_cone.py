r"""Nearest points behind an affine map on one quadratic cone, as a certified lower and an attained upper distance.

Features `x` are mapped to :math:`v = W x + b` before a quadratic classifier sees them. Class `y` loses to `j` where
:math:`v^T A v \le 0`, which is one inhomogeneous quadratic constraint on `x`:

.. math:: q(x + \delta) = v^T A v + 2\,\delta^T W^T A v + \delta^T W^T A W \delta \le 0.

Only the row space of `W` matters, so with :math:`W = U S T^T` (thin) the problem has as many unknowns as `W` has
singular values: components of 784 pixels cost what their number costs. To our knowledge the exact radius behind an
affine map is new.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.errors import ConditionsError
from counterspin.optimum.affine_map import AffineMap
from counterspin.optimum.affine_secular import affine_dual, affine_root, affine_step
from counterspin.optimum.cone import ConePoints

__all__ = ["AffineCone", "RowSpace", "nearest_on_affine_cone"]

_EPS = torch.finfo(torch.float64).eps


@dataclass(frozen=True, kw_only=True, eq=False)
class RowSpace:
    """Thin singular value decomposition of a map, computed once a model.

    Args:
        map: the map.
        left: orthonormal columns U `(outputs, r)`, r the smaller of outputs and features.
        stretch: singular values S `(r,)`, descending.
        right: orthonormal columns T `(features, r)`.
        images: orthonormal columns `(outputs, r or r + 1)` whose span holds every image `W x + b`.
    """

    map: AffineMap
    left: Tensor
    stretch: Tensor
    right: Tensor
    images: Tensor

    @classmethod
    def of(cls, map: AffineMap) -> RowSpace:
        """Decompose.

        Raises:
            ConditionsError: the map is constant.
        """
        if not bool(map.weight.any()):
            raise ConditionsError("the affine map has weight 0, so no input changes the prediction; check the map.")
        map = AffineMap(map.weight.double(), map.bias.double())
        left, stretch, right = torch.linalg.svd(map.weight, full_matrices=False)
        beyond = map.bias - left @ (left.T @ map.bias)
        images = left
        if left.shape[1] < left.shape[0] and bool(beyond.any()):
            images = torch.linalg.qr(torch.cat([left, beyond[:, None] / beyond.norm()], dim=1)).Q
        return cls(map=map, left=left, stretch=stretch, right=right.T.contiguous(), images=images)

    @property
    def rounding(self) -> float:
        r"""Relative error :math:`8 (k + d + 8)\,u` of a product or decomposition, :math:`u` = 2.2e-16."""
        return 8 * (self.map.outputs + self.map.features + 8) * _EPS


@dataclass(frozen=True, kw_only=True, eq=False)
class AffineCone:
    """One class pair behind a map.

    Args:
        form: symmetric A `(outputs, outputs)`.
        lowest: smallest value of the form on unit vectors among the images.
        highest: largest one.
        norm: spectral norm of the whole form: images are rounded in every direction.
        eigenvalues: of the pulled-back form `Tᵀ Wᵀ A W T` `(r,)`, ascending.
        vectors: its eigenvectors as columns `(r, r)`.
    """

    form: Tensor
    lowest: float
    highest: float
    norm: float
    eigenvalues: Tensor
    vectors: Tensor

    def turned(self) -> AffineCone:
        """The opposite pair, of the negative form."""
        return AffineCone(
            form=-self.form,
            lowest=-self.highest,
            highest=-self.lowest,
            norm=self.norm,
            eigenvalues=-self.eigenvalues.flip(0),
            vectors=self.vectors.flip(1),
        )

    @classmethod
    def of(cls, form: Tensor, space: RowSpace) -> AffineCone:
        """Decompose the pull-back of a symmetric `form` `(outputs, outputs)` float64."""
        spectrum = torch.linalg.eigvalsh(space.images.T @ form @ space.images)
        pulled = space.stretch[:, None] * (space.left.T @ form @ space.left) * space.stretch
        eigenvalues, vectors = torch.linalg.eigh((pulled + pulled.T) / 2)
        lowest, highest = float(spectrum[0]), float(spectrum[-1])
        narrow = space.images.shape[1] < len(form)
        norm = float(torch.linalg.matrix_norm(form, 2)) if narrow else max(abs(lowest), abs(highest))
        return cls(form=form, lowest=lowest, highest=highest, norm=norm, eigenvalues=eigenvalues, vectors=vectors)


def nearest_on_affine_cone(cone: AffineCone, space: RowSpace, x: Tensor, ceiling: Tensor) -> ConePoints:
    r"""Distance of each row to :math:`\{z : q(z) \le 0,\ W z + b \ne 0\}`, bracketed against rounding.

    With :math:`\kappa` = `space.rounding`, :math:`\sigma` the largest singular value and
    :math:`N = \sigma\|x\| + \|b\|` the computed value, gradient and curvature of `q` are off by at most

    .. math:: e_0 = \tfrac14\kappa\|A\| N \|v\|, \quad e_1 = 2\kappa\|A\|\sigma N, \quad e_2 = 2\kappa\|A\|\sigma^2

    (the value needs no decomposition), so that for every :math:`\rho > 0`, from
    :math:`2\|\delta\| \le \rho + \|\delta\|^2/\rho`,

    .. math:: q \ge q_0 - e_0 - e_1\rho + 2 g^T\delta + \delta^T(P - (e_2 + e_1/\rho) 1)\delta.

    `lower` is a dual value of the right-hand side. It is infinite where the form is positive on the span of all images,
    which is the same as :math:`P > 0` and :math:`q_0 > g^T P^{-1} g`: the pair cannot flip (:math:`P \ge 0` alone does
    not say so, the linear term may still flip it). The stationary point is moved until the same bound from the other
    side is `<= 0`, and counts if `q` itself is seen to be `<= 0` there.

    Args:
        cone: the class pair.
        space: the map.
        x: inputs `(rows, features)` float64, not mapped to 0.
        ceiling: points are looked for only where `lower` is below this `(rows,)`.
    """
    nowhere = torch.full((len(x),), torch.inf, dtype=x.dtype, device=x.device)
    kappa, sigma = space.rounding, float(space.stretch[0])
    if cone.lowest > kappa * cone.norm:
        return ConePoints(lower=nowhere, upper=nowhere, points=x, multiplier=torch.zeros_like(nowhere))
    image = space.map(x)
    size, reach = image.norm(dim=1), sigma * x.norm(dim=1) + space.map.bias.norm()
    # Units in which the curvature is of order 1.
    unit = max(cone.norm * sigma**2, torch.finfo(x.dtype).tiny)
    pushed = image @ cone.form
    value = (pushed * image).sum(dim=1) / unit
    coefficients = ((pushed @ space.left) * space.stretch) @ cone.vectors / unit
    curvature = cone.eigenvalues / unit
    steepness = coefficients.norm(dim=1)
    bend = (-curvature[0]).clamp(min=0)
    rho = value.abs() / (steepness + (steepness.square() + bend * value.abs()).sqrt()).clamp(min=1e-300)
    rho = rho.clamp(min=1e-300)
    e0, e1, e2 = (2 * kappa * e for e in (reach * size / (8 * sigma**2), reach / sigma, 1.0))
    lost, shift = e0 + e1 * rho, e2 + e1 / rho

    gaps, pole = _split(curvature, -shift)
    squares = coefficients.square()
    low_value = value - lost
    root = affine_root(low_value, squares, gaps, pole)
    lower = affine_dual(low_value, squares, gaps, pole, root.s).clamp(min=0).sqrt() * (1 - kappa)

    rows = (lower < ceiling).nonzero()[:, 0]
    step = affine_step(coefficients[rows], gaps[rows], root.s[rows])
    step = _inside((value + lost)[rows], coefficients[rows], curvature + shift[rows, None], step)
    found = x[rows] + (step @ cone.vectors.T) @ space.right.T
    there = space.map(found)
    seen = (((there @ cone.form) * there).sum(dim=1) <= 0) & (there.norm(dim=1) > kappa * reach[rows])
    rows, found = rows[seen], found[seen]
    upper, points, multiplier = nowhere.clone(), x.clone(), torch.zeros_like(nowhere)
    upper[rows] = torch.linalg.vector_norm(found - x[rows], dim=1)
    points[rows] = found
    multiplier[rows] = root.multiplier[rows] / unit
    return ConePoints(lower=lower, upper=upper, points=points, multiplier=multiplier)


def _split(curvature: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Gaps `γ` `(rows, d)` and pole `m` `(rows,)` of eigenvalues `(d,)` moved by `shift` `(rows,)`."""
    lowest = curvature[0] + shift
    # a_i - a_min where some curvature is negative (nothing cancels with the shift), else the moved eigenvalues.
    gaps = (curvature - curvature[0]) + lowest.clamp(min=0)[:, None]
    return gaps, (-lowest).clamp(min=0)


def _inside(value: Tensor, coefficients: Tensor, curvature: Tensor, step: Tensor) -> Tensor:
    """The step moved by as little as brings `q <= 0`: against the gradient or along the lowest eigenvector."""
    rise = coefficients + curvature * step
    left = value + ((coefficients + rise) * step).sum(dim=1)
    along = -rise / rise.norm(dim=1, keepdim=True).clamp(min=1e-300)
    by_gradient = _first_root((curvature * along.square()).sum(dim=1), (rise * along).sum(dim=1), left)
    by_vector = _first_root(curvature[:, 0], -rise[:, 0].abs(), left)
    use_vector = by_vector < by_gradient
    move = torch.where(use_vector, by_vector, by_gradient)
    move = torch.where(torch.isfinite(move), move, 0.0)[:, None]
    lowest = torch.zeros_like(step)
    lowest[:, 0] = torch.where(rise[:, 0] > 0, -1.0, 1.0)
    return step + move * torch.where(use_vector[:, None], lowest, along)


def _first_root(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Smallest `t >= 0` with `a t² + 2 b t + c <= 0` for `b <= 0`; infinite where there is none."""
    discriminant = b.square() - a * c
    root = c / (-b + discriminant.clamp(min=0).sqrt()).clamp(min=1e-300)
    return torch.where(c <= 0, 0.0, torch.where(discriminant < 0, torch.inf, root))
