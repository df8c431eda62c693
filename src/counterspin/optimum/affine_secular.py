r"""The secular equation of the nearest point where a quadratic function is not positive.

Let :math:`q(x + \delta) = q_0 + 2 g^T \delta + \delta^T P \delta` with :math:`q_0 > 0`, and write :math:`a_i, g_i` for
the eigenvalues of `P` and the coefficients of `g` in its eigenvectors. The distance from `x` to :math:`\{q \le 0\}` has
the Lagrangian dual (no gap by the S-lemma where some point has :math:`q < 0`)

.. math:: D(\lambda) = \min_\delta \|\delta\|^2 + \lambda\, q(x + \delta)
          = \lambda q_0 - \sum_i \frac{\lambda^2 g_i^2}{1 + \lambda a_i}, \qquad 0 \le \lambda \le \bar\lambda,

with :math:`\bar\lambda = -1/a_{\min}`, or infinity where :math:`P \ge 0`. Its slope is :math:`q` at the minimiser,
strictly decreasing. With :math:`m = \max(0, -a_{\min})`, :math:`\gamma_i = a_i + m \ge 0` and the unknown
:math:`s = \lambda / (1 - m \lambda) \in (0, \infty)` every denominator is a sum of non-negative terms:

.. math:: D(s) = \frac{s}{1 + m s} \Big(q_0 - \sum_i \frac{s\, g_i^2}{1 + s \gamma_i}\Big), \qquad
          \delta_i(s) = \frac{-s\, g_i}{1 + s \gamma_i}, \qquad
          q(s) = q_0 - s \sum_i \frac{g_i^2}{1 + s \gamma_i} \Big(1 + \frac{1 + m s}{1 + s \gamma_i}\Big).

Newton runs on :math:`h = q\,(1 - m\lambda)^2`, which has no pole. The homogeneous cone of
`counterspin.optimum.secular` is the case :math:`g = P x`, :math:`q_0 = x^T P x`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["AffineRoot", "affine_dual", "affine_root", "affine_step"]

# Beyond this share of the pole the root is taken to lie there: what is lost in D is of the order of one over it.
_POLE = 1e14
_SMALLEST_POLE = 1e-16
_RELATIVE_STEP = 1e-12
_MAX_ITERATIONS = 300


@dataclass(frozen=True, kw_only=True)
class AffineRoot:
    """Where the dual of each row is largest.

    Args:
        s: the maximiser `(rows,)`; 0 where `q_0 <= 0`.
        multiplier: the same as λ `(rows,)`.
        hard: rows `(rows,)` bool whose dual still rises at the end: hard case, or no point has `q < 0`.
        iterations: Newton iterations of the slowest row.
    """

    s: Tensor
    multiplier: Tensor
    hard: Tensor
    iterations: int


def affine_root(value: Tensor, squares: Tensor, gaps: Tensor, pole: Tensor) -> AffineRoot:
    """Root of `q` for every row, by safeguarded Newton.

    Args:
        value: `q_0` `(rows,)` float64.
        squares: squared coefficients of half the gradient, `g_i²` `(rows, d)`.
        gaps: `γ_i` `(rows, d)`, not negative.
        pole: `m` `(rows,)`, not negative.

    Example:
        >>> one = torch.ones(1, dtype=torch.float64)  # q = 1 - 2 δ, reached at δ = 1/2 with λ = 1/2
        >>> affine_root(one, one[:, None], 0 * one[:, None], 0 * one).multiplier.tolist()
        [0.5]
    """
    s = torch.zeros_like(value)
    hard = torch.zeros_like(value, dtype=torch.bool)
    active = (value > 0).nonzero()[:, 0]
    limit = _POLE / pole.clamp(min=_SMALLEST_POLE)
    t, q0, g2, gamma, m, end = s[active], value[active], squares[active], gaps[active], pole[active], limit[active]
    low, high = torch.zeros_like(t), torch.full_like(t, torch.inf)
    iterations = 0
    while len(active) and iterations < _MAX_ITERATIONS:
        iterations += 1
        inverse = (1 + t[:, None] * gamma).reciprocal_()
        terms = g2 * inverse
        stretch = 1 + m * t
        first, second = terms.sum(dim=1), (terms * inverse).sum(dim=1)
        third = (terms.mul_(inverse).mul_(inverse)).sum(dim=1)
        q = q0 - t * (first + stretch * second)
        low, high = torch.where(q > 0, t, low), torch.where(q > 0, high, t)
        # A Newton step of h in λ, written for s; a denominator <= 0 would step over the pole.
        e = q / (2 * (stretch.square() * third + m * q))
        step = (t + e) / (1 - m * e)
        usable = (m * e < 1) & (step >= low) & (step <= high)
        if not bool(usable.all()):
            step = torch.where(usable, step, _between(low, high, m))
        at_end = step >= end
        done = at_end | ((step - t).abs() <= _RELATIVE_STEP * step) | (q == 0)
        t = torch.where(q == 0, t, torch.minimum(step, end))
        s[active], hard[active] = t, at_end
        if bool(done.any()):
            left = (~done).nonzero()[:, 0]
            active, t, q0, g2, gamma = active[left], t[left], q0[left], g2[left], gamma[left]
            m, end, low, high = m[left], end[left], low[left], high[left]
    return AffineRoot(s=s, multiplier=s / (1 + pole * s), hard=hard, iterations=iterations)


def affine_dual(value: Tensor, squares: Tensor, gaps: Tensor, pole: Tensor, s: Tensor) -> Tensor:
    """Lower bound `(rows,)` on the squared distance, sound for any `s >= 0` (weak duality).

    The rounding of the sum, at most `(d + 16)` units of 2.2e-16 of the sum of its absolute terms, is subtracted.

    Args:
        value: `q_0` `(rows,)`.
        squares: `g_i²` `(rows, d)`.
        gaps: `γ_i` `(rows, d)`.
        pole: `m` `(rows,)`.
        s: `(rows,)`, not negative.
    """
    spent = s * (squares / (1 + s[:, None] * gaps)).sum(dim=1)
    rounding = (squares.shape[1] + 16) * torch.finfo(squares.dtype).eps
    return s / (1 + pole * s) * (value - spent - rounding * (value.abs() + spent))


def affine_step(coefficients: Tensor, gaps: Tensor, s: Tensor) -> Tensor:
    """Minimiser `δ` `(rows, d)` of the Lagrangian in the eigenbasis, for coefficients `g_i` `(rows, d)`.

    In the hard case the point lies off the boundary, short of a component along the lowest eigenvector.
    """
    return -s[:, None] * coefficients / (1 + s[:, None] * gaps)


def _between(low: Tensor, high: Tensor, pole: Tensor) -> Tensor:
    # s spans many orders of magnitude: geometric mean, or a factor 100 where a side of the bracket is still open.
    start = 1 / pole.clamp(min=1.0)
    opened = torch.where(low > 0, 100 * low, start)
    middle = torch.where(low > 0, (low * high).sqrt(), high / 100)
    return torch.where(torch.isinf(high), opened, middle)
