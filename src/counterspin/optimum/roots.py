r"""Roots of trigonometric polynomials of one variable, and a proof that there is none before a given place.

From a place with :math:`p(t) = v > 0` and slope g, a polynomial with :math:`|p''| \le M` cannot vanish before

.. math:: t + \frac{2 v}{\sqrt{g^2 + 2 M v} - g}, \qquad M = \sum_k \omega_k^2 |c_k|

(Bernstein's inequality term by term). Stepping there again and again is Newton's method that never oversteps: it
converges quadratically to a simple root, from the proved side.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from counterspin.optimum.multivariate import Polynomials
from counterspin.optimum.races import Race
from counterspin.optimum.trigonometric import basis

__all__ = ["Crossing", "first_crossing", "nearest_crossing", "real_roots"]

_UNIT = 1e-7  # how far from the unit circle an eigenvalue may be taken for a real root; double roots split by √u
_SAME = 1e-12
_PER_OSCILLATION = 64
_STEPS = 1000
_HALVINGS = 100


@dataclass(frozen=True, eq=False, kw_only=True)
class Crossing:
    """Where functions first stop being positive.

    Args:
        lower: positive before here `(rows,)`, with proof; infinite where positive on the whole interval.
        upper: seen not to be positive here `(rows,)`; infinite where no such place was found.
    """

    lower: Tensor
    upper: Tensor


def real_roots(frequencies: Tensor, coefficients: Tensor, low: float, high: float) -> Tensor:
    r"""The roots of one polynomial in an interval, ascending.

    Integer multiples of a base ω: with :math:`z = e^{i\omega t}` an algebraic polynomial of degree 2R, whose roots on
    the unit circle are the eigenvalues of its companion matrix. Other frequencies: the sign changes that 64 places per
    oscillation show, halved to rounding; roots without a sign change are not among them.

    Args:
        frequencies: `(R,)` float64, ascending.
        coefficients: `(2R+1,)` float64, in the order of `trigonometric.basis`.
        low: left end.
        high: right end.

    Example:
        >>> real_roots(torch.ones(1).double(), torch.tensor([0.0, 1.0, 0.0]).double(), 0.0, 6.0).div(torch.pi).tolist()
        [0.5, 1.5]
    """
    if not len(frequencies) or not bool((coefficients[1:] != 0).any()):
        return torch.zeros(0, dtype=torch.float64)
    turns = frequencies / frequencies[0]
    if bool(((turns - turns.round()).abs() > _SAME * turns).any()):
        return _sign_changes(frequencies, coefficients, low, high)
    degree = int(turns[-1].round())
    cosine, sine = coefficients[1:].chunk(2)
    algebraic = np.zeros(2 * degree + 1, dtype=complex)
    algebraic[degree] = float(coefficients[0])
    for turn, a, b in zip(turns.round().long().tolist(), cosine.tolist(), sine.tolist(), strict=True):
        algebraic[degree - turn] = (a - 1j * b) / 2
        algebraic[degree + turn] = (a + 1j * b) / 2
    z = np.roots(algebraic)
    angles = np.angle(z[np.abs(np.abs(z) - 1) < _UNIT])
    base, period = float(frequencies[0]), 2 * math.pi / float(frequencies[0])
    first, last = math.floor(low / period) - 1, math.ceil(high / period) + 1
    roots = np.sort(np.concatenate([angles / base + turn * period for turn in range(first, last + 1)]))
    return torch.from_numpy(roots[(roots >= low) & (roots <= high)])


def first_crossing(
    frequencies: Tensor,
    coefficients: Tensor,
    reach: Tensor,
    *,
    rule: str = "min",
    rounding: Tensor,
    beyond: float = 0.0,
) -> Crossing:
    r"""The smallest :math:`t \in [0, r]` at which :math:`\min_j p_j(t) \le 0`, or :math:`\max_j p_j(t) \le 0`.

    The lower end is where the proof above stops: at a value that rounding cannot tell from 0.

    Args:
        frequencies: `(R,)` float64.
        coefficients: `(rows, polynomials, 2R+1)` float64.
        reach: r of each row `(rows,)`, finite.
        rule: `"min"` or `"max"` over the polynomials.
        rounding: error of the polynomials' values `(rows, polynomials)`.
        beyond: how far below 0 a value must be to be seen not to be positive.

    Example:
        >>> cosine = torch.tensor([[[0.0, 1.0, 0.0]]]).double()
        >>> one = torch.ones(1).double()
        >>> found = first_crossing(one, cosine, 3 * one, rounding=1e-15 * one[None])
        >>> round(found.lower.item(), 9), round(found.upper.item(), 9)
        (1.570796327, 1.570796327)
    """
    lower = _proved(frequencies, coefficients, reach, rule, rounding)
    upper = torch.full_like(lower, torch.inf)
    for row in torch.isfinite(lower).nonzero()[:, 0].tolist():
        upper[row] = _seen(frequencies, coefficients[row], float(lower[row]), float(reach[row]), rule, beyond)
    return Crossing(lower=lower, upper=upper)


def nearest_crossing(
    polynomials: Polynomials, start: Tensor, race: Race, low: Tensor, high: Tensor, *, beyond: float
) -> tuple[Tensor, Tensor, Tensor]:
    """How far scores of one variable may move either way before the prediction flips.

    Args:
        polynomials: the class scores, of one variable.
        start: where each sample stands `(samples, 1)`.
        race: which scores are compared.
        low: lowest step `(samples, 1)`, finite, at most 0.
        high: highest step `(samples, 1)`.
        beyond: how far below 0 a difference must be to be seen to flip.

    Returns:
        Proved distance `(samples,)`, infinite where nothing flips; distance of a flip that was seen `(samples,)`; the
        step to it `(samples, 1)`, 0 where there is none.
    """
    frequencies = polynomials.frequencies[:, 0]
    order = frequencies.argsort()
    phase = start * frequencies
    first, second = race.winners, race.losers
    constant = polynomials.constant[first] - polynomials.constant[second]
    cosine, sine = ((part[first] - part[second]) for part in (polynomials.cosine, polynomials.sine))
    turn, lift = phase.cos()[:, None], phase.sin()[:, None]
    even, odd = (cosine * turn + sine * lift)[..., order], (sine * turn - cosine * lift)[..., order]
    rounding = polynomials.rounding[first] + polynomials.rounding[second]
    found = []
    for sign, reach in ((1.0, high), (-1.0, -low)):
        coefficients = torch.cat([constant[..., None], even, sign * odd], dim=-1)
        crossing = first_crossing(
            frequencies[order], coefficients, reach[:, 0], rule=race.rule, rounding=rounding, beyond=beyond
        )
        found.append(crossing)
    upper = torch.minimum(found[0].upper, found[1].upper)
    step = torch.where(found[0].upper <= found[1].upper, upper, -upper)
    lower = torch.minimum(found[0].lower, found[1].lower)
    return lower, upper, step.where(torch.isfinite(upper), 0.0)[:, None]


def _proved(frequencies: Tensor, coefficients: Tensor, reach: Tensor, rule: str, rounding: Tensor) -> Tensor:
    amplitude = torch.hypot(*coefficients[..., 1:].chunk(2, dim=-1))
    curvature = (amplitude * frequencies.square()).sum(dim=-1)
    t = torch.zeros_like(reach)
    alive = torch.arange(len(reach))
    for _ in range(_STEPS):
        if not len(alive):
            break
        values, slopes = _with_slopes(frequencies, coefficients[alive], t[alive])
        values = values - rounding[alive]
        root = (slopes.square() + 2 * curvature[alive] * values.clamp(min=0)).sqrt()
        # Uphill the other form of the same number: a difference of nearly equal ones would overstep.
        uphill, downhill = (slopes + root) / curvature[alive], 2 * values / (root - slopes)
        step = torch.where(slopes > 0, uphill, downhill).nan_to_num(nan=torch.inf).where(values > 0, 0.0)
        step = step.amin(dim=1) if rule == "min" else step.amax(dim=1)
        ahead = t[alive] + step * (1 - _SAME)
        moving = (ahead > t[alive]) & (ahead <= reach[alive])
        t[alive] = torch.where(ahead > reach[alive], torch.inf, ahead)
        alive = alive[moving]
    return t


def _seen(frequencies: Tensor, coefficients: Tensor, proved: float, reach: float, rule: str, beyond: float) -> float:
    """The first place found that is not positive, from where the proof stops: there, or behind a root."""
    places = [torch.tensor([proved], dtype=torch.float64)]
    for one in coefficients:
        shifted = one.clone()
        shifted[0] += beyond
        places.append(real_roots(frequencies, shifted, proved, reach))
    place = torch.cat(places).sort().values
    # A root is met up to rounding: the hairs behind it are tried as well.
    hairs = torch.tensor([0.0, *(10.0**exponent for exponent in range(-15, -5))], dtype=torch.float64)
    place = (place[:, None] + hairs * max(1.0, reach)).flatten().clamp(max=reach).sort().values
    values = basis(frequencies, place) @ coefficients.T
    lost = (values.amin(dim=1) if rule == "min" else values.amax(dim=1)) <= -beyond
    return float(place[int(lost.nonzero()[0])]) if bool(lost.any()) else math.inf


def _with_slopes(frequencies: Tensor, coefficients: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Values and derivatives `(rows, polynomials)` at `t` `(rows,)`."""
    phase = t[:, None] * frequencies
    cosine, sine = phase.cos()[:, None], phase.sin()[:, None]
    a, b = coefficients[..., 1:].chunk(2, dim=-1)
    values = coefficients[..., 0] + (a * cosine + b * sine).sum(dim=-1)
    return values, ((b * cosine - a * sine) * frequencies).sum(dim=-1)


def _sign_changes(frequencies: Tensor, coefficients: Tensor, low: float, high: float) -> Tensor:
    count = 2 + math.ceil(_PER_OSCILLATION * (high - low) * float(frequencies[-1]) / (2 * math.pi))
    t = torch.linspace(low, high, count, dtype=torch.float64)
    sign = (basis(frequencies, t) @ coefficients).sign()
    change = (sign[:-1] * sign[1:] <= 0) & (sign[1:] != 0)
    left, right, before = t[:-1][change], t[1:][change], sign[:-1][change]
    for _ in range(_HALVINGS):
        middle = (left + right) / 2
        same = (basis(frequencies, middle) @ coefficients).sign() == before
        left, right = torch.where(same, middle, left), torch.where(same, right, middle)
    return right
