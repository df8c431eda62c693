r"""Trace distance to the nearest state that changes a classifier's mind, in closed form.

Against a pure attack state the trace distance of a pure state is :math:`T = \sqrt{1 - F}`, so the largest fidelity
settles it. A mixed attack state is cheaper: with :math:`m = \mathrm{Tr}(A\rho)`, the margin towards one rival,

.. math:: m \le \mathrm{Tr}\,A(\rho - \sigma) \le T(\rho, \sigma)\,(\lambda_{\max}(A) - \lambda_{\min}(A)),

hence :math:`T \ge m / \mathrm{spread}(A)`. Moving the weight `t` from the part of `ρ` where `A` is positive (projector
`P`, weight `p`) to the rest (`Q`),

.. math:: \sigma = \rho - t\,\Bigl(\frac{P\rho P}{p} - \frac{Q\rho Q}{1 - p}\Bigr), \qquad
          t = \frac{m}{\langle A\rangle_P - \langle A\rangle_Q},

flips at distance `t` and is a state while :math:`(p - t)(1 - p + t) \ge p(1 - p)` (seen on a purification). For a
projective measurement of two classes both meet: :math:`T = m/2` exactly. Other observables leave a bracket, closed by
`counterspin.optimum.nearest_in_trace_distance`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.optimum.state_arguments import checked_observables, checked_states
from counterspin.optimum.states import nearest_states, state_scores
from counterspin.validation import as_labels

__all__ = [
    "TraceDistances",
    "flip_rows",
    "margin_over_spread",
    "pure_trace_distance",
    "trace_distance",
    "trace_distance_bounds",
]

_EPS = torch.finfo(torch.float64).eps


@dataclass(frozen=True, kw_only=True)
class TraceDistances:
    """Certified and attained trace distance of the nearest flip of each state, against any attack state.

    Args:
        lower: trace distance `(batch,)` below which no state flips the decision; infinite where none ever does.
        upper: trace distance `(batch,)` of `states`; infinite where no flipping state was found.
        states: density matrices `(batch, D, D)` seen to flip; the input state where there is none.
    """

    lower: Tensor
    upper: Tensor
    states: Tensor


def pure_trace_distance(infidelity: Tensor) -> Tensor:
    """Trace distance of two pure states of the given infidelity `1 - F`; infinite stays infinite.

    Example:
        >>> round(pure_trace_distance(torch.tensor(0.2)).item(), 6)
        0.447214
    """
    return infidelity.clamp(min=0).sqrt()


def trace_distance(rho: Tensor, sigma: Tensor) -> Tensor:
    """Half the trace norm of the differences `(batch, D, D)`, float64.

    Example:
        >>> trace_distance(torch.diag(torch.tensor([1.0, 0.0]))[None], torch.eye(2)[None] / 2).item()
        0.5
    """
    return torch.linalg.eigvalsh(rho - sigma).abs().sum(dim=-1).to(torch.float64) / 2


@torch.no_grad()
def trace_distance_bounds(observables: Tensor, states: Tensor, y: Tensor) -> TraceDistances:
    r"""Bracket of the trace distance to the nearest flip, exact for projective measurements of two classes.

    Margins and spreads are taken against :math:`8 (D + 8)\,u\,\|A\|` of rounding. The upper end is the nearer of the
    moved weight above and the state of largest fidelity.

    Args:
        observables: Hermitian `(classes, D, D)`, biases absorbed.
        states: pure `(batch, D)` or mixed `(batch, D, D)`.
        y: true classes `(batch,)`; misclassified and tied states have distance 0.

    Raises:
        InputError: as `nearest_states`.

    Example:
        >>> bit = torch.diag_embed(torch.eye(2)).cdouble()
        >>> found = trace_distance_bounds(bit, torch.tensor([[0.9**0.5, 0.1**0.5]]).cdouble(), torch.tensor([0]))
        >>> round(found.lower.item(), 6), round(found.upper.item(), 6)
        (0.4, 0.4)
    """
    m = checked_observables(observables)
    given = checked_states(states, m.shape[1])
    y = as_labels(y, len(m), len(given))
    near = nearest_states(m, given, y)
    if given.ndim == 2:
        given, attacks = (s[:, :, None] * s[:, None, :].conj() for s in (given, near.states))
    else:
        attacks = near.states.clone()
    distance = trace_distance(given, attacks)
    upper = torch.where(torch.isfinite(near.upper), distance, torch.inf)
    # States already lost are at distance 0 and stay themselves.
    lower = torch.where(near.upper == 0, 0.0, torch.inf).to(upper)
    upper = torch.where(near.upper == 0, 0.0, upper)
    for rows, form in flip_rows(m, y, near.upper > 0):
        eigenvalues, vectors = torch.linalg.eigh(form)
        lower[rows] = torch.minimum(lower[rows], margin_over_spread(form, eigenvalues, given[rows]))
        moved = _moved_weight(eigenvalues, vectors, given[rows])
        scores = state_scores(m, moved)
        own = scores.gather(1, y[rows][:, None])[:, 0]
        seen = own <= scores.scatter(1, y[rows][:, None], -torch.inf).amax(dim=1)
        distance = trace_distance(given[rows], moved)
        nearer = seen & (distance < upper[rows])
        upper[rows[nearer]], attacks[rows[nearer]] = distance[nearer], moved[nearer]
    return TraceDistances(lower=lower, upper=upper, states=attacks)


def flip_rows(observables: Tensor, y: Tensor, standing: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """For each ordered pair of classes that occurs: the standing rows of the first and `M_first - M_second`."""
    for own in range(len(observables)):
        rows = (standing & (y == own)).nonzero()[:, 0]
        for other in range(len(observables)) if len(rows) else ():
            if other != own:
                yield rows, observables[own] - observables[other]


def margin_over_spread(form: Tensor, eigenvalues: Tensor, rho: Tensor) -> Tensor:
    """The bound `m / spread` `(rows,)` for density matrices `(rows, D, D)`; infinite where the form is positive."""
    slack = 8 * (len(eigenvalues) + 8) * _EPS * float(eigenvalues.abs().max())
    if float(eigenvalues[0]) > slack:
        return torch.full((len(rho),), torch.inf, dtype=torch.float64)
    margin = state_scores(form[None], rho)[:, 0]
    return ((margin - slack) / (float(eigenvalues[-1] - eigenvalues[0]) + 2 * slack)).clamp(min=0)


def _moved_weight(eigenvalues: Tensor, vectors: Tensor, rho: Tensor) -> Tensor:
    """The states σ of the module's formula for density matrices `(rows, D, D)`; `rho` itself where it is none."""
    positive = eigenvalues > 0
    if bool(positive.all()):
        return rho
    turned = vectors.mH @ rho @ vectors
    weights = turned.diagonal(dim1=1, dim2=2).real.clamp(min=0)
    above, below = weights[:, positive], weights[:, ~positive]
    p, rest = above.sum(dim=1), below.sum(dim=1)
    # Without weight where A is not positive, the lowest eigenvector takes what is moved.
    empty = rest <= 8 * (len(eigenvalues) + 8) * _EPS
    landing = torch.where(empty, eigenvalues[0], below @ eigenvalues[~positive] / rest.clamp(min=_EPS))
    # A hair further, so that rounding cannot keep the label in front.
    t = weights @ eigenvalues / (above @ eigenvalues[positive] / p - landing) * (1 + 1e-12) + 4 * _EPS
    kept, grown = 1 - t / p, torch.where(empty, 1.0, 1 + t / rest.clamp(min=_EPS))
    is_state = (kept >= 0) & (empty | (kept * grown >= 1))
    blocks = torch.where(positive, kept[:, None], grown[:, None])
    same = is_state[:, None, None] & (positive[:, None] == positive[None, :])
    moved = torch.where(same, blocks[:, :, None] * turned, turned)
    moved[:, 0, 0] += torch.where(is_state & empty, t, 0.0)
    moved = vectors @ moved @ vectors.mH
    return (moved + moved.mH) / 2
