r"""Linear bounds of score differences on cells, for `branching`: from a polynomial, or from a bandwidth and a range.

With the polynomial known, the exact Hessian H at the centre and the third derivatives bound what is left out,

.. math:: |f(c + u) - f(c) - g^\top u - \tfrac12 u^\top H u| \le \tfrac16 \sum_\omega |c_\omega|\,(|\omega|^\top w)^3
    \quad\text{for } |u_i| \le w_i ,

or :math:`\tfrac12 \sum_\omega |c_\omega| (|\omega|^\top w)^2` without H, whichever is less. Without the polynomial,
Bernstein's inequality does: a score within [a, b] that is band-limited to :math:`\Omega = \sum_i S_i w_i` turns by at
most :math:`\Omega^2 (b - a)/2` in the second derivative, and the normalised score h stays above

.. math:: h(c) - \cos p + \cos(p + \Omega), \qquad p = \arcsin\bigl(\textstyle\sum_i |\partial_i h| w_i / \Omega\bigr)

while :math:`p + \Omega \le \pi/2`, and falls no faster than with slope 1 in units of :math:`1/\Omega` beyond
(Bernstein–Szegő for :math:`h'/\Omega`; to our knowledge new as a certificate).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from counterspin.optimum.branching import Expand, Expansion
from counterspin.optimum.multivariate import Polynomials, taylor
from counterspin.optimum.races import Race

__all__ = ["bernstein_expansion", "bernstein_floor", "polynomial_expansion"]


def polynomial_expansion(polynomials: Polynomials, start: Tensor, race: Race) -> Expand:
    """Bounds of differences of polynomials.

    Args:
        polynomials: the class scores.
        start: where the steps of each sample begin `(samples, d)`.
        race: which scores of each sample are compared.
    """
    classes = len(polynomials.constant)
    first, second = torch.cartesian_prod(torch.arange(classes), torch.arange(classes)).unbind(dim=1)
    pairs = polynomials.differences(first, second)
    amplitude, magnitude = pairs.amplitude.T.contiguous(), pairs.frequencies.abs().T.contiguous()

    def expand(row: Tensor, offset: Tensor, half: Tensor) -> Expansion:
        found = taylor(polynomials, start[row] + offset)
        cell, plus, minus = torch.arange(len(row))[:, None], race.winners[row], race.losers[row]
        value = found.value[cell, plus] - found.value[cell, minus]
        gradient = found.gradient[cell, plus] - found.gradient[cell, minus]
        hessian = found.hessian[cell, plus] - found.hessian[cell, minus]
        pair, turn = classes * plus + minus, half @ magnitude
        curvature = (turn.square() @ amplitude).gather(1, pair) / 2
        torsion = (turn.pow(3) @ amplitude).gather(1, pair) / 6
        rounding = pairs.rounding[pair]
        squares = half[:, None].square()
        diagonal = hessian.diagonal(dim1=-2, dim2=-1)
        mixed = ((hessian.abs() @ half[:, None, :, None])[..., 0] * half[:, None]).sum(dim=-1)
        mixed = mixed - (diagonal.abs() * squares).sum(dim=-1)
        bent = [torsion + 0.5 * (mixed + (side.clamp(min=0) * squares).sum(dim=-1)) for side in (-diagonal, diagonal)]
        below, above = (torch.minimum(part, curvature) + rounding for part in bent)
        floor = value - (gradient.abs() * half[:, None]).sum(dim=-1) - below
        return Expansion(value=value, gradient=gradient, below=below, above=above, floor=floor)

    return expand


def bernstein_expansion(
    scores: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    start: Tensor,
    race: Race,
    *,
    bandwidth: Tensor,
    lowest: Tensor,
    highest: Tensor,
    rounding: float,
) -> Expand:
    """Bounds of differences of band-limited functions.

    Args:
        scores: values `(cells, classes)` and gradients `(cells, classes, d)` at points `(cells, d)` of samples
            `(cells,)`, as `scores(row, point)`.
        start: where the steps of each sample begin `(samples, d)`.
        race: which scores of each sample are compared.
        bandwidth: S, highest frequency along each variable `(d,)`.
        lowest: lower end of the range of the differences `(classes, classes)`.
        highest: upper end.
        rounding: error of a difference, relative to its range.
    """
    half_range = (highest - lowest) / 2

    def expand(row: Tensor, offset: Tensor, half: Tensor) -> Expansion:
        values, gradients = scores(row, start[row] + offset)
        cell, plus, minus = torch.arange(len(row))[:, None], race.winners[row], race.losers[row]
        value = values[cell, plus] - values[cell, minus]
        gradient = gradients[cell, plus] - gradients[cell, minus]
        unit = half_range[plus, minus]
        omega = (half @ bandwidth)[:, None].expand_as(value)
        slack = unit * (0.5 * omega.square() + rounding)
        fall = (gradient.abs() * half[:, None]).sum(dim=-1) / unit
        floor = value + unit * (bernstein_floor(fall, omega) - rounding)
        return Expansion(value=value, gradient=gradient, below=slack, above=slack, floor=floor)

    return expand


def bernstein_floor(fall: Tensor, omega: Tensor) -> Tensor:
    r"""How far below its value now a function with :math:`|h| \le 1` may come in one unit of time, at most 0.

    Args:
        fall: :math:`|h'|` now.
        omega: the highest frequency.

    Example:
        >>> round(bernstein_floor(torch.tensor(0.0), torch.tensor(math.pi / 3)).item(), 6)
        -0.5
    """
    phase = torch.asin((fall / omega.clamp(min=torch.finfo(omega.dtype).tiny)).clamp(max=1.0))
    turned = phase + omega
    curved = torch.cos(turned.clamp(max=math.pi / 2)) - torch.cos(phase)
    return curved - (turned - math.pi / 2).clamp(min=0)
