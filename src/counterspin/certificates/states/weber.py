r"""State-space certificates by quantum hypothesis testing (Weber, Liu, Li, Zhang, Zhao, arXiv:2009.10064).

With :math:`p_A` the probability of the decision and :math:`p_B` the next one, the decision stands while

.. math:: F > \tfrac12 (1 + \sqrt g), \qquad
          g = 1 - p_B - p_A (1 - 2 p_B) + 2\sqrt{p_A p_B (1 - p_A)(1 - p_B)},

which is :math:`g = \cos^2(\beta - \alpha)` for :math:`\alpha = \arcsin\sqrt{p_B}`, :math:`\beta = \arcsin\sqrt{p_A}`:
an infidelity below :math:`\sin^2((\beta - \alpha)/2)`, the form computed here. For two classes it equals the bound of
`guan_infidelity`; for more it is never better.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.certificates.base import Assumptions
from counterspin.certificates.states.probabilities import (
    ProbabilityCertificate,
    checked_probabilities,
    own_and_runner_up,
)
from counterspin.errors import ConditionsError, InputError

__all__ = [
    "WeberCertificate",
    "checked_strength",
    "depolarized_mixed_trace_distance",
    "depolarized_qubit_trace_distance",
    "hoelder_trace_distance",
    "weber_infidelity",
]


def weber_infidelity(probabilities: Tensor, y: Tensor) -> Tensor:
    """Infidelity `(batch,)` below which no state changes the decision `y`; 0 where `y` does not win.

    Args:
        probabilities: class probabilities `(batch, classes)` of the true channel; they may sum to less than 1.
        y: the decisions `(batch,)`.

    Raises:
        InputError: values that are no probabilities, or labels out of range.

    Example:
        >>> round(weber_infidelity(torch.tensor([[0.9, 0.1]]), torch.tensor([0])).item(), 6)
        0.2
    """
    own, other = own_and_runner_up(*checked_probabilities(probabilities, y))
    angle = own.clamp(max=1).sqrt().asin() - other.clamp(max=1).sqrt().asin()
    return (angle.clamp(min=0) / 2).sin().square()


def hoelder_trace_distance(probabilities: Tensor, y: Tensor) -> Tensor:
    """Trace distance `(p_A - p_B) / 2` `(batch,)` below which no state, pure or mixed, changes the decision `y`.

    Raises:
        InputError: values that are no probabilities, or labels out of range.

    Example:
        >>> round(hoelder_trace_distance(torch.tensor([[0.9, 0.1]]), torch.tensor([0])).item(), 6)
        0.4
    """
    own, other = own_and_runner_up(*checked_probabilities(probabilities, y))
    return (own - other).clamp(min=0) / 2


def depolarized_qubit_trace_distance(top: Tensor, strength: float) -> Tensor:
    r"""Trace distance `(batch,)` of pure single-qubit inputs below which a binary decision stands under depolarising.

    .. math:: T < \sqrt{\tfrac12 \Bigl(1 - \frac{\sqrt{1 - p(2 - p) - (1 - 2 p_A)^2}}{1 - p}\Bigr)}
              \quad\text{for}\quad p_A < \frac{1 + 3(1 - p)^2}{2 + 2(1 - p)^2}.

    Both the input and the attack state are pure before the noise; a mixed attack state is cheaper, see
    `depolarized_mixed_trace_distance`.

    Args:
        top: probability of the decision `(batch,)`, measured on the depolarised state.
        strength: p of :math:`\rho \mapsto (1 - p)\rho + p\,1/2`.

    Raises:
        InputError: a probability outside [1/2, 1].
        ConditionsError: a strength outside [0, 1), or a probability beyond the scope of the formula.

    Example:
        >>> round(depolarized_qubit_trace_distance(torch.tensor([0.9]), 0.1).item(), 4)
        0.5205
    """
    p = checked_strength(strength)
    values = top.detach().to(torch.float64)
    wrong = ~((values >= 0.5) & (values <= 1))
    if bool(wrong.any()):
        raise InputError(
            f"top is {float(values[wrong][0]):.6g}; give the probability of the decision of two classes, 0.5 to 1."
        )
    scope = (1 + 3 * (1 - p) ** 2) / (2 + 2 * (1 - p) ** 2)
    beyond = values >= scope
    if bool(beyond.any()):
        raise ConditionsError(
            f"top is {float(values[beyond][0]):.6g}; the single-qubit form at strength {p:g} holds below {scope:.6g}, "
            "use depolarized_mixed_trace_distance."
        )
    # The fraction of the formula is the cosine of the Bloch angle that the nearest flip turns by.
    sine = ((2 * values - 1) / (1 - p)).clamp(max=1)
    return (sine.asin() / 2).sin()


def depolarized_mixed_trace_distance(probabilities: Tensor, y: Tensor, strength: float) -> Tensor:
    r"""Trace distance :math:`(p_A - p_B) / (2(1 - p))` `(batch,)` of inputs before global depolarising noise.

    Below it no input state, pure or mixed, of any number of qubits changes the decision, since the noise shrinks every
    trace distance by :math:`1 - p`.

    Args:
        probabilities: class probabilities `(batch, classes)` measured on the depolarised states.
        y: the decisions `(batch,)`.
        strength: p of :math:`\rho \mapsto (1 - p)\rho + p\,1/D`.

    Raises:
        InputError: values that are no probabilities, or labels out of range.
        ConditionsError: a strength outside [0, 1).

    Example:
        >>> round(depolarized_mixed_trace_distance(torch.tensor([[0.9, 0.1]]), torch.tensor([0]), 0.1).item(), 4)
        0.4444
    """
    p = checked_strength(strength)
    return hoelder_trace_distance(probabilities, y) / (1 - p)


def checked_strength(strength: float) -> float:
    """A depolarising strength, or a ConditionsError where nothing of the state is left."""
    if not 0 <= strength < 1:
        raise ConditionsError(
            f"strength is {strength}; depolarising of at least 0 and less than 1 leaves something of the state."
        )
    return float(strength)


@dataclass(frozen=True, kw_only=True)
class WeberCertificate(ProbabilityCertificate):
    """`weber_infidelity` in feature units, for amplitude-encoded classifiers decided by outcome probabilities.

    Kept for comparison with the literature: `GuanCertificate` is never below it.

    Example:
        >>> from counterspin.circuits import OutcomeGroups, amplitude_encoding
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.threats import L2
        >>> from counterspin.types import Box
        >>> bit = OutcomeGroups((0,), ((0,), (1,)))
        >>> model = QuantumClassifier(amplitude_encoding(2), bit, Box.uniform(0, 1, features=2))
        >>> round(WeberCertificate()(model, [[0.8, 0.6]], [0], L2(0.1)).radius_lower.item(), 6)
        0.141421
    """

    name: ClassVar[str] = "weber"
    in_state_space: ClassVar[str] = "weber_infidelity"

    def _trace_distance(self, probabilities: Tensor, y: Tensor, shares: Tensor) -> Tensor:
        return weber_infidelity(probabilities, y).sqrt()

    def _assumptions(self, box: Any, notes: tuple[str, ...]) -> Assumptions:
        return Assumptions(model="scores", noise="any", preparation="ideal", box=box, notes=notes)
