r"""Nearest quantum states at which a classifier of linear scores changes its mind.

A frozen circuit, with its noise, scores class `k` of a state by :math:`\mathrm{Tr}(M_k\rho)`; class `y` loses to `j`
where :math:`\mathrm{Tr}(A\sigma) \le 0`, :math:`A = M_y - M_j`. The largest fidelity a losing state can have with a
pure state is

.. math:: F^* = \max_{\langle A\rangle_\varphi \le 0} |\langle\varphi|\psi\rangle|^2
             = \min_{\lambda \ge 0} \lambda_{\max}(|\psi\rangle\langle\psi| - \lambda A),

the secular problem of `counterspin.optimum.secular` with weights :math:`|\langle k|\psi\rangle|^2`: squared distance to
the cone and infidelity are one number. The nearest state is :math:`\varphi \propto (1 + \lambda A)^{-1}\psi`; mixed
attack states gain nothing.

For mixed :math:`\rho` the weights are :math:`\langle k|\rho|k\rangle`. A purification of `ρ` turns the Uhlmann fidelity
into an overlap and `A` into :math:`A \otimes 1`, so the same bound holds, and
:math:`(1 + \lambda A)^{-1}\rho\,(1 + \lambda A)^{-1}`, normalised, attains it. To our knowledge the exact radius for
observables that are no projectors is new; for projective measurements it is that of Guan, Fang and Ying
(arXiv:2008.07230).
"""

from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from counterspin.optimum.cone import ConePoints, nearest_on_cone
from counterspin.optimum.secular import dual_value, secular_root
from counterspin.optimum.state_arguments import check_real, checked_observables, checked_states
from counterspin.validation import as_labels

__all__ = ["NearestStates", "nearest_states", "state_scores"]

_EPS = torch.finfo(torch.float64).eps


@dataclass(frozen=True, kw_only=True)
class NearestStates:
    """Certified and attained infidelity of the nearest flip of each state.

    Args:
        lower: infidelity `1 - F` `(batch,)` below which no state flips the decision; infinite where none ever does.
        upper: infidelity `(batch,)` of `states`; infinite where no flipping state was found.
        states: states seen to flip, `(batch, D)` for pure input and `(batch, D, D)` for mixed, complex128; the input
            state where there is none or it is misclassified.
        rival: class `(batch,)` the state loses to (the nearest by `lower` where no state was found).
        multiplier: Lagrange multiplier λ of that pair `(batch,)`; 0 where misclassified or without a state.
    """

    lower: Tensor
    upper: Tensor
    states: Tensor
    rival: Tensor
    multiplier: Tensor


def state_scores(observables: Tensor, states: Tensor) -> Tensor:
    """Scores `Tr(M_k ρ)` `(batch, classes)` float64 of pure `(batch, D)` or mixed `(batch, D, D)` states.

    Example:
        >>> state_scores(torch.eye(2).expand(1, 2, 2).cdouble(), torch.tensor([[0.0, 1.0j]]).cdouble()).tolist()
        [[1.0]]
    """
    if states.ndim == 3:
        return (states.flatten(1) @ observables.mT.flatten(1).T).real
    return torch.stack([((states @ m.mT) * states.conj()).sum(dim=1).real for m in observables], dim=1)


@torch.no_grad()
def nearest_states(observables: Tensor, states: Tensor, y: Tensor, *, real: bool = False) -> NearestStates:
    r"""Infidelity of each state to the nearest one that flips its class, with certificate and witness.

    Rounding is directed as in `nearest_on_cone`. Weights of a mixed state are taken to be known to
    :math:`\eta = 8(D + 8)\,u` in total, which costs :math:`\eta` or, where `ρ` has no weight on the lowest eigenspace
    of `A`, about :math:`\sqrt\eta`. A tie counts as a flip; a state tied or misclassified has infidelity 0.

    Args:
        observables: Hermitian `(classes, D, D)`, biases absorbed as multiples of the identity.
        states: pure `(batch, D)` or density matrices `(batch, D, D)`; taken as normalised (and, if mixed, Hermitian
            and positive) once they are so within 1e-6.
        y: true classes `(batch,)`.
        real: states are real and so is the adversary, who then meets the real part of the observables.

    Raises:
        InputError: observables that are not Hermitian; states that are not normalised, not positive, or complex where
            `real` is asked for; wrong shapes, labels out of range, values that are not finite.

    Example:
        >>> bit = torch.diag_embed(torch.eye(2)).cdouble()
        >>> near = nearest_states(bit, torch.tensor([[0.9**0.5, 0.1**0.5 * 1j]]).cdouble(), torch.tensor([0]))
        >>> round(near.lower.item(), 6), round(near.upper.item(), 6)
        (0.2, 0.2)
    """
    m = checked_observables(observables)
    given = checked_states(states, m.shape[1])
    y = as_labels(y, len(m), len(given))
    if real:
        check_real(given)
        m, given = m.real.contiguous(), given.real.contiguous()
    mixed = given.ndim == 3
    factors = _square_roots(given) if mixed else given

    scores = state_scores(m, given)
    others = scores.scatter(1, y[:, None], -torch.inf)
    standing = scores.gather(1, y[:, None])[:, 0] > others.amax(dim=1)
    rival = others.argmax(dim=1)
    lower = torch.where(standing, torch.inf, 0.0).to(scores)
    upper, multiplier, found = lower.clone(), torch.zeros_like(lower), given.clone()
    for first, second in combinations(range(len(m)), 2):
        sides = ((first, second, 1), (second, first, -1))
        if not bool((standing & ((y == first) | (y == second))).any()):
            continue
        eigenvalues, vectors = torch.linalg.eigh(m[first] - m[second])
        for own, other, sign in sides:
            rows = (standing & (y == own)).nonzero()[:, 0]
            if not len(rows):
                continue
            pair = (eigenvalues, vectors) if sign > 0 else (-eigenvalues.flip(0), vectors.flip(1))
            nearest = _nearest_mixed if mixed else _nearest_pure
            below, above, points, slope = nearest(*pair, factors[rows])
            at_points = state_scores(m, points)
            own_score = at_points.gather(1, y[rows][:, None])[:, 0]
            seen = own_score <= at_points.scatter(1, y[rows][:, None], -torch.inf).amax(dim=1)
            nearer = seen & (above < upper[rows])
            rival[rows[nearer | (torch.isinf(upper[rows]) & (below < lower[rows]))]] = other
            lower[rows] = torch.minimum(lower[rows], below)
            upper[rows[nearer]], found[rows[nearer]] = above[nearer], points[nearer]
            multiplier[rows[nearer]] = slope[nearer]
    return NearestStates(
        lower=lower, upper=upper, states=found.to(torch.complex128), rival=rival, multiplier=multiplier
    )


