"""Regularising the Bures-angle certificate of angle-encoded circuits (to our knowledge new)."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from counterspin.defenses.training.base import Entry, as_json
from counterspin.defenses.training.encoding_slopes import check_angles, margin_angles, total_turning
from counterspin.defenses.training.options import real
from counterspin.defenses.training.schedule import middle
from counterspin.errors import UsageError
from counterspin.threats import ThreatModel
from counterspin.training import Step
from counterspin.types import Classifier

__all__ = ["ENTRY", "BuresRegulariser", "signed_angles"]


@dataclass(frozen=True, kw_only=True)
class BuresRegulariser:
    r"""How far the Bures certificate of each sample falls short of the budget, in radians.

    .. math:: R = \frac{w}{B}\sum_i \max\Bigl(0,\, \varepsilon\,\Theta - \theta^*_i\Bigr), \qquad
        \Theta = \max_{\|\delta\| \le 1} \sum_g |w_g \cdot \delta|\,\tfrac12\mathrm{spread}(H_g)

    with :math:`\theta^*` the angle by which the state must turn before the nearest margin vanishes, of the certificate
    from scores (`knowledge="scores"`), continued to negative values where the sample is misclassified.

    Args:
        threat: norm and mask; its budgets are not looked at.
        eps: budget in units of the features.
        weight: w.

    Raises:
        UsageError: a budget or a weight that is not above 0.
    """

    name: ClassVar[str] = "bures"
    kind: ClassVar[str] = "regulariser"

    threat: ThreatModel
    eps: float
    weight: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what regularises nothing."""
        for name in ("eps", "weight"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise UsageError(f"bures: {name} is {getattr(self, name)}; give a finite number above 0.")

    def __call__(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Penalty `()` of `x` `(batch, features)`, `y` `(batch,)`."""
        turn = self.eps * total_turning(model, self.threat)
        return self.weight * functional.relu(turn - signed_angles(model, model(x), y)).mean()

    def check(self, model: Classifier, threat: ThreatModel) -> None:
        """Refuse a model whose gate angles are not affine in its features; see `check_angles`."""
        check_angles(self.name, model, self.threat)

    def to_json(self) -> dict[str, Any]:
        """Name and values."""
        return as_json(self)


def signed_angles(model: Classifier, scores: Tensor, y: Tensor) -> Tensor:
    r"""Smallest angle over the rivals `(batch,)` at which the margin may vanish, negative where it has.

    .. math:: \theta^* = \tfrac12\Bigl(\arccos\tau - \arccos\frac{2m - a - b}{b - a}\Bigr), \qquad
        \tau = -\frac{a+b}{b-a}

    with a and b the extreme values of the margin m. Infinite over rivals that can never win.
    """
    found = margin_angles(model, scores, y)
    angles = (found.threshold - found.angles) / 2
    return angles.masked_fill(~found.rivals, torch.inf).amin(dim=1)


def _build(options: dict[str, str], threat: ThreatModel) -> BuresRegulariser:
    return BuresRegulariser(
        threat=threat, eps=real(options, "eps", middle(threat)), weight=real(options, "weight", 5.0)
    )


ENTRY = Entry(
    name="bures",
    summary="penalty on what the Bures-angle certificate lacks, angle encodings",
    build=_build,
    options={"eps": "budget to certify; the middle of the threat's grid", "weight": "of the penalty; 5"},
)
