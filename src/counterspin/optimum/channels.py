r"""The quantum channel nearest to doing nothing that changes a classifier's mind about a pure state.

A channel of entanglement fidelity :math:`F_e` has the average fidelity :math:`(d F_e + 1)/(d + 1)` over all states of
dimension d, which is what calibration measures; all of its error may hit one state. Class `y` loses to `j` where
:math:`\mathrm{Tr}(A\,\mathcal N(\psi)) \le 0`, :math:`A = M_y - M_j` with lowest eigenvalue :math:`a_0 < 0` at
:math:`\varphi_0`, and :math:`B = A - a_0`.

Kraus operators can be mixed so that only :math:`K_0` has a trace; then :math:`F_e = |\mathrm{Tr} K_0|^2/d^2`, and what
the others make of ψ is at best :math:`\varphi_0`. Among contractions with :math:`K_0\psi = v = \alpha\psi + u`,
:math:`u \perp \psi`, the largest trace is :math:`d - 2 + \alpha + \sqrt{1 - |u|^2}` (Parrott's theorem). What is left
is convex,

.. math:: 1 - \sqrt{F_e} = \frac{f}{d}, \qquad
    f = \min_v\ 2 - \alpha - \sqrt{1 - |u|^2} \quad\text{s.t.}\quad \langle v|B|v\rangle \le -a_0,\ |v| \le 1,

and solved by :math:`v = n\,z / |z|`, :math:`z = (1 + tB)^{-1}\psi`, the curve of nearest states. Either :math:`n = 1`:
a rotation of ψ into the nearest losing state and nothing else, :math:`f = 2 - 2\cos\theta^*`, optimal iff
:math:`\langle\psi|z\rangle \ge 1/2` there; or t is the root of a second secular equation,

.. math:: \sum_k \frac{c_k^2\, b_k\,(1 + a_0 t^2 b_k)}{(1 + t b_k)^2} = 0, \qquad
    n^2 = \sum_k \frac{c_k^2}{(1 + t b_k)^2} \Big/ \sum_k \frac{c_k^2\, t^2 b_k^2}{(1 + t b_k)^2}.

The Lagrangian at any point of the curve is a lower bound, which is what is certified. To our knowledge new. As
:math:`f \le 1`, an average infidelity of about 2/d decides everything: one state in a large space weighs little.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.errors import InputError
from counterspin.optimum.secular import secular_root
from counterspin.optimum.state_arguments import checked_observables, checked_states
from counterspin.optimum.states import state_scores
from counterspin.optimum.trace_distance import flip_rows
from counterspin.validation import as_labels

__all__ = ["NearestChannels", "channel_operators", "nearest_channels"]

_EPS = torch.finfo(torch.float64).eps
_BISECTIONS = 64


@dataclass(frozen=True, kw_only=True)
class NearestChannels:
    """Certified and attained average infidelity of the nearest channel that flips each state.

    Args:
        lower: average infidelity `(batch,)` below which no channel flips the decision; infinite where none ever does.
        upper: average infidelity `(batch,)` of the channel found; infinite where there is none.
        kept: what its first Kraus operator makes of each state, v `(batch, D)`; the state itself where there is none.
        filled: unit vectors `(batch, D)` that take the rest of the weight.
    """

    lower: Tensor
    upper: Tensor
    kept: Tensor
    filled: Tensor

    def scores(self, observables: Tensor) -> Tensor:
        """Class scores `(batch, classes)` of the states behind the channels."""
        rest = 1 - self.kept.abs().square().sum(dim=1, keepdim=True)
        return state_scores(observables, self.kept) + rest * state_scores(observables, self.filled)


@torch.no_grad()
def nearest_channels(observables: Tensor, states: Tensor, y: Tensor) -> NearestChannels:
    """Average infidelity of each state's nearest flipping channel, with certificate and witness.

    Eigenvalues are taken to be known to `8 (D + 8)` units of 2.2e-16 of the largest: the certificate lowers them by
    that much, the witness raises them.

    Args:
        observables: Hermitian `(classes, D, D)`, biases absorbed.
        states: pure `(batch, D)`.
        y: true classes `(batch,)`; misclassified and tied states have infidelity 0.

    Raises:
        InputError: mixed states, or as `nearest_states`.

    Example:
        >>> bit = torch.diag_embed(torch.eye(2)).cdouble()
        >>> near = nearest_channels(bit, torch.tensor([[0.6**0.5, 0.4**0.5]]).cdouble(), torch.tensor([0]))
        >>> round(near.lower.item(), 6), round(near.upper.item(), 6)  # 2/3 sin² of the Bures angle 0.100679
        (0.006735, 0.006735)
    """
    m = checked_observables(observables)
    if states.ndim != 2:
        raise InputError(f"states have shape {tuple(states.shape)}; give pure states (batch, {m.shape[1]}).")
    psi = checked_states(states, m.shape[1])
    y = as_labels(y, len(m), len(psi))
    scores = state_scores(m, psi)
    standing = scores.gather(1, y[:, None])[:, 0] > scores.scatter(1, y[:, None], -torch.inf).amax(dim=1)
    lower = torch.where(standing, torch.inf, 0.0).to(scores)
    upper, kept, filled = lower.clone(), psi.clone(), psi.clone()
    for rows, form in flip_rows(m, y, standing):
        eigenvalues, vectors = torch.linalg.eigh(form)
        coefficients = psi[rows] @ vectors.conj()
        weights = coefficients.abs().square()
        slack = 8 * (len(eigenvalues) + 8) * _EPS * float(eigenvalues.abs().max())
        lower[rows] = torch.minimum(lower[rows], _average(_point(eigenvalues - slack, weights)[0], len(form)))
        _, cost, shrink = _point(eigenvalues + slack, weights)
        nearer = _average(cost, len(form)) < upper[rows]
        chosen = rows[nearer]
        upper[chosen] = _average(cost, len(form))[nearer]
        kept[chosen] = ((shrink * coefficients) @ vectors.T)[nearer]
        filled[chosen] = vectors[:, 0]
    return NearestChannels(lower=lower, upper=upper, kept=kept, filled=filled)


def channel_operators(state: Tensor, kept: Tensor, filled: Tensor) -> Tensor:
    r"""The two Kraus operators `(2, D, D)` of a channel: all but a plane is left alone.

    With :math:`v = \alpha\psi + \beta\chi` and :math:`w = \sqrt{1 - \beta^2}`,
    :math:`K_0` maps :math:`\psi \to v` and :math:`\chi \to w\chi - (\alpha\beta/w)\psi`, and
    :math:`K_1 = \sqrt{1 - \alpha^2/w^2}\;|\varphi_0\rangle\langle w\psi - \beta\chi|`.

    Args:
        state: ψ `(D,)`.
        kept: v `(D,)`, with a real overlap with ψ, not negative.
        filled: :math:`\varphi_0` `(D,)`.

    Example:
        >>> up, down = torch.eye(2).cdouble()
        >>> channel_operators(up, 0 * up, down).real.tolist()  # measure and replace
        [[[0.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [1.0, 0.0]]]
    """
    alpha = float((state.conj() @ kept).real)
    turned = kept - alpha * state
    beta = min(float(torch.linalg.vector_norm(turned)), 1.0)
    chi = turned / beta if beta > 0 else turned
    w = (1 - beta**2) ** 0.5
    ratio = min(alpha / w, 1.0) if w > 0 else 0.0
    one = torch.eye(len(state), dtype=state.dtype)
    outer = torch.outer
    rest = one - outer(state, state.conj()) - outer(chi, chi.conj())
    first = rest + outer(kept, state.conj()) + outer(w * chi - ratio * beta * state, chi.conj())
    # Where α reaches w the first operator is unitary; its rounding must not become weight of the second.
    lost = (1 - ratio**2) ** 0.5
    return torch.stack([first, lost * outer(filled, (w * state - beta * chi).conj())])


def _average(cost: Tensor, dimension: int) -> Tensor:
    """Average infidelity at the cost f."""
    share = cost / dimension
    return torch.where(torch.isinf(cost), cost, dimension / (dimension + 1) * share * (2 - share))


def _point(eigenvalues: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Lower bound and value of f `(rows,)`, and the factors `(rows, D)` from coefficients of ψ to those of v.

    Args:
        eigenvalues: of A `(D,)`, ascending.
        weights: squared coefficients of ψ `(rows, D)`.
    """
    lowest = float(eigenvalues[0])
    if not lowest < 0:
        never = torch.full_like(weights[:, 0], torch.inf)
        return never, never, torch.ones_like(weights)
    gaps = (eigenvalues - lowest) / -lowest
    odds = secular_root(eigenvalues, weights).odds
    coherent = (weights / (1 + odds[:, None] * gaps)).sum(dim=1) >= 0.5
    mixing = (~coherent).nonzero()[:, 0]
    odds[mixing] = _second_root(gaps, weights[mixing], odds[mixing])
    shrink = 1 / (1 + odds[:, None] * gaps)
    size = (weights * shrink.square()).sum(dim=1).sqrt()
    moved = (weights * (1 - shrink).square()).sum(dim=1).sqrt()
    n = torch.where(coherent, 1.0, size / moved.clamp(min=torch.finfo(torch.float64).tiny))
    shrink = shrink * (n / size)[:, None]
    alpha = (weights * shrink).sum(dim=1)
    turned = (weights * (shrink - alpha[:, None]).square()).sum(dim=1).clamp(max=1)
    left = (1 - turned).sqrt()
    # f without the cancellation of 2 - α - w where both are near 1.
    length = alpha.square() + turned
    cost = (1 - length + turned) / (1 + alpha) + turned / (1 + left)
    # Multipliers of |v| <= 1 and of the flip; clipped, the Lagrangian is evaluated where they are stationary.
    steep = 1 / left.clamp(min=torch.finfo(torch.float64).tiny)
    scale = (1 + steep * alpha) * size / n
    ball = torch.where(coherent, (scale - steep).clamp(min=0) / 2, 0.0)
    flip = odds * (steep + 2 * ball) / 2
    excess = (weights * shrink.square() * gaps).sum(dim=1) - 1
    rounding = 16 * (weights.shape[1] + 16) * _EPS * (cost + flip * excess.abs() + ball * (1 - length).abs() + _EPS)
    bound = cost + flip * excess + ball * (length - 1) - rounding
    return bound.clamp(min=0), cost, shrink


def _second_root(gaps: Tensor, weights: Tensor, odds: Tensor) -> Tensor:
    """Root of the second secular equation `(rows,)`, below the odds of the first, by bisection of the logarithm."""
    high = odds.clamp(min=1e-15).log()
    low = torch.full_like(high, -80.0)
    slope = weights * gaps
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        s = middle.exp()[:, None]
        rising = (slope * (1 - s.square() * gaps) / (1 + s * gaps).square()).sum(dim=1) > 0
        low, high = torch.where(rising, middle, low), torch.where(rising, high, middle)
    return low.exp()
