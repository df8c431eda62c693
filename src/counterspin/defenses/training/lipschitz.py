"""Regularising the Lipschitz constant of angle-encoded circuits (Berberich et al., arXiv:2311.11871)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from counterspin.defenses.training.angle_regulariser import AngleRegulariser
from counterspin.defenses.training.base import Entry
from counterspin.defenses.training.encoding_slopes import lipschitz_constants
from counterspin.defenses.training.leeway import TOLERANCE, leeway
from counterspin.defenses.training.options import real
from counterspin.defenses.training.schedule import middle
from counterspin.threats import ThreatModel
from counterspin.training import Step
from counterspin.types import Classifier

__all__ = ["ENTRY", "LipschitzRegulariser"]


@dataclass(frozen=True, kw_only=True)
class LipschitzRegulariser(AngleRegulariser):
    r"""How far the budget can move the margins, by the constants that `LipschitzCertificate` divides them by.

    .. math:: R = w\,\lambda\,\varepsilon\,\frac{1}{K(K-1)}\sum_{y \ne j} L_{yj}, \qquad
        L_{yj} = \mathrm{spread}(M_y - M_j) \sum_g \|w_g\|_q\,\tfrac12\mathrm{spread}(H_g)

    The head counts as well as the re-uploading scales: shrinking scores alone shortens margins as much as constants.

    `weight` is w, and λ the `leeway` of the batch at `tolerance`.
    """

    name: ClassVar[str] = "lipschitz"
    weight: float = 0.1

    def __call__(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Penalty `()` of `x` `(batch, features)`, `y` `(batch,)`: of the batch, it depends on the errors alone."""
        with torch.no_grad():
            kept = leeway(model(x), y, self.tolerance)
        constants = lipschitz_constants(model, self.threat)
        pairs = ~torch.eye(len(constants), dtype=torch.bool)
        return self.weight * kept * self.eps * constants[pairs].mean()


def _build(options: dict[str, str], threat: ThreatModel) -> LipschitzRegulariser:
    return LipschitzRegulariser(
        threat=threat,
        eps=real(options, "eps", middle(threat)),
        weight=real(options, "weight", 0.1),
        tolerance=real(options, "tolerance", TOLERANCE),
    )


ENTRY = Entry(
    name="lipschitz",
    summary="penalty on the Lipschitz constants of the margins, angle encodings (arXiv:2311.11871)",
    build=_build,
    options={
        "eps": "budget the penalty is scaled by; the middle of the threat's grid",
        "weight": "of the penalty; 0.1",
        "tolerance": "share of training errors at which it lets go, or inf; 0.1",
    },
)
