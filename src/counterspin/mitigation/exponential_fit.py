r"""The exponential :math:`a + b\,e^{-c\lambda}` through values at scale factors λ, at zero, for whole batches at once.

Everything is float64, values are `(factors, ...)` and what is asked for is :math:`a + b`, attached to autograd.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["fitted_at_zero", "is_even", "is_no_decay", "met_at_zero", "through_asymptote_at_zero"]

# Rates c that are tried. A slower decay is a straight line; a faster one leaves less than a quarter at scale 1, and the
# value at zero would blow up with every shot.
_SLOWEST, _FASTEST = 1e-3, 1.5
_RATES = torch.logspace(math.log10(_SLOWEST), math.log10(_FASTEST), 48, dtype=torch.float64)
_NEWTON_STEPS = 40
# The attached step behind the search is one more Newton step, which squares what is left.
_SETTLED = 1e-9


def through_asymptote_at_zero(factors: tuple[float, ...], values: Tensor, asymptote: float) -> Tensor:
    """With a known a: the straight line through the logarithms of what is left, weighted by it, at zero.

    Args:
        factors: λ.
        values: all of them on one side of the asymptote.
        asymptote: a.
    """
    offset = values - asymptote
    size = offset.abs()
    logarithm = size.log()
    x = _scales(factors, values).reshape(-1, *(1,) * (values.ndim - 1))
    total = size.sum(0)
    mean_x, mean_z = (size * x).sum(0) / total, (size * logarithm).sum(0) / total
    slope = (size * (x - mean_x) * (logarithm - mean_z)).sum(0) / (size * (x - mean_x) ** 2).sum(0)
    return asymptote + offset[0].sign() * torch.exp(mean_z - slope * mean_x)


def is_no_decay(factors: tuple[float, ...], values: Tensor) -> Tensor:
    """Where values are no decay within the bounds of c: not monotone, or curved the wrong way; bool `(...)`."""
    if is_even(factors):
        first, second, spacing = _steps(factors, values)
        return ~_decays(first, second, spacing)
    order = sorted(range(len(factors)), key=factors.__getitem__)
    steps = values[order].diff(dim=0)
    monotone = (steps > 0).all(0) | (steps < 0).all(0)
    return ~monotone | (_squared_residuals(_scales(factors, values), values).argmin(0) == 0)


def fitted_at_zero(factors: tuple[float, ...], values: Tensor) -> Tensor:
    """The least-squares fit of a, b and c at zero, with c within bounds.

    Args:
        factors: λ, at least three.
        values: decays.
    """
    scales, flat = _scales(factors, values), values.reshape(len(values), -1)
    rate = _searched_rate(scales, flat)
    u = torch.exp(-rate * scales[:, None])
    centred = u - u.mean(0)
    b = (flat * centred).sum(0) / (centred * centred).sum(0)
    return (flat.mean(0) + b * (1 - u.mean(0))).reshape(values.shape[1:])


def met_at_zero(factors: tuple[float, ...], values: Tensor, otherwise: Tensor) -> Tensor:
    """The exponential through three points at equal distances, by the ratio of their two steps (Prony).

    The lower two points are met where c is at its bound. A batch of values costs hardly more than its circuits, so
    every operation counts: what is no decay is decided here too.

    Args:
        factors: λ, see `is_even`.
        values: any.
        otherwise: the result `(...)` where values are no decay.
    """
    first, second, spacing = _steps(factors, values)
    decays = _decays(first.detach(), second.detach(), spacing)
    # A step of 1 in place of the refused ones keeps NaN out of the gradient of the branch that is not taken.
    step = torch.where(decays, first, 1.0)
    decay = (second / step).clamp(math.exp(-_FASTEST * spacing), math.exp(-_SLOWEST * spacing))
    lowest = min(factors)
    power = lowest / spacing
    left = decay if power == 1 else decay**power
    share = left if power == 1 else left * (1 - decay) / (1 - left)
    return torch.where(decays, values[factors.index(lowest)] + step / share, otherwise)


def is_even(factors: tuple[float, ...]) -> bool:
    """Whether there are three factors at equal distances, as nearly always; their fit needs no search."""
    if len(factors) != 3:
        return False
    low, middle, high = sorted(factors)
    return math.isclose(middle - low, high - middle, rel_tol=1e-12)


def _steps(factors: tuple[float, ...], values: Tensor) -> tuple[Tensor, Tensor, float]:
    """Falls of the values between three factors at equal distances, and their distance."""
    points = dict(zip(factors, values.unbind(0), strict=True))
    low, middle, high = sorted(factors)
    return points[low] - points[middle], points[middle] - points[high], middle - low


def _decays(first: Tensor, second: Tensor, spacing: float) -> Tensor:
    ratio = second / first
    return (ratio > 0) & (ratio < math.exp(-_SLOWEST * spacing))


def _scales(factors: tuple[float, ...], values: Tensor) -> Tensor:
    return torch.tensor(factors, dtype=torch.float64, device=values.device)


def _searched_rate(scales: Tensor, values: Tensor) -> Tensor:
    nearest = _squared_residuals(scales, values.detach()).argmin(0)
    rates = _RATES.to(values.device)
    low, high = rates[(nearest - 1).clamp_min(0)], rates[(nearest + 1).clamp_max(len(rates) - 1)]
    with torch.no_grad():
        rate = _stationary(scales, values, rates[nearest], low, high)
    # One attached Newton step at the root is the implicit function theorem. At the fastest rate allowed, it is fixed.
    slope, curvature = _stationarity(scales, values, rate)
    inside = (rate < _FASTEST) & (curvature != 0)
    return torch.where(inside, rate - slope / torch.where(inside, curvature, 1.0).detach(), rate)


def _squared_residuals(scales: Tensor, values: Tensor) -> Tensor:
    """Left by the best a and b at each rate tried, `(rates, ...)`."""
    u = torch.exp(-_RATES.to(scales.device)[:, None] * scales)
    u = u - u.mean(1, keepdim=True)
    u = u / torch.linalg.vector_norm(u, dim=1, keepdim=True)
    centred = values - values.mean(0)
    # Residual vectors, not Pythagoras: differences of nearly equal squares would choose among exact fits by rounding.
    projections = torch.tensordot(u, centred, dims=1)
    shape = (*u.shape, *(1,) * (values.ndim - 1))
    return (centred - u.reshape(shape) * projections[:, None]).square().sum(1)


def _stationarity(scales: Tensor, values: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
    """What vanishes at the best rate, the residual's product with ∂u/∂c, and its derivative by c; `(columns,)` each."""
    x = scales[:, None]
    u = torch.exp(-rate * x)
    first, second = -x * u, x * x * u
    u, first, second = (t - t.mean(0) for t in (u, first, second))
    norm = (u * u).sum(0)
    b = (values * u).sum(0) / norm
    turned = ((values * first).sum(0) - 2 * b * (u * first).sum(0)) / norm
    residual = values - values.mean(0) - b * u
    return (residual * first).sum(0), (residual * second - (turned * u + b * first) * first).sum(0)


def _stationary(scales: Tensor, values: Tensor, rate: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """The root of the stationarity between `low` and `high`, by Newton steps that stay inside."""
    sign = _stationarity(scales, values, low)[0].sign()
    for _ in range(_NEWTON_STEPS):
        slope, curvature = _stationarity(scales, values, rate)
        ahead = slope.sign() == sign
        low, high = torch.where(ahead, rate, low), torch.where(ahead, high, rate)
        step = rate - slope / torch.where(curvature == 0, 1.0, curvature)
        step = torch.where((step > low) & (step < high), step, 0.5 * (low + high))
        settled = bool(((step - rate).abs() <= _SETTLED * rate).all())
        rate = step
        if settled:
            break
    return rate
