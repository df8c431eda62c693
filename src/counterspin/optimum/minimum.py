r"""The lowest value of several trigonometric polynomials on an interval, with a proof that none lower was missed.

On a cell of width h a function with :math:`|p''| \le M` stays above the chord of its ends by at least
:math:`-M h^2 / 8`, and :math:`M = \sum_k \omega_k^2 |c_k|` bounds the curvature of a trigonometric polynomial
everywhere (Bernstein's inequality term by term). Cells that cannot hold a value below the best one found are dropped,
the others are divided, until all are gone.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.optimum.trigonometric import basis

__all__ = ["Lowest", "lowest"]

_PHASE = 0.5  # of the highest frequency, the width of the first cells
_MOST_CELLS = 4096  # at first, of one row
_AT_ONCE = 2**24  # cells times coefficients: bounds memory to some hundred MiB
_PARTS = 16  # a cell is divided into: few rounds matter more than few points
_LEVELS = 12  # of divisions, at most: 16**12 parts are below rounding


@dataclass(frozen=True, eq=False, kw_only=True)
class Lowest:
    """The lowest point of each row.

    Args:
        point: where it is, `(rows,)`.
        value: how low, `(rows,)`.
    """

    point: Tensor
    value: Tensor


def lowest(
    frequencies: Tensor,
    coefficients: Tensor,
    low: Tensor,
    high: Tensor,
    *,
    rule: str = "min",
    tolerance: float = 1e-12,
) -> Lowest:
    r"""Global minimum over an interval of the pointwise minimum, or maximum, of several polynomials.

    .. math:: \min_{l \le t \le h} \min_j p_j(t) \qquad\text{or}\qquad \min_{l \le t \le h} \max_j p_j(t)

    Args:
        frequencies: `(R,)` float64.
        coefficients: `(rows, polynomials, 2R+1)` float64, in the order of `trigonometric.basis`.
        low: left end for each row `(rows,)`, finite.
        high: right end `(rows,)`, not below `low`.
        rule: `"min"` or `"max"` over the polynomials.
        tolerance: no value lies lower than the one returned by more than this share of the sum of the absolute
            coefficients.

    Example:
        >>> c = torch.tensor([[[0.0, 1.0, 0.0]]]).double()
        >>> found = lowest(torch.ones(1).double(), c, torch.zeros(1).double(), 2.0 * torch.ones(1).double())
        >>> round(found.point.item(), 6), round(found.value.item(), 6)
        (2.0, -0.416147)
    """
    low, high = low.double(), high.double()
    amplitude = _amplitudes(coefficients)
    curvature = (amplitude * frequencies.square()).sum(dim=-1).amax(dim=1)
    slack = tolerance * (amplitude.sum(dim=-1) + coefficients[..., 0].abs()).amax(dim=1)
    span = float((high - low).max()) * (float(frequencies.max()) if len(frequencies) else 0.0)
    count = min(_MOST_CELLS, max(4, round(span / _PHASE)))
    size = count * coefficients[0].numel()
    if len(low) * size > _AT_ONCE and len(low) > 1:
        parts = [part.split(max(1, _AT_ONCE // size)) for part in (coefficients, low, high)]
        found = [lowest(frequencies, *part, rule=rule, tolerance=tolerance) for part in zip(*parts, strict=True)]
        return Lowest(point=torch.cat([f.point for f in found]), value=torch.cat([f.value for f in found]))
    t = low[:, None] + (high - low)[:, None] * torch.linspace(0.0, 1.0, count + 1, dtype=low.dtype, device=low.device)
    t[:, -1] = high
    values = torch.einsum("rpk,rtk->rpt", coefficients, basis(frequencies, t))
    found = _combined(values, rule).min(dim=1)
    value, point = found.values, t.gather(1, found.indices[:, None])[:, 0]
    width = (high - low) / count
    floor = _floor(values, rule) - (curvature * width.square() / 8)[:, None]
    row, cell = (floor < (value - slack)[:, None]).nonzero(as_tuple=True)
    left, width = t[row, cell], width[row]
    parts = torch.linspace(0.0, 1.0, _PARTS + 1, dtype=low.dtype, device=low.device)
    for _ in range(_LEVELS):
        if not len(row):
            break
        # A rounding beyond the interval would not be in it.
        inner = torch.minimum(left[:, None] + width[:, None] * parts, high[row, None])
        values = torch.einsum("rpk,rtk->rpt", coefficients[row], basis(frequencies, inner))
        found = _combined(values, rule).min(dim=1)
        value, point = _improved(value, point, row, found.values, inner.gather(1, found.indices[:, None])[:, 0])
        width = width / _PARTS
        floor = _floor(values, rule) - (curvature[row] * width.square() / 8)[:, None]
        kept, cell = (floor < (value - slack)[row, None]).nonzero(as_tuple=True)
        row, left, width = row[kept], inner[kept, cell], width[kept]
    return Lowest(point=point, value=value)


def _amplitudes(coefficients: Tensor) -> Tensor:
    """Amplitude of each frequency `(rows, polynomials, R)`."""
    cosine, sine = coefficients[..., 1:].chunk(2, dim=-1)
    return torch.hypot(cosine, sine)


def _combined(values: Tensor, rule: str) -> Tensor:
    return values.amin(dim=1) if rule == "min" else values.amax(dim=1)


def _floor(values: Tensor, rule: str) -> Tensor:
    """Per cell `(rows, cells)` the chord's lower end: of the lowest polynomial, or of the one that is highest there."""
    ends = torch.minimum(values[..., :-1], values[..., 1:])
    return _combined(ends, rule)


def _improved(value: Tensor, point: Tensor, row: Tensor, found: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
    best = value.scatter_reduce(0, row, found, "amin")
    better = (found == best[row]) & (found < value[row])
    return best, point.index_copy(0, row[better], where[better])
