"""State-space certificate from class probabilities alone (Guan, Fang and Ying, arXiv:2008.07230, generalised)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.certificates.base import Assumptions
from counterspin.certificates.states.probabilities import ProbabilityCertificate

__all__ = ["GuanCertificate", "guan_infidelity"]


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
class GuanCertificate(ProbabilityCertificate):
    r"""`guan_infidelity` in feature units, for amplitude-encoded classifiers decided by outcome probabilities.

    A state of fidelity :math:`F = \cos^2\theta` with `x / ‖x‖` stands for a ray of inputs whose nearest point to `x` is
    :math:`\|x\| \sin\theta = \|x\| \sqrt{1 - F}` away. L-infinity radii follow by the norm inequality. The radius also
    holds inside a box and against a target class.

    The theorem is about probabilities: readouts with expectation values, a linear head or a bias are refused. For
    encodings other than amplitudes the bound says nothing in feature units; use `guan_infidelity` for the state space.

    Example:
        >>> from counterspin.circuits import OutcomeGroups, amplitude_encoding
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.threats import L2
        >>> from counterspin.types import Box
        >>> bit = OutcomeGroups((0,), ((0,), (1,)))
        >>> model = QuantumClassifier(amplitude_encoding(2), bit, Box.uniform(0, 1, features=2))
        >>> round(GuanCertificate()(model, [[0.8, 0.6]], [0], L2(0.1)).radius_lower.item(), 6)
        0.141421
    """

    name: ClassVar[str] = "guan"
    in_state_space: ClassVar[str] = "guan_infidelity"

    def _trace_distance(self, probabilities: Tensor, y: Tensor, shares: Tensor) -> Tensor:
        return guan_infidelity(probabilities, y).sqrt()

    def _assumptions(self, box: Any, notes: tuple[str, ...]) -> Assumptions:
        return Assumptions(model="scores", noise="any", preparation="ideal", box=box, notes=notes)
