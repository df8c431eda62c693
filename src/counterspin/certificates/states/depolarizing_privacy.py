r"""Depolarising noise as differential privacy (Du, Hsieh, Liu, Tao, Liu, arXiv:2003.09416, generalised).

Global depolarising of strength `p` leaves every class a share of the maximally mixed state, at least :math:`p q` with
:math:`q = \min_k \mathrm{Tr}(E_k)/D`, so that two states at trace distance `T` change a class probability by at most
the factor :math:`1 + (1 - p) T / (p q)`. With `B` the ratio of the two largest *noisy* probabilities the decision
stands while

.. math:: T < \tau = \frac{p\,q\,(\sqrt B - 1)}{1 - p}.

The published form has :math:`q = 1/K`; it holds for equal outcome groups only. Where the observables are balanced (see
`depolarizing_balance`) the noise moves no decision: it is then the certificate that grows with `p`, not the robustness.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.certificates.base import Assumptions, Task
from counterspin.certificates.states.probabilities import (
    ProbabilityCertificate,
    checked_probabilities,
    own_and_runner_up,
)
from counterspin.errors import ConditionsError, InputError
from counterspin.types import Classifier

__all__ = ["DepolarizingPrivacyCertificate", "privacy_trace_distance"]

# How far a trace computed in float64 may be off.
_ROUNDING = 1e-9


def privacy_trace_distance(probabilities: Tensor, y: Tensor, strength: float, smallest_share: float) -> Tensor:
    """Trace distance `(batch,)` below which no state, pure or mixed, changes the decision `y` under depolarising.

    Args:
        probabilities: class probabilities `(batch, classes)` of the *noisy* measurement.
        y: the decisions `(batch,)`; 0 where `y` does not win.
        strength: p of the global depolarising channel, above 0 and below 1.
        smallest_share: `q = min_k Tr(E_k) / D`, 1/K for K equal outcome groups.

    Raises:
        InputError: values that are no probabilities (logits, expectation values), labels or a share out of range.
        ConditionsError: a strength outside (0, 1).

    Example:
        >>> round(privacy_trace_distance(torch.tensor([[0.815, 0.185]]), torch.tensor([0]), 0.3, 0.5).item(), 4)
        0.2355
    """
    _check_strength(strength)
    if not 0 < smallest_share <= 0.5 + _ROUNDING:
        raise InputError(
            f"smallest_share is {smallest_share}; the smallest of two or more shares of all outcomes is above 0 and at "
            "most 0.5."
        )
    own, other = own_and_runner_up(*checked_probabilities(probabilities, y))
    growth = (own / other.clamp(min=torch.finfo(torch.float64).tiny)).sqrt() - 1
    return strength * smallest_share / (1 - strength) * growth.clamp(min=0)


def _check_strength(strength: float) -> None:
    if not 0 < strength < 1:
        raise ConditionsError(
            f"strength is {strength}; depolarising noise protects by differential privacy above 0 and below 1."
        )


@dataclass(frozen=True, kw_only=True)
class DepolarizingPrivacyCertificate(ProbabilityCertificate):
    """`privacy_trace_distance` in feature units, of the model *under* global depolarising noise.

    The noise is this certificate's setting: the model is called without it, and radii are those of the decisions under
    it. Where the outcome groups are unequal the noise itself moves decisions, away from a label or onto it.

    Args:
        strength: p of the global depolarising channel before the measurement, above 0 and below 1.

    Raises:
        ConditionsError: a strength outside (0, 1).

    Example:
        >>> from counterspin.circuits import OutcomeGroups, amplitude_encoding
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.threats import L2
        >>> from counterspin.types import Box
        >>> bit = OutcomeGroups((0,), ((0,), (1,)))
        >>> model = QuantumClassifier(amplitude_encoding(2), bit, Box.uniform(0, 1, features=2))
        >>> certificate = DepolarizingPrivacyCertificate(strength=0.3)
        >>> round(certificate(model, [[0.95**0.5, 0.05**0.5]], [0], L2(0.1)).radius_lower.item(), 4)
        0.2355
    """

    name: ClassVar[str] = "depolarizing-privacy"
    in_state_space: ClassVar[str] = "privacy_trace_distance"

    strength: float

    def __post_init__(self) -> None:
        """Refuse a strength that gives no privacy or leaves no state."""
        _check_strength(self.strength)

    def _trace_distance(self, probabilities: Tensor, y: Tensor, shares: Tensor) -> Tensor:
        return privacy_trace_distance(self._noisy(probabilities, shares), y, self.strength, float(shares.min()))

    def _noisy(self, probabilities: Tensor, shares: Tensor) -> Tensor:
        return (1 - self.strength) * probabilities + self.strength * shares

    def _stands(self, model: Classifier, task: Task) -> Tensor:
        """Samples `(batch,)` whose label wins without a tie under the noise."""
        prepared = self._prepare(model, task.threat)
        own, other = own_and_runner_up(
            self._noisy(self._probabilities(model, prepared, task.x), prepared.shares), task.y
        )
        return own > other

    def _assumptions(self, box: Any, notes: tuple[str, ...]) -> Assumptions:
        under = f"of the classifier under global depolarising noise of strength {self.strength:g} before measurement"
        return Assumptions(
            model="scores", noise="modelled", preparation="ideal", adversary="any state", box=box, notes=(under, *notes)
        )
