r"""Trace distance of a pure state to the nearest state, pure or mixed, that changes a classifier's mind.

The dual of the programme in `counterspin.optimum.trace_distance_sdp` is attained, for pure ψ, by effects of rank one,
and has two numbers left. With :math:`b_k = a_k - a_0` over the eigenvalues of the margin's observable A (lowest
:math:`a_0 < 0`, at :math:`\varphi_0`) and :math:`c_k^2` the weights of ψ,

.. math:: T = \max_{\lambda \ge 0}\ \lambda a_0 + \min_{0 \le \tau \le 1} \sum_k
    \frac{c_k^2\,\lambda b_k}{\tau + (1 - \tau)\lambda b_k},

concave in λ and convex in τ; any λ, with a tangent in τ, is a lower bound. The state that attains it lives in the span
of :math:`\varphi_0` and :math:`w_k = c_k / (\tau + (1 - \tau)\lambda b_k)`. A projective bit gives half the margin.
Where the nearest state is pure (φ, with overlap f and :math:`h = \sqrt{1 - f^2}`), the multiplier of its optimality
:math:`\lambda = f / (2\langle\varphi^\perp|A|\varphi\rangle)`, gives the bound. To our knowledge new.
"""

import torch
from torch import Tensor

from counterspin.optimum.state_arguments import checked_observables, checked_states
from counterspin.optimum.states import nearest_states, state_scores
from counterspin.optimum.trace_distance import TraceDistances, flip_rows, trace_distance, trace_distance_bounds
from counterspin.validation import as_labels

__all__ = ["pure_state_trace_distances"]

_EPS = torch.finfo(torch.float64).eps
_BISECTIONS = 60
_CLOSED = 1e-8


@torch.no_grad()
def pure_state_trace_distances(observables: Tensor, states: Tensor, y: Tensor) -> TraceDistances:
    """Bracket of the trace distance of pure states to the nearest flip, closed to about 1e-9 as a rule.

    Starts from `trace_distance_bounds`, which it can only tighten.

    Args:
        observables: Hermitian `(classes, D, D)`, biases absorbed.
        states: pure `(batch, D)`.
        y: true classes `(batch,)`; misclassified and tied states have distance 0.

    Raises:
        InputError: as `nearest_states`.

    Example:
        >>> levels = torch.stack([torch.diag(torch.tensor([1.0, 0.2, -0.5])), torch.zeros(3, 3)]).cdouble()
        >>> found = pure_state_trace_distances(levels, torch.tensor([[0.8, 0.6, 0.0]]).cdouble(), torch.tensor([0]))
        >>> bool(found.upper - found.lower < 1e-7)
        True
    """
    m = checked_observables(observables)
    psi = checked_states(states, m.shape[1])
    y = as_labels(y, len(m), len(psi))
    start = trace_distance_bounds(m, psi, y)
    upper, attacks = start.upper.clone(), start.states.clone()
    lower = torch.where(upper == 0, 0.0, torch.inf).to(upper)
    for rows, form in flip_rows(m, y, upper > 0):
        eigenvalues, vectors = torch.linalg.eigh(form)
        slack = 8 * (len(eigenvalues) + 8) * _EPS * float(eigenvalues.abs().max())
        if float(eigenvalues[0]) > slack:
            continue
        coefficients = psi[rows] @ vectors.conj()
        bound, odds, share = _saddle(eigenvalues - 2 * slack, coefficients.abs().square())
        sigma = _attained(eigenvalues - eigenvalues[0], coefficients, odds / (2 * slack - eigenvalues[0]), share)
        sigma = vectors @ sigma @ vectors.mH
        scores = state_scores(m, sigma)
        own = scores.gather(1, y[rows][:, None])[:, 0]
        seen = own <= scores.scatter(1, y[rows][:, None], -torch.inf).amax(dim=1)
        rho = psi[rows][:, :, None] * psi[rows][:, None, :].conj()
        distance = trace_distance(rho, sigma)
        nearer = seen & (distance < upper[rows])
        upper[rows[nearer]], attacks[rows[nearer]] = distance[nearer], sigma[nearer]
        left = (bound < upper[rows] - _CLOSED).nonzero()[:, 0]
        if len(left):
            bound[left] = torch.maximum(bound[left], _by_purity(form, psi[rows[left]], slack))
        lower[rows] = torch.minimum(lower[rows], bound)
    return TraceDistances(lower=torch.maximum(lower, start.lower), upper=upper, states=attacks)


