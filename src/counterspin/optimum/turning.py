r"""By how large an angle a state must turn before a classifier of linear scores changes its mind.

With `A` the observable of the margin, eigenvalues :math:`a_k` and weights :math:`c_k = \langle k|\rho|k\rangle`, no
state within a Bures angle :math:`\theta^*` of ρ has :math:`\mathrm{Tr}(A\sigma) \le 0`,

.. math:: \sin^2 \theta^* = 1 - F^* = \max_\lambda \sum_k \frac{\lambda a_k}{1 + \lambda a_k}\, c_k

(the fidelity bound of `counterspin.optimum.states`), and from the margin m alone, with a and b the extreme eigenvalues,

.. math:: \theta^* \ge \tfrac12\Bigl(\arccos\tau - \arccos\frac{2m - a - b}{b - a}\Bigr), \qquad
    \tau = -\frac{a+b}{b-a}.
"""

import torch
from torch import Tensor

from counterspin.optimum.secular import dual_value, secular_root

__all__ = ["angle_from_margin", "angle_from_weights"]

_EPS = torch.finfo(torch.float64).eps


def angle_from_weights(eigenvalues: Tensor, weights: Tensor, *, mixed: bool = False) -> Tensor:
    """Lower bound `(rows,)` on the Bures angle to the nearest state that loses; infinite where no state does.

    Eigenvalues are taken to be known to `8 (D + 8)` units of 2.2e-16 of the largest. So are the amplitudes of a pure
    state, which the caller allows for; the weights of a mixed one are lowered here, as a whole, by as much.

    Args:
        eigenvalues: of the margin observable `(D,)` float64, in any order.
        weights: of each state in its eigenvectors `(rows, D)`, not negative.
        mixed: whether the weights are those of density matrices.

    Example:
        >>> z = torch.tensor([1.0, -1.0]).double()
        >>> round(angle_from_weights(z, torch.tensor([[0.9, 0.1]]).double()).item(), 6)
        0.463648
    """
    error = 8 * (len(eigenvalues) + 8) * _EPS
    slack = max(error * float(eigenvalues.abs().max()), torch.finfo(torch.float64).tiny)
    lowered = eigenvalues - slack
    if float(lowered.min()) >= 0:
        return torch.full_like(weights[:, 0], torch.inf)
    odds = secular_root(lowered, weights).odds
    infidelity = dual_value(lowered, weights, odds)
    if mixed:
        # The dual weighs errors by its odds: where those are large, a smaller multiplier loses less.
        milder = odds.clamp(max=error**-0.5)
        infidelity = torch.maximum(
            infidelity - error * odds.clamp(min=1), dual_value(lowered, weights, milder) - error * milder.clamp(min=1)
        )
    return infidelity.clamp(0, 1).sqrt().asin() * (1 - 4 * _EPS)


def angle_from_margin(margin: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Lower bound on the Bures angle from margins and the extreme eigenvalues, any one shape; infinite where `low > 0`.

    Holds behind any channels, and is attained by observables of two eigenvalues.

    Args:
        margin: expectation values of the margin observable; where not positive the angle is 0.
        low: lower bound on its lowest eigenvalue.
        high: upper bound on its highest eigenvalue.

    Example:
        >>> m, low, high = torch.tensor([0.8, -1.0, 1.0]).double()
        >>> round(angle_from_margin(m, low, high).item(), 6)
        0.463648
    """
    half = ((high - low) / 2).clamp(min=torch.finfo(torch.float64).tiny)
    threshold = (-(high + low) / 2 / half).clamp(-1, 1)
    # Each arc cosine is taken at an argument some roundings to the unsafe side.
    score = (threshold + margin.clamp(min=0) / half - 8 * _EPS).clamp(-1, 1)
    angle = ((threshold + 4 * _EPS).clamp(-1, 1).acos() - score.acos()) / 2
    return torch.where(low > 0, torch.inf, (angle - 4 * _EPS).clamp(min=0))
