r"""Interpolation of band-limited functions on an interval, where their frequencies are too many to be told apart.

At the Chebyshev points :math:`t_k = m + h\cos\varphi_k` the interpolating polynomial is, in the angle
:math:`\varphi`, a trigonometric polynomial with frequencies 1 to n and no sines: `minimum.lowest` serves it as it is.
All nodes lie inside the interval.
"""

import math

import torch
from torch import Tensor

__all__ = ["chebyshev_angles", "chebyshev_degree", "cosines"]


def chebyshev_angles(count: int) -> Tensor:
    """Angles of `count` Chebyshev points, `(count,)` float64, ascending in (0, π).

    Example:
        >>> chebyshev_angles(1).div(torch.pi).tolist()
        [0.5]
    """
    return math.pi * (torch.arange(count, dtype=torch.float64) + 0.5) / count


def cosines(degree: int, angles: Tensor) -> Tensor:
    """Values `(..., degree+1)` of 1, cos φ, …, cos(degree φ) at `angles` `(...)`.

    Example:
        >>> cosines(2, torch.zeros(1)).tolist()
        [[1.0, 1.0, 1.0]]
    """
    return torch.cos(angles[..., None] * torch.arange(degree + 1).to(angles))


def chebyshev_degree(bandwidth: float, half_width: float, tolerance: float, *, at_most: int = 64) -> int:
    r"""Degree at which the interpolant on an interval is within `tolerance` of a band-limited function.

    A real function with bandwidth Ω and :math:`|f| \le 1` on the real line is below :math:`\cosh(\Omega y)` at
    :math:`x + iy` (Duffin and Schaeffer, 1938), so on the Bernstein ellipse with parameter ρ around an interval of
    half-width h, and with the error bound of Trefethen, *Approximation Theory and Approximation Practice*, theorem 8.2,

    .. math:: \max |f - p_n| \le \min_{\rho > 1} \frac{4 \cosh\bigl(\tfrac{\Omega h}{2}(\rho - 1/\rho)\bigr)}
        {\rho^n (\rho - 1)}

    Args:
        bandwidth: Ω.
        half_width: h.
        tolerance: relative to the largest |f|.
        at_most: the degree returned where a higher one would be needed.

    Example:
        >>> chebyshev_degree(1.0, 1.0, 1e-3), chebyshev_degree(1.0, 1.0, 1e-9)
        (5, 10)
    """
    reach = bandwidth * half_width / 2
    ratios = [1.0 + 10 ** (exponent / 10) for exponent in range(-20, 61)]
    for degree in range(1, at_most):
        logs = (math.log(4) + _log_cosh(reach * (r - 1 / r)) - degree * math.log(r) - math.log(r - 1) for r in ratios)
        if min(logs) <= math.log(tolerance):
            return degree
    return at_most


def _log_cosh(value: float) -> float:
    return value + math.log1p(math.exp(-2 * value)) - math.log(2)