def _saddle(eigenvalues: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Lower bound, `λ|a_0|` and τ of each row `(rows,)`, by bisection of two slopes."""
    gaps = (eigenvalues - eigenvalues[0]) / -eigenvalues[0]
    low, high = (torch.full_like(weights[:, 0], end) for end in (-40.0, 40.0))
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        share = _share(gaps, weights, middle.exp())
        bottom = _bottom(gaps, middle.exp(), share)
        rising = (weights * gaps * share[:, None] / bottom.square()).sum(dim=1) > 1
        low, high = torch.where(rising, middle, low), torch.where(rising, high, middle)
    odds = low.exp()
    share = _share(gaps, weights, odds)
    scaled, bottom = odds[:, None] * gaps, _bottom(gaps, odds, share)
    value = (weights * scaled / bottom).sum(dim=1)
    slope = -(weights * scaled * (1 - scaled) / bottom.square()).sum(dim=1)
    tangent = torch.minimum(-slope * share, slope * (1 - share))
    rounding = 16 * (weights.shape[1] + 16) * _EPS * (value + odds)
    return (value + tangent - odds - rounding).clamp(min=0), odds, share


def _share(gaps: Tensor, weights: Tensor, odds: Tensor) -> Tensor:
    """The minimising τ `(rows,)`, whose objective is convex."""
    low, high = torch.full_like(odds, 1e-14), torch.ones_like(odds)
    scaled = odds[:, None] * gaps
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        falling = (weights * scaled * (1 - scaled) / _bottom(gaps, odds, middle).square()).sum(dim=1) > 0
        low, high = torch.where(falling, middle, low), torch.where(falling, high, middle)
    return low


def _bottom(gaps: Tensor, odds: Tensor, share: Tensor) -> Tensor:
    return share[:, None] + (1 - share)[:, None] * odds[:, None] * gaps


def _attained(gaps: Tensor, coefficients: Tensor, multiplier: Tensor, share: Tensor) -> Tensor:
    """Density matrices `(rows, D, D)` in the eigenbasis; pulled back to states where rounding left their range."""
    scaled = multiplier[:, None] * gaps
    w = coefficients / (share[:, None] + (1 - share)[:, None] * scaled)
    w[:, 0] = 0
    tiny = torch.finfo(torch.float64).tiny
    v = scaled * w
    v = v / torch.linalg.vector_norm(v, dim=1, keepdim=True).clamp(min=tiny)
    size = torch.linalg.vector_norm(w, dim=1).clamp(min=tiny)
    unit = w / size[:, None]
    seen = (v.conj() * coefficients).sum(dim=1).real / (unit.conj() * v).sum(dim=1).real.clamp(min=tiny)
    along = (seen * share * size).clamp(0, 1)
    # A hair towards the lowest eigenvector, so that rounding cannot keep the label in front.
    along = along * (1 - 1e-9)
    cross = seen * coefficients[:, 0]
    largest = (along * (1 - along)).sqrt()
    cross = cross * (largest / cross.abs().clamp(min=tiny)).clamp(max=1)
    sigma = along.to(unit)[:, None, None] * unit[:, :, None] * unit[:, None, :].conj()
    sigma[:, 0, :] += cross[:, None] * unit.conj()
    sigma[:, :, 0] += cross.conj()[:, None] * unit
    sigma[:, 0, 0] += 1 - along
    return sigma


def _by_purity(form: Tensor, psi: Tensor, slack: float) -> Tensor:
    """Lower bound `(rows,)` that is attained where the nearest state is pure."""
    phi = nearest_states(torch.stack([form, 0 * form]), psi, torch.zeros(len(psi), dtype=torch.int64)).states
    overlap = (phi.conj() * psi).sum(dim=1, keepdim=True)
    f = overlap.abs().clamp(min=_EPS)
    phi = phi * overlap / f
    chi = phi - f * psi
    h = torch.linalg.vector_norm(chi, dim=1, keepdim=True)
    chi = chi / h.clamp(min=_EPS)
    # The eigenvector of ψψ† - φφ† to its eigenvalue h, and what is orthogonal to φ in their plane.
    effect = ((1 + h) * psi - f * chi) / (2 * (1 + h)).sqrt()
    across = h * psi - f * chi
    slope = (across.conj() * (phi @ form.mT)).sum(dim=1).real
    multiplier = torch.where(slope > 0, f[:, 0] / (2 * slope.clamp(min=_EPS)), 0.0)
    operators = multiplier[:, None, None] * form - effect[:, :, None] * effect[:, None, :].conj()
    lowest = torch.linalg.eigvalsh(operators)[:, 0]
    seen = (effect.conj() * psi).sum(dim=1).abs().square()
    norms = torch.linalg.vector_norm(effect, dim=1).square()
    rounding = 32 * (len(form) + 8) * _EPS + 2 * multiplier * slack
    return ((seen + lowest - rounding) / norms.clamp(min=1)).clamp(min=0)
