"""What state-space theorems about class probabilities share: their conditions, and feature radii where they hold."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.certificates.base import Assumptions, Certificate, Radii, Task, in_norm_of
from counterspin.circuits import Linear, OutcomeGroups, Scale
from counterspin.errors import ConditionsError, InputError
from counterspin.threats import ThreatModel
from counterspin.validation import as_labels, checked_scores

__all__ = ["PreparedReadout", "ProbabilityCertificate", "checked_probabilities", "own_and_runner_up"]

# How far a class probability simulated in float64 may be off.
_ROUNDING = 1e-14
_TOLERANCE = 1e-6


@dataclass(frozen=True, kw_only=True)
class PreparedReadout:
    """How scores become probabilities.

    Args:
        scale: scores over probabilities.
        shares: `Tr(E_k) / D` of each class `(classes,)`: the probability of its outcomes in the maximally mixed state.
    """

    scale: float
    shares: Tensor


def checked_probabilities(probabilities: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Class probabilities `(batch, classes)` as float64 and decisions `(batch,)`.

    Raises:
        InputError: wrong shapes, values outside [0, 1], rows that sum to more than 1, labels out of range.
    """
    if probabilities.ndim != 2 or probabilities.shape[1] < 2:
        raise InputError(f"probabilities have shape {tuple(probabilities.shape)}; give (batch, classes), 2 or more.")
    values = probabilities.detach().to(torch.float64)
    wrong = ~((values >= -_TOLERANCE).all(dim=1) & (values.sum(dim=1) <= 1 + _TOLERANCE))
    if bool(wrong.any()):
        i = int(wrong.nonzero()[0])
        raise InputError(
            f"probabilities[{i}] is {values[i].tolist()}; class probabilities are at least 0 and sum to at most 1, so "
            "logits and expectation values are not allowed."
        )
    return values.clamp(min=0), as_labels(y, values.shape[1], len(values))


def own_and_runner_up(probabilities: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Probability of the decision and the largest of the others, `(batch,)` each."""
    others = probabilities.scatter(1, y[:, None], -torch.inf).amax(dim=1)
    return probabilities.gather(1, y[:, None])[:, 0], others


@dataclass(frozen=True, kw_only=True)
class ProbabilityCertificate(Certificate):
    r"""Template: a bound on the trace distance of pure states, in features of amplitude-encoded classifiers.

    A pure state at trace distance :math:`T = \sin\theta` from `x / ‖x‖` stands for a ray of inputs whose nearest point
    to `x` is :math:`\|x\| T` away. The radius also holds inside a box and against a target class.

    The theorems are about probabilities: readouts with expectation values, a linear head or a bias are refused. A
    subclass names in `in_state_space` the function of class probabilities that serves every encoding.
    """

    requires: ClassVar[tuple[str, ...]] = ("circuit",)
    in_state_space: ClassVar[str]

    def _prepare(self, model: Any, threat: ThreatModel) -> PreparedReadout:
        circuit, readout = model.circuit, model.readout
        measurement = readout.measurement
        if getattr(model, "mitigation", None) is not None:
            raise ConditionsError(
                f"certificate {self.name} holds for outcome probabilities of one circuit; mitigated values are "
                "combinations of several and no probabilities, certify by effective observables or without mitigation."
            )
        if not isinstance(measurement, OutcomeGroups):
            raise ConditionsError(
                f"certificate {self.name} holds for outcome probabilities; this readout scores classes by expectation "
                "values."
            )
        scale = float(readout.head.value) if isinstance(readout.head, Scale) else 1.0
        if isinstance(readout.head, Linear) or scale <= 0:
            raise ConditionsError(
                f"certificate {self.name} holds for the largest outcome probability; this readout changes which class "
                "wins by a linear head or a scale that is not positive."
            )
        if circuit.amplitudes is None or circuit.depends_on_inputs_by_gates:
            raise ConditionsError(
                f"certificate {self.name} turns its state-space radius into features for amplitude encodings only; "
                f"this circuit encodes data in gate angles, so use {self.in_state_space} on its class probabilities."
            )
        middle = torch.where(torch.isfinite(model.bounds.lower), model.bounds.lower, 0.0).double()[None]
        # Identity of the object, not equal values: a front may leave this sample alone and stretch its neighbours.
        if model.circuit_inputs(middle) is not middle:
            raise ConditionsError(
                f"certificate {self.name} needs the features themselves as amplitudes; model ({type(model).__name__}) "
                f"maps them classically first, so use {self.in_state_space} on its class probabilities."
            )
        sizes = torch.tensor([len(group) for group in measurement.groups], dtype=torch.float64)
        return PreparedReadout(scale=scale, shares=sizes / 2 ** len(measurement.measured))

    def _radii(self, model: Any, prepared: PreparedReadout, task: Task) -> Radii:
        probabilities = self._probabilities(model, prepared, task.x)
        own = torch.nn.functional.one_hot(task.y, probabilities.shape[1]).to(probabilities)
        pessimistic = (probabilities + _ROUNDING * (1 - 2 * own)).clamp(min=0)
        distance = self._trace_distance(pessimistic, task.y, prepared.shares)
        lengths = torch.linalg.vector_norm(task.x, dim=1)
        lower, notes = in_norm_of(task.threat, lengths * distance, task.x.shape[1])
        box = "none" if task.box.is_unbounded else "not used"
        return Radii.below(lower, self._assumptions(box, notes))

    def _probabilities(self, model: Any, prepared: PreparedReadout, x: Tensor) -> Tensor:
        return checked_scores(model, x) / prepared.scale

    @abstractmethod
    def _trace_distance(self, probabilities: Tensor, y: Tensor, shares: Tensor) -> Tensor:
        """Safe trace distance `(batch,)` of pure states, from probabilities rounded against the label."""

    @abstractmethod
    def _assumptions(self, box: Any, notes: tuple[str, ...]) -> Assumptions:
        """What the radii rest on."""
