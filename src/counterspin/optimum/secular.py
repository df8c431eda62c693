r"""The secular equation of the nearest point on a quadratic cone.

The distance from `x` to :math:`\{z : z^T A z \le 0\}` has the Lagrangian dual (strong by the S-lemma)

.. math:: D(\lambda) = \min_z \|z - x\|^2 + \lambda z^T A z = \sum_i \frac{\lambda a_i}{1 + \lambda a_i} c_i^2,
          \qquad 0 \le \lambda \le -1/a_{\min},

with :math:`a_i` the eigenvalues of `A` and `c` the coefficients of `x` in its eigenvectors. Its slope is the secular
function :math:`g(\lambda) = \sum_i a_i c_i^2 / (1 + \lambda a_i)^2`, strictly decreasing, with a pole at the right end.

Two substitutions make this harmless in floating point. Newton runs on :math:`h = g\,(1 - \mu)^2` with
:math:`\mu = -\lambda a_{\min} \in (0, 1)`, which has no pole; and the unknown is stored as the odds
:math:`s = \mu / (1 - \mu) \in (0, \infty)`. With :math:`\alpha_i = a_i / |a_{\min}|` and :math:`\gamma_i = 1 + \alpha_i
\ge 0` every denominator is a sum of non-negative terms, so nothing cancels at either end:

.. math:: h(s) = \sum_i \frac{\alpha_i c_i^2}{(1 + s\gamma_i)^2}, \qquad
          D(s) = \sum_i \frac{s\,\alpha_i}{1 + s\gamma_i} c_i^2, \qquad z_i(s) = \frac{1 + s}{1 + s\gamma_i} c_i.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.errors import InputError

__all__ = ["SecularRoot", "dual_value", "secular_root", "stationary_point"]

# Beyond these odds the root is taken to lie at the pole (hard case): what is lost in D is of the order 1/_POLE.
_POLE = 1e14
_RELATIVE_STEP = 1e-12
_MAX_ITERATIONS = 200


@dataclass(frozen=True, kw_only=True)
class SecularRoot:
    """Where the dual of each row is largest.

    Args:
        odds: the maximiser as odds `s` `(rows,)`; 0 where the row starts inside the cone.
        multiplier: the same as Lagrange multiplier λ `(rows,)`, in units of one over the eigenvalues.
        hard: rows `(rows,)` bool whose dual still rises at the pole, for want of weight on the lowest eigenspace.
        iterations: Newton iterations of the slowest row.
    """

    odds: Tensor
    multiplier: Tensor
    hard: Tensor
    iterations: int


def secular_root(eigenvalues: Tensor, weights: Tensor) -> SecularRoot:
    """Root of the secular function for every row, by safeguarded Newton.

    Args:
        eigenvalues: `(d,)` float64, at least one below 0.
        weights: squared coefficients of the rows in the eigenvectors, `(rows, d)` float64, not negative.

    Raises:
        InputError: no eigenvalue is negative, so that the cone is empty or flat and there is no root.

    Example:
        >>> root = secular_root(torch.tensor([-1.0, 1.0]).double(), torch.tensor([[0.2, 0.8]]).double())
        >>> round(root.multiplier.item(), 6)
        0.333333
    """
    ratios, gaps, scale = _scaled(eigenvalues)
    rows = weights.shape[0]
    odds = weights.new_zeros(rows)
    hard = torch.zeros(rows, dtype=torch.bool, device=weights.device)
    slope = weights * ratios
    # Rows inside the cone (g(0) <= 0) stay at 0; all others leave the active set as soon as they converge. Without
    # freezing, a converged row's bracket shrinks to rounding size and the row is bisected all over again.
    active = (slope.sum(dim=1) > 0).nonzero()[:, 0]
    slope, s = slope[active], odds[active]
    low, high = torch.zeros_like(s), torch.full_like(s, torch.inf)
    iterations = 0
    while len(active) and iterations < _MAX_ITERATIONS:
        iterations += 1
        inverse = (1 + s[:, None] * gaps).reciprocal_()
        terms = slope * inverse.square()
        h = terms.sum(dim=1)
        decrease = 2 * (terms * inverse) @ gaps
        low, high = torch.where(h > 0, s, low), torch.where(h > 0, high, s)
        # A Newton step in μ, written for the odds; e >= 1 would step over the pole.
        e = h / (decrease * (1 + s))
        step = (s + e) / (1 - e)
        usable = (e < 1) & (step >= low) & (step <= high)
        if not bool(usable.all()):
            step = torch.where(usable, step, _between(low, high))
        at_pole = step >= _POLE
        done = at_pole | ((step - s).abs() <= _RELATIVE_STEP * step) | (h == 0)
        s = torch.where(h == 0, s, step.clamp(max=_POLE))
        odds[active], hard[active] = s, at_pole
        if bool(done.any()):
            left = (~done).nonzero()[:, 0]
            active, slope, s, low, high = active[left], slope[left], s[left], low[left], high[left]
    return SecularRoot(odds=odds, multiplier=odds / (1 + odds) / scale, hard=hard, iterations=iterations)


def dual_value(eigenvalues: Tensor, weights: Tensor, odds: Tensor) -> Tensor:
    """Lower bound `(rows,)` on the squared distance of each row to the cone, sound for any odds >= 0 (weak duality).

    The rounding of the sum, at most `(d + 16)` units of 2.2e-16 of the sum of its absolute terms, is subtracted.

    Args:
        eigenvalues: `(d,)` float64, at least one below 0.
        weights: squared coefficients, `(rows, d)`.
        odds: `(rows,)`, not negative.

    Example:
        >>> eigenvalues, weights = torch.tensor([-1.0, 1.0]).double(), torch.tensor([[0.2, 0.8]]).double()
        >>> round(dual_value(eigenvalues, weights, torch.tensor([0.5]).double()).item(), 6)
        0.1
    """
    ratios, gaps, _ = _scaled(eigenvalues)
    s = odds[:, None]
    terms = s * ratios / (1 + s * gaps) * weights
    rounding = (weights.shape[1] + 16) * torch.finfo(weights.dtype).eps
    return terms.sum(dim=1) - rounding * terms.abs().sum(dim=1)


def stationary_point(eigenvalues: Tensor, coefficients: Tensor, odds: Tensor) -> Tensor:
    """Minimiser `(rows, d)` of the Lagrangian in the eigenbasis, for `coefficients` `(rows, d)` and `odds` `(rows,)`.

    In the hard case this point lies off the cone, short of a component along the lowest eigenvector.
    """
    _, gaps, _ = _scaled(eigenvalues)
    s = odds[:, None]
    return (1 + s) / (1 + s * gaps) * coefficients


def _scaled(eigenvalues: Tensor) -> tuple[Tensor, Tensor, float]:
    lowest = float(eigenvalues.min())
    if not lowest < 0:
        raise InputError(
            f"eigenvalues: the lowest is {lowest:.3g}; a secular root needs one below 0 (else no point flips)."
        )
    return eigenvalues / -lowest, (eigenvalues - lowest) / -lowest, -lowest


def _between(low: Tensor, high: Tensor) -> Tensor:
    # Odds span many orders of magnitude: geometric mean, or a factor 100 where a side of the bracket is still open.
    opened = torch.where(low > 0, 100 * low, torch.ones_like(low))
    middle = torch.where(low > 0, (low * high).sqrt(), high / 100)
    return torch.where(torch.isinf(high), opened, middle)
