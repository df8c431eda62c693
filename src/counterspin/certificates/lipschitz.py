"""Lipschitz certificate of angle-encoded circuits (Berberich et al., arXiv:2311.11871)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.certificates.base import Assumptions, Certificate, Radii, Task
from counterspin.certificates.margins import (
    ScoreObservables,
    margins,
    noise_assumed,
    observables_behind_data,
)
from counterspin.certificates.rounding import rounding_of
from counterspin.certificates.slopes import EncodingGates, feature_gates, finished
from counterspin.threats import ThreatModel
from counterspin.validation import checked_scores

__all__ = ["LipschitzCertificate"]

_DUAL = {"linf": 1.0, "l2": 2.0, "l1": torch.inf}


@dataclass(frozen=True, kw_only=True)
class LipschitzCertificate(Certificate):
    r"""Margin over the Lipschitz constant of the circuit, one constant per pair of classes.

    .. math:: r = \min_j \frac{m_{yj}}{L_{yj}}, \qquad
        L_{yj} = \mathrm{spread}(M_y - M_j) \sum_g \|w_g\|_q\, \tfrac12\mathrm{spread}(H_g)

    over the gates :math:`e^{-i(w_g\cdot x + \theta_g)H_g}` that hold data, with q dual to the threat's norm. It is the
    bound from the literature; `BuresCertificate` is never below it.

    Example:
        >>> from counterspin.circuits import OutcomeGroups, angle_encoding
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.threats import Linf
        >>> from counterspin.types import Box
        >>> bit = OutcomeGroups((0,), ((0,), (1,)))
        >>> model = QuantumClassifier(angle_encoding(1, axis="x"), bit, Box.uniform(0, 3.14, features=1))
        >>> round(LipschitzCertificate()(model, [[0.0]], [0], Linf(0.1)).radius_lower.item(), 6)
        1.0
    """

    name: ClassVar[str] = "lipschitz"

    def _prepare(self, model: Any, threat: ThreatModel) -> tuple[EncodingGates, ScoreObservables]:
        gates = feature_gates(model, threat)
        return gates, observables_behind_data(model, gates.last)

    def _radii(self, model: Any, prepared: tuple[EncodingGates, ScoreObservables], task: Task) -> Radii:
        gates, observables = prepared
        low, high = (bound[task.y] for bound in observables.extremes)
        error = rounding_of(model, task.x)
        margin = margins(checked_scores(model, task.x), task.y, task.target)
        margin = margin - error * torch.maximum(low.abs(), high.abs())
        turning = torch.linalg.vector_norm(gates.turning, ord=_DUAL[task.threat.norm], dim=1).sum()
        reach = _over(margin.clamp(min=0), (high - low) * turning * (1 + error))
        radius = torch.where(low > 0, torch.inf, reach).amin(dim=1)
        return finished(radius, gates, task, Assumptions(noise=noise_assumed(model, otherwise="any")))


def _over(margin: Tensor, slope: Tensor) -> Tensor:
    # A score that cannot move keeps any margin: infinity, not 0 / 0.
    return torch.where(slope > 0, margin / slope, torch.inf)
