"""Adversarial training by one step from a random start (Wong, Rice, Kolter, arXiv:2001.03994)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from counterspin.attacks.losses import CrossEntropy
from counterspin.defenses.training.adversarial import BUDGET_OPTIONS, AdversarialTraining, schedule_of
from counterspin.defenses.training.base import Entry
from counterspin.defenses.training.inner import ascend, ball_of
from counterspin.defenses.training.options import real
from counterspin.defenses.training.pgd import check_ascent
from counterspin.threats import ThreatModel
from counterspin.training import Step
from counterspin.types import Classifier

__all__ = ["ENTRY", "FGSMTraining"]


@dataclass(frozen=True, kw_only=True)
class FGSMTraining(AdversarialTraining):
    """Adversarial training on one step of 1.25 times the budget from a random start, projected back into the ball.

    The random start is what keeps it from overfitting to its own attack; that it did must be measured with others.

    Args:
        step_size: share of the budget.

    Raises:
        UsageError: a step that goes nowhere.
    """

    name: ClassVar[str] = "fgsm-at"

    step_size: float = 1.25

    def __post_init__(self) -> None:
        """Refuse a step that goes nowhere."""
        super().__post_init__()
        check_ascent(1, self.step_size)

    def points(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Points `(batch, features)` the attack found, detached."""
        ball = ball_of(x, self.threat, self.schedule(step.progress), model.bounds)
        return ascend(
            model, x, y, ball, steps=1, step_size=self.step_size, loss=CrossEntropy(), generator=step.generator
        )


def _build(options: dict[str, str], threat: ThreatModel) -> FGSMTraining:
    return FGSMTraining(
        threat=threat,
        schedule=schedule_of(options, threat),
        clean_share=real(options, "clean", 0.0),
        step_size=real(options, "step", 1.25),
    )


ENTRY = Entry(
    name="fgsm-at",
    summary="adversarial training on one step from a random start (arXiv:2001.03994)",
    build=_build,
    options={
        **BUDGET_OPTIONS,
        "step": "share of the budget; 1.25",
        "clean": "share of the loss at clean inputs; 0",
    },
)
