"""What the regularisers of angle encodings share: a threat, a budget and a weight."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from counterspin.defenses.training.base import as_json
from counterspin.defenses.training.encoding_slopes import check_angles
from counterspin.errors import UsageError
from counterspin.threats import ThreatModel
from counterspin.types import Classifier

__all__ = ["AngleRegulariser"]


@dataclass(frozen=True, kw_only=True)
class AngleRegulariser:
    """A penalty on how far a budget reaches in a circuit whose gate angles are affine in the features.

    Args:
        threat: norm and mask; its budgets are not looked at.
        eps: budget in units of the features.
        weight: of the penalty.

    Raises:
        UsageError: a budget or a weight that is not above 0.
    """

    name: ClassVar[str]
    kind: ClassVar[str] = "regulariser"

    threat: ThreatModel
    eps: float
    weight: float

    def __post_init__(self) -> None:
        """Refuse what regularises nothing."""
        for name in ("eps", "weight"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise UsageError(f"{self.name}: {name} is {getattr(self, name)}; give a finite number above 0.")

    def check(self, model: Classifier, threat: ThreatModel) -> None:
        """Refuse a model whose gate angles are not affine in its features; see `check_angles`."""
        check_angles(self.name, model, self.threat)

    def to_json(self) -> dict[str, Any]:
        """Name and values."""
        return as_json(self)