def _square_roots(rho: Tensor) -> Tensor:
    # R with R R^† = ρ: scaling rows of R in any basis keeps a density matrix positive, whatever the rounding.
    eigenvalues, vectors = torch.linalg.eigh(rho)
    return vectors * eigenvalues.clamp(min=0).sqrt()[:, None, :].to(vectors.dtype)


def _nearest_pure(eigenvalues: Tensor, vectors: Tensor, psi: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Lower and upper infidelity, states and multipliers of pure states `(rows, D)` for one pair."""
    coefficients = psi @ vectors.conj()
    sizes = coefficients.abs()
    near = _on_cone(eigenvalues, sizes)
    phases = torch.where(sizes > 0, torch.sgn(coefficients), 1.0)
    points = (near.points * phases) @ vectors.T
    points = points / torch.linalg.vector_norm(points, dim=1, keepdim=True)
    # As the length of what is left of psi: 1 - |overlap|^2 would lose all digits of small infidelities.
    rest = psi - (points.conj() * psi).sum(dim=1, keepdim=True) * points
    upper = torch.where(torch.isinf(near.upper), torch.inf, rest.abs().square().sum(dim=1))
    return near.lower.square() * (1 - 4 * _EPS), upper, points, near.multiplier


def _nearest_mixed(eigenvalues: Tensor, vectors: Tensor, roots: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The same for mixed states given by their square roots `(rows, D, D)`."""
    turned = vectors.mH @ roots
    weights = turned.abs().square().sum(dim=2)
    sizes = weights.sqrt()
    # Without weight on the lowest eigenvector the attack adds it from outside: no row of the root to scale.
    outside = weights[:, 0] <= _weight_error(len(eigenvalues))
    sizes[:, 0] = torch.where(outside, 0.0, sizes[:, 0])
    near = _on_cone(eigenvalues, sizes)
    z = near.points
    factors = torch.where(sizes > 0, z / sizes.clamp(min=torch.finfo(torch.float64).tiny), 0.0)
    scaled = factors[:, :, None] * turned
    sigma = scaled @ scaled.mH
    sigma[:, 0, 0] += torch.where(outside, z[:, 0].square(), 0.0)
    sigma = vectors @ sigma @ vectors.mH
    sigma = sigma / sigma.diagonal(dim1=1, dim2=2).sum(dim=1).real[:, None, None]
    points = (sigma + sigma.mH) / 2
    share = (sizes * z).sum(dim=1, keepdim=True) / z.square().sum(dim=1, keepdim=True)
    upper = torch.where(torch.isinf(near.upper), torch.inf, (sizes - share * z).square().sum(dim=1))
    return _mixed_lower(eigenvalues, weights), upper, points, near.multiplier


def _mixed_lower(eigenvalues: Tensor, weights: Tensor) -> Tensor:
    # The dual weighs the weights by at most max(1, odds); at large odds their rounding would outweigh what is gained.
    slack = _weight_error(len(eigenvalues)) * float(eigenvalues.abs().max())
    lowered = eigenvalues - max(slack, torch.finfo(torch.float64).tiny)
    if float(lowered[0]) >= 0:
        return torch.full_like(weights[:, 0], torch.inf)
    error = _weight_error(len(eigenvalues))
    best = secular_root(lowered, weights).odds
    bounds = [
        dual_value(lowered, weights, odds) - error * odds.clamp(min=1) for odds in (best, best.clamp(max=error**-0.5))
    ]
    return torch.maximum(*bounds).clamp(min=0)


def _weight_error(dimension: int) -> float:
    return 8 * (dimension + 8) * _EPS


def _on_cone(eigenvalues: Tensor, sizes: Tensor) -> ConePoints:
    # In the eigenbasis, phases taken off: a real problem with a diagonal form.
    identity = torch.eye(len(eigenvalues), dtype=torch.float64)
    nowhere = torch.full_like(sizes[:, 0], torch.inf)
    return nearest_on_cone(torch.diag(eigenvalues), eigenvalues, identity, sizes, ceiling=nowhere)
