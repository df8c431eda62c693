"""Nearest flips of quadratic classifiers whose forms are too large to write down, from products with them."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.errors import InputError
from counterspin.optimum.affine_map import AffineMap
from counterspin.optimum.lanczos import QuadraticFunctions, krylov_bracket
from counterspin.optimum.nearest import NearestFlips

__all__ = ["FormProducts", "nearest_flips_by_products"]


@dataclass(frozen=True, kw_only=True, eq=False)
class FormProducts:
    """Forms `F_k` of a classifier as what can be done with them.

    Args:
        classes: number of forms.
        times: products `(rows, d)` of `Σ c_k F_k` with rows, from c `(classes,)` and rows `(rows, d)`.
        spectrum: an interval that holds the eigenvalues of `Σ c_k F_k`.
        rounding: relative error of a product.
    """

    classes: int
    times: Callable[[Tensor, Tensor], Tensor]
    spectrum: Callable[[Tensor], tuple[float, float]]
    rounding: float

    def scores(self, x: Tensor) -> Tensor:
        """Scores `(rows, classes)` of encoded values `x` `(rows, d)`."""
        units = torch.eye(self.classes, dtype=x.dtype)
        images = [(self.times(unit, x) * x).sum(dim=1) for unit in units]
        return torch.stack(images, dim=1) / x.square().sum(dim=1, keepdim=True)


def nearest_flips_by_products(
    forms: FormProducts, x: Tensor, y: Tensor, target: Tensor | None = None, *, input_map: AffineMap | None = None
) -> NearestFlips:
    r"""What `nearest_flips` computes, by `krylov_bracket` for each pair of a class and a rival.

    The floor of a pair's spectrum has to be known; where a sample's best multiplier lies beyond it, `gap` tells how far
    its bracket stays open. Behind a map the pulled-back form `Wᵀ A W` has no eigenvalue below
    :math:`\min(0, \ell)\,\|W\|_2^2`.

    Args:
        forms: the classifier.
        x: inputs `(batch, features)` float64, none encoded as zero.
        y: true classes `(batch,)`.
        target: class `(batch,)` that must win, or None for any; see `nearest_flips`.
        input_map: what turns features into encoded values.

    Raises:
        InputError: a zero input.
    """
    x = x.to(torch.float64)
    image = x if input_map is None else input_map(x)
    zero = (image == 0).all(dim=1)
    if bool(zero.any()):
        raise InputError(f"x is zero in sample {int(zero.nonzero()[0])}; a zero vector encodes no state, remove it.")
    # Solved for images of length 1, so that rounding is relative to what is encoded.
    norm = image.norm(dim=1, keepdim=True)
    scores = forms.scores(image)
    standing = _margin(scores, y) > 0
    rival = scores.scatter(1, y[:, None], -torch.inf).argmax(dim=1) if target is None else target.clone()
    lower = torch.where(standing, torch.inf, 0.0).to(x)
    upper, multiplier, points = lower.clone(), torch.zeros_like(lower), x.clone()
    for own in range(forms.classes):
        for other in range(forms.classes):
            asked = standing & (y == own) & ((target == other) if target is not None else standing)
            rows = asked.nonzero()[:, 0]
            if own == other or len(rows) == 0:
                continue
            functions = _functions(forms, own, other, image[rows], x[rows], norm[rows], input_map)
            if functions is None:
                continue
            found = krylov_bracket(functions)
            near, far, step = (norm[rows, 0] * found.lower, norm[rows, 0] * found.upper, norm[rows] * found.step)
            nearer = far < upper[rows]
            rival[rows[nearer]] = other
            lower[rows] = torch.minimum(lower[rows], near)
            upper[rows[nearer]], points[rows[nearer]] = far[nearer], (x[rows] + step)[nearer]
            multiplier[rows[nearer]] = found.multiplier[nearer]
    at_points = forms.scores(points if input_map is None else input_map(points))
    flipped = _margin(at_points, y) <= 0 if target is None else _margin(at_points, target) >= 0
    found = standing & torch.isfinite(upper) & flipped
    points = torch.where(found[:, None], points, x)
    upper = torch.where(found, torch.linalg.vector_norm(points - x, dim=1), torch.where(standing, torch.inf, 0.0))
    return NearestFlips(
        lower=lower,
        upper=upper,
        points=points,
        rival=rival,
        multiplier=torch.where(found, multiplier, 0.0),
        gap=torch.where(lower == upper, 0.0, 1 - lower / upper),
    )


def _functions(
    forms: FormProducts, own: int, other: int, image: Tensor, x: Tensor, norm: Tensor, input_map: AffineMap | None
) -> QuadraticFunctions | None:
    """The constraint of one pair around images `(rows, k)` of norm `(rows, 1)`, in units of it; None: unflippable."""
    c = torch.zeros(forms.classes, dtype=x.dtype)
    c[own], c[other] = 1.0, -1.0
    low, high = forms.spectrum(c)
    largest = max(abs(low), abs(high))
    if low > forms.rounding * largest:
        return None
    unit = image / norm
    product = forms.times(c, unit)
    value = (product * unit).sum(dim=1)
    if input_map is None:
        return QuadraticFunctions(
            times=lambda rows: forms.times(c, rows),
            value=value,
            gradient=product,
            floor=low,
            norm=largest,
            rounding=forms.rounding,
            size=torch.ones_like(value),
        )
    weight = input_map.weight.to(x)
    sigma = float(torch.linalg.matrix_norm(weight, 2))
    return QuadraticFunctions(
        times=lambda rows: forms.times(c, rows @ weight.T) @ weight,
        value=value,
        gradient=product @ weight,
        floor=min(0.0, low) * sigma**2,
        norm=largest * sigma**2,
        rounding=forms.rounding + 8 * (sum(weight.shape) + 8) * torch.finfo(x.dtype).eps,
        size=(x.norm(dim=1) + input_map.bias.norm() / sigma) / norm[:, 0],
    )


def _margin(scores: Tensor, own: Tensor) -> Tensor:
    others = scores.scatter(1, own[:, None], -torch.inf)
    return scores.gather(1, own[:, None])[:, 0] - others.amax(dim=1)
