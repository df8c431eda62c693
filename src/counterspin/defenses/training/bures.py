"""Regularising the Bures-angle certificate of angle-encoded circuits (to our knowledge new)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from counterspin.defenses.training.angle_regulariser import AngleRegulariser
from counterspin.defenses.training.base import Entry
from counterspin.defenses.training.encoding_slopes import margin_angles, total_turning
from counterspin.defenses.training.leeway import TOLERANCE, leeway
from counterspin.defenses.training.options import real
from counterspin.defenses.training.schedule import middle
from counterspin.threats import ThreatModel
from counterspin.training import Step
from counterspin.types import Classifier

__all__ = ["ENTRY", "BuresRegulariser", "signed_angles"]


@dataclass(frozen=True, kw_only=True)
class BuresRegulariser(AngleRegulariser):
    r"""How far the Bures certificate of each sample falls short of the budget, in radians.

    .. math:: R = \frac{w\lambda}{B}\sum_i \max\Bigl(0,\, \varepsilon\,\Theta - \theta^*_i\Bigr), \qquad
        \Theta = \max_{\|\delta\| \le 1} \sum_g |w_g \cdot \delta|\,\tfrac12\mathrm{spread}(H_g)

    with :math:`\theta^*` the angle by which the state must turn before the nearest margin vanishes, of the certificate
    from scores (`knowledge="scores"`), continued to negative values where the sample is misclassified.

    `weight` is w, and λ the `leeway` of the batch at `tolerance`.
    """

    name: ClassVar[str] = "bures"
    weight: float = 5.0

    def __call__(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Penalty `()` of `x` `(batch, features)`, `y` `(batch,)`."""
        turn = self.eps * total_turning(model, self.threat)
        scores = model(x)
        kept = leeway(scores, y, self.tolerance)
        return self.weight * kept * functional.relu(turn - signed_angles(model, scores, y)).mean()


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
        threat=threat,
        eps=real(options, "eps", middle(threat)),
        weight=real(options, "weight", 5.0),
        tolerance=real(options, "tolerance", TOLERANCE),
    )


ENTRY = Entry(
    name="bures",
    summary="penalty on what the Bures-angle certificate lacks, angle encodings",
    build=_build,
    options={
        "eps": "budget to certify; the middle of the threat's grid",
        "weight": "of the penalty; 5",
        "tolerance": "share of training errors at which it lets go, or inf; 0.1",
    },
)
