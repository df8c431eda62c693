"""Telling affine and quadratic functions apart from others by their values, exactly."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from counterspin.models.integrations.reading import Unreadable
from counterspin.models.polynomial import PolynomialMap
from counterspin.optimum import AffineMap

__all__ = ["identify"]

# A function that departs from its polynomial by less than this share of its terms is that polynomial.
_AGREES = 1e-10
# Coefficients below this share of the terms they were computed from are rounding.
_ROUNDING = 1e-13
_QUADRATIC_FEATURES = 64
_FRESH = 16
# How far beyond the samples it is asked, in units of their spread: what clips or wraps shows there.
_REACHES = (1.0, 3.0, 30.0)


def identify(
    function: Callable[[Tensor], Tensor],
    x: Tensor,
    *,
    probes: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> AffineMap | PolynomialMap | None:
    """The polynomial of degree 1 or 2 that a function is, from its values; None where it is none.

    Values at steps of a power of two along features, and along pairs of them, give the coefficients. They are then
    compared with the function at fresh random points among the samples and up to 30 times their spread around them.

    Args:
        function: `(batch, features)` -> `(batch, outputs)`, float64.
        x: samples `(samples, features)` float64, which say where the function is used.
        probes: more points `(points, features)` float64 at which it is compared.
        generator: draws the points it is checked at; None: seed 0.

    Returns:
        Quadratic functions are looked for up to 64 features. A function that raises far from the samples is none.

    Raises:
        Unreadable: the function says so of itself.

    Example:
        >>> x = torch.rand(5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        >>> identify(lambda x: 2 * x + 1, x).weight.tolist()
        [[2.0, 0.0], [0.0, 2.0]]
        >>> identify(lambda x: x.prod(dim=1, keepdim=True), x).exponents
        ((1, 1),)
        >>> identify(torch.sin, x) is None
        True
    """
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    x = x.detach().double()
    # Powers of two: dividing by them rounds nothing.
    steps = torch.exp2(x.abs().amax(dim=0).clamp(min=2.0**-20).log2().round())
    fresh = _fresh_points(x, generator)
    fresh = fresh if probes is None else torch.cat([fresh, probes])
    with torch.no_grad():
        try:
            asked = function(fresh)
            values = function(torch.cat([torch.zeros_like(x[:1]), torch.diag(steps)]))
        except Unreadable:
            raise
        except Exception:  # the user's code runs here, far from the samples: a square root may fail
            return None
        if values.is_complex() or not bool(torch.isfinite(asked).all() & torch.isfinite(values).all()):
            return None
        start, along = values[0], values[1:]
        affine = AffineMap(((along - start) / steps[:, None]).T.contiguous(), start)
        size = fresh.abs() @ affine.weight.abs().T + start.abs()
        if _agree(affine(fresh), asked, size):
            return affine
        if x.shape[1] > _QUADRATIC_FEATURES:
            return None
        quadratic = _quadratic(function, start, along, steps)
    if quadratic is None:
        return None
    absolute = PolynomialMap(quadratic.exponents, quadratic.coefficients.abs())
    return quadratic if _agree(quadratic(fresh), asked, absolute(fresh.abs())) else None


def _fresh_points(x: Tensor, generator: torch.Generator) -> Tensor:
    """Points `(48, features)`, further and further around the samples."""
    spread = (x.amax(dim=0) - x.amin(dim=0)).clamp(min=1.0)
    points = []
    for reach in _REACHES:
        rows = torch.randint(len(x), (_FRESH,), generator=generator)
        noise = 2 * torch.rand(_FRESH, x.shape[1], generator=generator, dtype=torch.float64) - 1
        points.append(x[rows] + reach * spread * noise)
    return torch.cat(points)


def _agree(values: Tensor, asked: Tensor, size: Tensor) -> bool:
    return bool(((values - asked).abs() <= _AGREES * size.clamp(min=1e-300)).all())


def _quadratic(
    function: Callable[[Tensor], Tensor], start: Tensor, along: Tensor, steps: Tensor
) -> PolynomialMap | None:
    """The quadratic function with the same second differences from the origin; None where they are not finite."""
    features = len(steps)
    first, second = torch.triu_indices(features, features, offset=1).unbind()
    unit = torch.diag(steps)
    values = function(torch.cat([-unit, unit[first] + unit[second]]))
    if not bool(torch.isfinite(values).all()):
        return None
    back, pairs = values[:features], values[features:]
    single = range(features)
    monomials = [(), *((i,) for i in single), *((i, i) for i in single)]
    monomials += zip(first.tolist(), second.tolist(), strict=True)
    differences = torch.cat(
        [start[None], (along - back) / 2, (along + back) / 2 - start, pairs - along[first] - along[second] + start]
    )
    line, both = along.abs() + back.abs(), pairs.abs() + along[first].abs() + along[second].abs()
    sizes = torch.cat([start[None].abs(), line, line + start.abs(), both + start.abs()])
    units = torch.stack([steps[list(factors)].prod() for factors in monomials])
    coefficients = torch.where(differences.abs() <= _ROUNDING * sizes, 0.0, differences) / units[:, None]
    kept = coefficients.ne(0).any(dim=1).nonzero()[:, 0].tolist() or [0]
    exponents = [[monomials[row].count(feature) for feature in single] for row in kept]
    return PolynomialMap(exponents, coefficients[kept].T.contiguous())
