r"""Robustness and fairness of the whole model (Guan, Fang, Ying, arXiv:2207.11173).

How much farther apart than their states the outcome distributions of a measurement :math:`\{M_k\}` can be is

.. math:: K^* = \max_{\rho \ne \sigma} \frac{\tfrac12 \sum_k |\mathrm{Tr} M_k(\rho - \sigma)|}{T(\rho, \sigma)}
              = \max_{S} \lambda_{\max}(M_S) - \lambda_{\min}(M_S), \qquad M_S = \sum_{k \in S} M_k,

over the subsets `S` of outcomes; extreme eigenvectors of the best :math:`M_S` attain it. A model is
:math:`(\varepsilon, \delta)`-robust (states within trace distance `ε` are told apart by at most `δ`) and, by the same
condition, :math:`(\varepsilon, \delta)`-fair iff :math:`\delta \ge K^* \varepsilon`. Global depolarising noise of
strength `p` multiplies :math:`K^*` by :math:`1 - p`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from counterspin.errors import ConditionsError, InputError
from counterspin.optimum.state_arguments import checked_observables
from counterspin.optimum.states import state_scores

__all__ = ["GlobalBound", "global_bound"]

# 2**12 subsets, one eigenvalue problem each.
_MOST_CLASSES = 12
_POVM_TOLERANCE = 1e-9
_EPS = torch.finfo(torch.float64).eps


@dataclass(frozen=True, kw_only=True)
class GlobalBound:
    """The constant K* of a model, bracketed.

    Args:
        lower: seen at `states`.
        upper: certified; equal to `lower` up to rounding where the subsets were enumerated.
        outcomes: the classes of the subset behind `lower`.
        states: two orthogonal pure states `(2, D)` complex128 whose outcome distributions are `lower` apart.
    """

    lower: float
    upper: float
    outcomes: tuple[int, ...]
    states: Tensor

    def holds(self, eps: float, delta: float) -> bool | None:
        """Whether the model is (ε, δ)-robust, equivalently (ε, δ)-fair; None where the bracket leaves it open.

        Args:
            eps: trace distance of the states, 0 to 1.
            delta: total variation of the outcome distributions, 0 to 1.

        Raises:
            InputError: a value outside [0, 1].
        """
        for name, value in (("eps", eps), ("delta", delta)):
            if not 0 <= value <= 1:
                raise InputError(f"{name} is {value}; trace distance and total variation lie between 0 and 1.")
        if delta >= self.upper * eps:
            return True
        return False if delta < self.lower * eps else None


def global_bound(observables: Tensor, *, depolarizing: float = 0.0) -> GlobalBound:
    """K* of the measurement that decides a model, with two states that attain it.

    Up to 12 classes every subset is looked at. Beyond, `upper` is half the sum of the classes' spreads or 1, and
    `lower` the best single class, which for projective measurements already meet at 1.

    Args:
        observables: effective measurement operators `(classes, D, D)`: positive, summing to at most 1. Outcomes that
            belong to no class count as one more.
        depolarizing: strength of global depolarising noise that is not yet in the observables.

    Raises:
        InputError: observables that are not Hermitian.
        ConditionsError: observables that are no measurement (scores with a scale, a bias or expectation values), or a
            strength outside [0, 1].

    Example:
        >>> noisy = torch.diag_embed(torch.tensor([[0.75, 0.25], [0.25, 0.75]])).cdouble()
        >>> bound = global_bound(noisy)
        >>> round(bound.lower, 6), bound.holds(eps=0.1, delta=0.06)
        (0.5, True)
    """
    m = checked_observables(observables)
    total = m.sum(dim=0)
    _check_measurement(m, total, depolarizing)
    slack = 8 * (m.shape[1] + 8) * _EPS
    spread, outcomes, vectors = _widest(m, _subsets(len(m), largest=1))
    spreads = torch.linalg.eigvalsh(m)
    ceiling = min(1.0, float((spreads[:, -1] - spreads[:, 0]).sum() + _spread(total)) / 2 + slack)
    if ceiling - spread > 4 * slack and len(m) <= _MOST_CLASSES:
        spread, outcomes, vectors = _widest(m, _subsets(len(m), largest=len(m)))
        ceiling = min(1.0, spread + slack)
    scores = state_scores(m, vectors)
    apart = scores[0] - scores[1]
    seen = float(apart.abs().sum() + apart.sum().abs()) / 2
    kept = 1 - depolarizing
    return GlobalBound(
        lower=kept * max(min(seen, ceiling) - slack, 0.0), upper=kept * ceiling, outcomes=outcomes, states=vectors
    )


def _check_measurement(m: Tensor, total: Tensor, depolarizing: float) -> None:
    lowest = float(torch.linalg.eigvalsh(m).amin())
    highest = float(torch.linalg.eigvalsh(total)[-1])
    if lowest < -_POVM_TOLERANCE or highest > 1 + _POVM_TOLERANCE:
        raise ConditionsError(
            f"observables have eigenvalues from {lowest:.3g} and sum to at most {highest:.3g}; K* is about the outcome "
            "probabilities of a measurement, whose operators are positive and sum to at most 1."
        )
    if not 0 <= depolarizing <= 1:
        raise ConditionsError(f"depolarizing is {depolarizing}; it is a probability, allowed: 0 to 1.")


def _subsets(classes: int, largest: int) -> Iterator[tuple[int, ...]]:
    # Outcomes of no class need no subset of their own: the complement of a subset has the same spread.
    for size in range(1, largest + 1):
        yield from combinations(range(classes), size)


def _widest(m: Tensor, subsets: Iterator[tuple[int, ...]]) -> tuple[float, tuple[int, ...], Tensor]:
    widest, best = -1.0, (0,)
    for subset in subsets:
        spread = _spread(m[list(subset)].sum(dim=0))
        if spread > widest:
            widest, best = spread, subset
    vectors = torch.linalg.eigh(m[list(best)].sum(dim=0)).eigenvectors
    return widest, best, vectors[:, [-1, 0]].T.contiguous()


def _spread(matrix: Tensor) -> float:
    eigenvalues = torch.linalg.eigvalsh(matrix)
    return float(eigenvalues[-1] - eigenvalues[0])
