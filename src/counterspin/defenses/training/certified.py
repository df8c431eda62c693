"""Certified training of angle-encoded circuits: the loss at the worst scores the Bures certificate allows."""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from counterspin.defenses.training.adversarial import BUDGET_OPTIONS, check_share, schedule_of
from counterspin.defenses.training.angle_regulariser import reach_notes
from counterspin.defenses.training.base import Entry, as_json
from counterspin.defenses.training.encoding_slopes import check_angles, margin_angles, total_turning
from counterspin.defenses.training.leeway import TOLERANCE, check_tolerance, leeway
from counterspin.defenses.training.options import real
from counterspin.defenses.training.schedule import EpsilonSchedule
from counterspin.errors import UsageError
from counterspin.threats import ThreatModel
from counterspin.training import CrossEntropyObjective, Objective, Step
from counterspin.types import Box, Classifier, Outputs

__all__ = ["ENTRY", "CertifiedTraining", "WorstScores"]


@dataclass(frozen=True, eq=False)
class WorstScores:
    r"""Logits of a model whose rivals gained all that a turn φ of the state allows.

    .. math:: \hat z_j = z_y - \hat m_{yj}, \qquad \hat m_{yj} = c + h \cos\bigl(\min(\alpha + 2\varphi, \pi)\bigr)
        - h \max(0, \alpha + 2\varphi - \pi)

    for margins :math:`m_{yj} = c + h \cos\alpha` in their range :math:`c \pm h`. The last term, beyond the least margin
    there is, keeps a slope where the bound says nothing.

    Args:
        body: the model.
        y: labels `(batch,)` of the inputs it will be called on.
        turn: φ `()`.
    """

    body: Classifier
    y: Tensor
    turn: Tensor

    @property
    def bounds(self) -> Box:
        """The box of the features."""
        return self.body.bounds

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.body.classes

    @property
    def outputs(self) -> Outputs:
        """What the scores are."""
        return self.body.outputs

    @property
    def stochastic(self) -> bool:
        """Whether two calls may differ."""
        return self.body.stochastic

    def __call__(self, x: Tensor) -> Tensor:
        """Scores `(batch, classes)` of `x` `(batch, features)`, the batch the labels belong to."""
        scores = self.body(x)
        found = margin_angles(self.body, scores, self.y)
        turned = found.angles + 2 * self.turn
        worst = found.middle + found.half * (turned.clamp(max=math.pi).cos() - functional.relu(turned - math.pi))
        return torch.where(found.rivals, scores.gather(1, self.y[:, None]) - worst, scores)


@dataclass(frozen=True, kw_only=True)
class CertifiedTraining:
    r"""An upper bound on the loss anywhere in the ball, minimised in place of the loss.

    .. math:: L = s\,\ell(\hat z, y) + (1 - s)\,\ell(z, y), \quad s = \lambda (1 - c), \quad \varphi = \varepsilon\Theta

    at `WorstScores`, Θ the turn of `BuresCertificate` per unit of the norm; its margins are never below those of a
    Lipschitz constant (Lipschitz-margin training: arXiv:1802.04034). Head and re-uploading scales get their gradient
    through the bound too. λ is the `leeway` of the batch at `tolerance`: as in certified training with a timetable
    (arXiv:1810.12715), the bound counts once there is something to certify.

    Args:
        threat: norm and mask; its budgets are not looked at.
        schedule: the training budget, in units of the features.
        clean_share: c.
        tolerance: share of errors in a batch at which the clean loss alone counts; infinite: never.
        loss: the classification loss.

    Raises:
        UsageError: a share outside [0, 1), or a tolerance that is not above 0.
    """

    name: ClassVar[str] = "certified"
    kind: ClassVar[str] = "core"

    threat: ThreatModel
    schedule: EpsilonSchedule
    clean_share: float = 0.5
    tolerance: float = TOLERANCE
    loss: Objective = field(default_factory=CrossEntropyObjective)

    def __post_init__(self) -> None:
        """Refuse what is no share and no error rate."""
        check_share("clean_share", self.clean_share)
        check_tolerance(self.name, self.tolerance)

    def __call__(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Loss `()` of `x` `(batch, features)`, `y` `(batch,)`."""
        turn = self.schedule(step.progress) * total_turning(model, self.threat)
        with torch.no_grad():
            kept = leeway(model(x), y, self.tolerance)
        share = kept * (1 - self.clean_share)
        clean = self.loss(model, x, y, step)
        return clean if share == 0 else share * self.loss(WorstScores(model, y, turn), x, y, step) + (1 - share) * clean

    def check(self, model: Classifier, threat: ThreatModel) -> None:
        """Refuse scores that are no logits, gate angles that are not affine in the features, and too large a budget.

        Raises:
            CapabilityError: the model shows no circuit.
            ConditionsError: see `check_angles`.
            UsageError: scores that are no logits, or the budget.
        """
        check_angles(self.name, model, self.threat)
        if model.outputs != "logits":
            raise UsageError(
                f"certified shifts logits by what an attacker can gain, and model.outputs is {model.outputs!r}; give "
                "the readout a linear head or a logit scale."
            )
        self.schedule.check(self.threat, model.bounds)

    def notes(self, model: Classifier) -> tuple[str, ...]:
        """Whether the undefended model is out of the certificate's reach."""
        return reach_notes(self.name, model, self.threat, self.schedule.final)

    def to_json(self) -> dict[str, Any]:
        """Name and values."""
        return as_json(self)


def _build(options: dict[str, str], threat: ThreatModel) -> CertifiedTraining:
    return CertifiedTraining(
        threat=threat,
        schedule=schedule_of(options, threat),
        clean_share=real(options, "clean", 0.5),
        tolerance=real(options, "tolerance", TOLERANCE),
    )


ENTRY = Entry(
    name="certified",
    summary="loss at the worst scores the Bures certificate allows, angle encodings (arXiv:1802.04034)",
    build=_build,
    options={
        **BUDGET_OPTIONS,
        "clean": "share of the loss at clean scores; 0.5",
        "tolerance": "share of training errors at which the clean loss alone counts, or inf; 0.1",
    },
)
