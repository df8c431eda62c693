"""What the regularisers of angle encodings share: a threat, a budget, a weight and what it may cost."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from counterspin.defenses.training.base import as_json
from counterspin.defenses.training.encoding_slopes import check_angles, total_turning
from counterspin.defenses.training.leeway import TOLERANCE, check_tolerance
from counterspin.errors import UsageError
from counterspin.threats import ThreatModel
from counterspin.types import Classifier

__all__ = ["AngleRegulariser", "reach_notes"]


@dataclass(frozen=True, kw_only=True)
class AngleRegulariser:
    """A penalty on how far a budget reaches in a circuit whose gate angles are affine in the features.

    Args:
        threat: norm and mask; its budgets are not looked at.
        eps: budget in units of the features.
        weight: of the penalty.
        tolerance: share of errors in a batch at which the penalty lets go of it, see `leeway`; infinite: never.

    Raises:
        UsageError: a budget, a weight or a tolerance that is not above 0.
    """

    name: ClassVar[str]
    kind: ClassVar[str] = "regulariser"

    threat: ThreatModel
    eps: float
    weight: float
    tolerance: float = TOLERANCE

    def __post_init__(self) -> None:
        """Refuse what regularises nothing."""
        for name in ("eps", "weight"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise UsageError(f"{self.name}: {name} is {getattr(self, name)}; give a finite number above 0.")
        check_tolerance(self.name, self.tolerance)

    def check(self, model: Classifier, threat: ThreatModel) -> None:
        """Refuse a model whose gate angles are not affine in its features; see `check_angles`."""
        check_angles(self.name, model, self.threat)

    def notes(self, model: Classifier) -> tuple[str, ...]:
        """Whether the undefended model is out of every certificate's reach."""
        return reach_notes(self.name, model, self.threat, self.eps)

    def to_json(self) -> dict[str, Any]:
        """Name and values."""
        return as_json(self)


def reach_notes(name: str, model: Classifier, threat: ThreatModel, eps: float) -> tuple[str, ...]:
    """One sentence where no certificate from the slopes can hold on `model` at `eps`, none elsewhere.

    Args:
        name: of the defence.
        model: as it is without it.
        threat: the norm.
        eps: the budget.
    """
    with torch.no_grad():
        turn = eps * float(total_turning(model, threat))
    # No two states are further apart.
    if turn < math.pi / 2:
        return ()
    return (
        f"Within eps {eps:g} the encoding of the undefended model may turn a state by {turn:.2f} rad, and from 1.57 "
        f"rad on no certificate from its slopes can hold; {name} lowers that only as far as the tolerated training "
        "errors allow, so read the certified accuracy before relying on it.",
    )
