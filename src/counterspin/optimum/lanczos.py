r"""Nearest points where a quadratic function is not positive, from products with its curvature alone.

For :math:`q(\delta) = q_0 + 2 g^T\delta + \delta^T P\delta` the stationary points of the Lagrangian
:math:`f_\lambda = \|\delta\|^2 + \lambda q` are :math:`-\lambda (1 + \lambda P)^{-1} g` and lie, to fast growing
accuracy, in the Krylov space of `P` and `g`. One Lanczos basis per sample serves every λ at once (Gould, Lucidi, Roma
and Toint, SIAM J. Optim. 9, 1999): the secular equation is solved on its tridiagonal matrix.

What comes out is certified without trusting the basis. If :math:`P \ge \ell 1` then :math:`f_\lambda` is strongly
convex for :math:`0 \le \lambda < -1/\ell` with :math:`\sigma = 1 + \lambda\ell > 0`, and for *every* point

.. math:: \min f_\lambda \ \ge\ f_\lambda(\tilde\delta) - \|r\|^2 / \sigma, \qquad
          r = \tilde\delta + \lambda (g + P\tilde\delta),

(half the gradient of :math:`f_\lambda` is `r`), so that the right-hand side is a lower bound on the squared distance by
weak duality. Lanczos values approach the lowest eigenvalue from above and prove nothing about :math:`\ell`; it has to
be known beforehand, here as the lowest value the measured observable can take (its spectrum is known; a unitary keeps
it, and a restriction to real or padded data only narrows it). Where the best λ lies beyond :math:`-1/\ell` the bound is
taken just below and the bracket stays open.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.optimum.affine_secular import affine_root, affine_step

__all__ = ["QuadraticFunctions", "krylov_bracket"]

_EPS = torch.finfo(torch.float64).eps
# The largest λ in units of -1/ℓ: σ stays this far above 0.
_BELOW_POLE = 1 - 1e-4
_CHECK_EVERY = 4
# Numbers of the Lanczos bases held at once, 256 MiB.
_AT_ONCE = 2**25


@dataclass(frozen=True, kw_only=True, eq=False)
class QuadraticFunctions:
    """Functions `q = q_0 + 2 g·δ + δ·Pδ` of many rows with one curvature.

    Args:
        times: products `(rows, d)` of P with rows `(rows, d)`.
        value: `q_0` `(rows,)` float64.
        gradient: half the gradient, g `(rows, d)`.
        floor: no eigenvalue of P lies lower.
        norm: none is larger in modulus.
        rounding: relative error of a product, of the gradient and of the value.
        size: length of the vectors from which value and gradient were computed `(rows,)`.
    """

    times: Callable[[Tensor], Tensor]
    value: Tensor
    gradient: Tensor
    floor: float
    norm: float
    rounding: float
    size: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class KrylovBracket:
    """Certified and attained distance.

    Args:
        lower: certified distance `(rows,)`.
        step: δ `(rows, d)` with `q <= 0` up to rounding where `upper` is finite.
        upper: its length `(rows,)`; infinite where none was found.
        multiplier: λ `(rows,)` of the certificate.
        products: multiplications by P of the slowest row.
    """

    lower: Tensor
    step: Tensor
    upper: Tensor
    multiplier: Tensor
    products: int


def krylov_bracket(q: QuadraticFunctions, *, steps: int = 60, gap: float = 1e-9) -> KrylovBracket:
    """Bracket the distance from 0 to `{q <= 0}` of each row.

    Args:
        q: the functions.
        steps: most basis vectors a row.
        gap: relative gap at which a row is finished, as it is when neither bound moves by as much.

    Example:
        >>> one = torch.ones(1, dtype=torch.float64)  # q = 1 - 2 δ: reached at 1/2
        >>> plane = QuadraticFunctions(
        ...     times=torch.zeros_like, value=one, gradient=-one[:, None], floor=0.0, norm=0.0, rounding=0.0, size=one
        ... )
        >>> round(krylov_bracket(plane).upper.item(), 9)
        0.5
    """
    rows, d = q.gradient.shape
    parts = [
        _bracket(q, chosen, min(steps, d), gap) for chosen in torch.arange(rows).split(max(1, _AT_ONCE // (steps * d)))
    ]
    joined = {name: torch.cat([getattr(part, name) for part in parts]) for name in ("lower", "step", "upper")}
    multiplier = torch.cat([part.multiplier for part in parts])
    return KrylovBracket(**joined, multiplier=multiplier, products=max(part.products for part in parts))


def _bracket(q: QuadraticFunctions, rows: Tensor, steps: int, gap: float) -> KrylovBracket:
    value, gradient, size = q.value[rows], q.gradient[rows], q.size[rows]
    lower, multiplier = torch.zeros_like(value), torch.zeros_like(value)
    upper, step = torch.full_like(value, torch.inf), torch.zeros_like(gradient)
    length = gradient.norm(dim=1)
    current = gradient / length.clamp(min=1e-300)[:, None]
    basis, diagonal, beside = [current], [], []
    active, products = torch.arange(len(rows)), 0
    while len(active):
        products += 1
        image = q.times(current)
        diagonal.append((current * image).sum(dim=1))
        # Twice against the whole basis: the three-term recurrence alone loses orthogonality.
        span = torch.stack(basis, dim=1)
        for _ in range(2):
            image = image - (image[:, None] @ span.mT @ span)[:, 0]
        beta = image.norm(dim=1)
        full = len(basis) == steps
        closed = beta <= 64 * _EPS * q.norm
        if len(basis) % _CHECK_EVERY == 0 or full or bool(closed.all()):
            ritz = _ritz(diagonal, beside)
            mine = _Rows(value[active], gradient[active], size[active], length[active])
            low, lam, up, moved = _certified(q, mine, span, *ritz)
            products += 1
            # Rounding may keep a bracket open for good: a row that no longer moves is finished.
            settled = (low <= lower[active] * (1 + gap)) & (up >= upper[active] * (1 - gap)) & (lower[active] > 0)
            better = low > lower[active]
            lower[active[better]], multiplier[active[better]] = low[better], lam[better]
            nearer = up < upper[active]
            upper[active[nearer]], step[active[nearer]] = up[nearer], moved[nearer]
            keep = (upper[active] > lower[active] * (1 + gap)) & ~closed & ~settled
            if full:
                break
            active, image, beta = active[keep], image[keep], beta[keep]
            basis, diagonal, beside = ([entry[keep] for entry in entries] for entries in (basis, diagonal, beside))
        # A basis that is complete goes on with zeros, which change nothing.
        ended = beta <= 64 * _EPS * q.norm
        beta = beta.masked_fill(ended, 0.0)
        beside.append(beta)
        current = torch.where(ended[:, None], 0.0, image / beta[:, None])
        basis.append(current)
    return KrylovBracket(lower=lower, step=step, upper=upper, multiplier=multiplier, products=products)


@dataclass(frozen=True, eq=False)
class _Rows:
    value: Tensor
    gradient: Tensor
    size: Tensor
    length: Tensor


def _ritz(diagonal: list[Tensor], beside: list[Tensor]) -> tuple[Tensor, Tensor]:
    matrix = torch.diag_embed(torch.stack(diagonal, dim=1))
    if beside:
        off = torch.stack(beside, dim=1)
        matrix = matrix + torch.diag_embed(off, 1) + torch.diag_embed(off, -1)
    return torch.linalg.eigh(matrix)


def _certified(
    q: QuadraticFunctions, rows: _Rows, span: Tensor, ritz: Tensor, vectors: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Lower distance, its λ, upper distance and the step that reaches it, from the bases `(rows, j, d)`."""
    lowest = ritz[:, 0]
    pole, gaps = (-lowest).clamp(min=0), ritz - lowest[:, None] + lowest.clamp(min=0)[:, None]
    inside = rows.length[:, None] * vectors[:, 0]
    root = affine_root(rows.value, inside.square(), gaps, pole)
    most = torch.inf if q.floor >= 0 else -_BELOW_POLE / q.floor
    lam = root.multiplier.clamp(max=most)

    def at(s: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        coordinates = (vectors @ affine_step(inside, gaps, s)[:, :, None])[:, :, 0]
        step = (coordinates[:, None] @ span)[:, 0]
        image = q.times(step)
        return step, image, (rows.gradient * step).sum(dim=1), (image * step).sum(dim=1)

    step, image, linear, square = at(root.s)
    upper, moved = _reached(rows.value + _lost(q, rows, step.norm(dim=1)), step, linear, square)
    capped = lam < root.multiplier
    if bool(capped.any()):
        step, image, linear, square = at(torch.where(capped, lam / (1 - pole * lam), root.s))
    return _dual(q, rows, lam, step, image, linear, square), lam, upper, moved


def _dual(
    q: QuadraticFunctions, rows: _Rows, lam: Tensor, step: Tensor, image: Tensor, linear: Tensor, square: Tensor
) -> Tensor:
    """Certified distance `(rows,)`; errors of value, gradient and product enter as in `nearest_on_affine_cone`."""
    length = step.norm(dim=1)
    e1, e2 = q.rounding * q.norm * rows.size, q.rounding * q.norm
    lost = _lost(q, rows, length)
    shift = e2 + e1 / length.clamp(min=1e-300)
    residual = torch.linalg.vector_norm(step + lam[:, None] * (rows.gradient + image), dim=1)
    residual = residual + lam * (e1 + e2 * length) + 16 * _EPS * length
    convexity = 1 + lam * (q.floor - shift)
    value = length.square() + lam * (rows.value + 2 * linear + square - 2 * lost)
    value = value - 16 * _EPS * (length.square() + lam * (rows.value.abs() + 2 * linear.abs() + square.abs()))
    squared = value - residual.square() / convexity
    return torch.where(convexity > 0, squared.clamp(min=0).sqrt() * (1 - 16 * _EPS), torch.zeros_like(lam))


def _lost(q: QuadraticFunctions, rows: _Rows, length: Tensor) -> Tensor:
    """How far off the computed `q` may be at steps of some length `(rows,)`."""
    return q.rounding * q.norm * (rows.size + length).square()


def _reached(value: Tensor, step: Tensor, linear: Tensor, square: Tensor) -> tuple[Tensor, Tensor]:
    """Where the ray through the step meets `q = 0`, which costs no product, and how far that is."""
    # Smallest t > 0 of value + 2 t linear + t² square; the step goes downhill, linear + square < 0 at a solution.
    discriminant = linear.square() - square * value
    t = value / (-linear + discriminant.clamp(min=0).sqrt()).clamp(min=1e-300)
    good = (discriminant >= 0) & (linear < 0)
    moved = t[:, None] * (1 + 8 * _EPS) * step
    return torch.where(good, moved.norm(dim=1), torch.inf), torch.where(good[:, None], moved, 0.0)
