"""State-space certificate from class probabilities alone (Guan, Fang and Ying, arXiv:2008.07230, generalised)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.certificates.base import Assumptions, Certificate, Radii, Task, in_norm_of
from counterspin.circuits import Circuit, Linear, OutcomeGroups, Readout, Scale
from counterspin.errors import ConditionsError
from counterspin.threats import ThreatModel
from counterspin.validation import checked_scores

__all__ = ["GuanCertificate", "guan_infidelity"]

# How far a class probability simulated in float64 may be off.
_ROUNDING = 1e-14


def guan_infidelity(probabilities: Tensor, y: Tensor) -> Tensor:
    r"""Infidelity `(batch,)` below which no state changes the decision `y`.

    .. math:: 1 - F < \tfrac12 \bigl(\sqrt{p_y} - \max_{j \ne y}\sqrt{p_j}\bigr)^2

    is safe for the argmax of the outcome probabilities of any measurement behind any channel, and exact for a noiseless
    projective measurement. Where `y` does not win the result is 0.

    Args:
        probabilities: class probabilities `(batch, classes)` of the true channel; they may sum to less than 1.
        y: the decisions `(batch,)`.

    Example:
        >>> round(guan_infidelity(torch.tensor([[0.9, 0.1]]), torch.tensor([0])).item(), 6)
        0.2
    """
    roots = probabilities.clamp(min=0).sqrt()
    others = roots.scatter(1, y[:, None], -torch.inf).amax(dim=1)
    return 0.5 * (roots.gather(1, y[:, None])[:, 0] - others).clamp(min=0).square()


@dataclass(frozen=True, kw_only=True)
class GuanCertificate(Certificate):
    r"""`guan_infidelity` in feature units, for amplitude-encoded classifiers decided by outcome probabilities.

    A state of fidelity :math:`F = \cos^2\theta` with `x / ‖x‖` stands for a ray of inputs whose nearest point to `x` is
    :math:`\|x\| \sin\theta = \|x\| \sqrt{1 - F}` away. L-infinity radii follow by the norm inequality. The radius also
    holds inside a box and against a target class.

    The theorem is about probabilities: readouts with expectation values, a linear head or a bias are refused. For
    encodings other than amplitudes the bound says nothing in feature units; use `guan_infidelity` for the state space.

    Example:
        >>> from counterspin.circuits import amplitude_encoding
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.threats import L2
        >>> from counterspin.types import Box
        >>> bit = OutcomeGroups((0,), ((0,), (1,)))
        >>> model = QuantumClassifier(amplitude_encoding(2), bit, Box.uniform(0, 1, features=2))
        >>> round(GuanCertificate()(model, [[0.8, 0.6]], [0], L2(0.1)).radius_lower.item(), 6)
        0.141421
    """

    name: ClassVar[str] = "guan"
    requires: ClassVar[tuple[str, ...]] = ("circuit",)

    def _prepare(self, model: Any, threat: ThreatModel) -> float:
        _check_conditions(model.circuit, model.readout)
        middle = torch.where(torch.isfinite(model.bounds.lower), model.bounds.lower, 0.0).double()[None]
        # Identity of the object, not equal values: a front may leave these samples alone and stretch their neighbours.
        if model.circuit_inputs(middle) is not middle:
            raise ConditionsError(
                f"certificate guan needs the features themselves as amplitudes; model ({type(model).__name__}) maps "
                "them classically first, so use guan_infidelity on its class probabilities."
            )
        return _scale(model.readout)

    def _radii(self, model: Any, prepared: float, task: Task) -> Radii:
        probabilities = checked_scores(model, task.x) / prepared
        own = torch.nn.functional.one_hot(task.y, probabilities.shape[1]).to(probabilities)
        infidelity = guan_infidelity(probabilities + _ROUNDING * (1 - 2 * own), task.y)
        lengths = torch.linalg.vector_norm(task.x, dim=1)
        lower, notes = in_norm_of(task.threat, lengths * infidelity.sqrt(), task.x.shape[1])
        boxed = not task.box.is_unbounded
        return Radii.below(
            lower,
            Assumptions(
                model="scores",
                noise="any",
                preparation="ideal",
                box="not used" if boxed else "none",
                notes=notes,
            ),
        )


def _check_conditions(circuit: Circuit, readout: Readout) -> None:
    if not isinstance(readout.measurement, OutcomeGroups):
        raise ConditionsError(
            "certificate guan holds for outcome probabilities; this readout scores classes by expectation values."
        )
    if isinstance(readout.head, Linear) or _scale(readout) <= 0:
        raise ConditionsError(
            "certificate guan holds for the largest outcome probability; this readout changes which class wins by a "
            "linear head or a scale that is not positive."
        )
    if circuit.amplitudes is None or circuit.depends_on_inputs_by_gates:
        raise ConditionsError(
            "certificate guan turns its state-space radius into features for amplitude encodings only; this circuit "
            "encodes data in gate angles, so use guan_infidelity on its class probabilities."
        )


def _scale(readout: Readout) -> float:
    return float(readout.head.value) if isinstance(readout.head, Scale) else 1.0
