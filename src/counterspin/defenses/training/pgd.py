"""Adversarial training by projected gradient descent (Madry et al., arXiv:1706.06083)."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from counterspin.attacks.losses import CrossEntropy, Loss, Margin
from counterspin.defenses.training.adversarial import BUDGET_OPTIONS, AdversarialTraining, schedule_of
from counterspin.defenses.training.base import Entry
from counterspin.defenses.training.inner import ascend, ball_of
from counterspin.defenses.training.options import count, real, word
from counterspin.errors import UsageError
from counterspin.threats import ThreatModel
from counterspin.training import Step
from counterspin.types import Classifier

__all__ = ["ENTRY", "LOSSES", "PGDTraining", "check_ascent"]

LOSSES: dict[str, type[Loss]] = {"ce": CrossEntropy, "margin": Margin}


@dataclass(frozen=True, kw_only=True)
class PGDTraining(AdversarialTraining):
    """Adversarial training on points of a short projected ascent from a random start.

    Args:
        steps: gradient steps per batch.
        step_size: share of the budget per step; None: 2.5 / steps, so that the far side of the ball can be reached.
        ascended: what the attack makes large.

    Raises:
        UsageError: no steps, or a step that goes nowhere.

    Example:
        >>> from counterspin.threats import Linf
        >>> from counterspin.defenses.training.schedule import EpsilonSchedule
        >>> PGDTraining(threat=Linf(0.1), schedule=EpsilonSchedule(final=0.1)).name
        'pgd-at'
    """

    name: ClassVar[str] = "pgd-at"

    steps: int = 7
    step_size: float | None = None
    ascended: Loss = field(default_factory=CrossEntropy)

    def __post_init__(self) -> None:
        """Refuse an ascent that goes nowhere."""
        super().__post_init__()
        check_ascent(self.steps, self.step_size)

    def points(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Points `(batch, features)` the attack found, detached."""
        return ascend(
            model,
            x,
            y,
            ball_of(x, self.threat, self.schedule(step.progress), model.bounds),
            steps=self.steps,
            step_size=2.5 / self.steps if self.step_size is None else self.step_size,
            loss=self.ascended,
            generator=step.generator,
        )


def check_ascent(steps: int, step_size: float | None) -> None:
    """Refuse no steps, or steps that go nowhere."""
    if steps < 1:
        raise UsageError(f"steps is {steps}; give a whole number from 1.")
    if step_size is not None and not (math.isfinite(step_size) and step_size > 0):
        raise UsageError(f"step_size is {step_size}; give a finite share of the budget above 0.")


def _build(options: dict[str, str], threat: ThreatModel) -> PGDTraining:
    steps = count(options, "steps", 7)
    return PGDTraining(
        threat=threat,
        schedule=schedule_of(options, threat),
        clean_share=real(options, "clean", 0.0),
        steps=steps,
        step_size=real(options, "step", 2.5 / steps) if "step" in options else None,
        ascended=LOSSES[word(options, "loss", "ce", tuple(LOSSES))](),
    )


ENTRY = Entry(
    name="pgd-at",
    summary="adversarial training on projected gradient points (arXiv:1706.06083)",
    build=_build,
    options={
        **BUDGET_OPTIONS,
        "steps": "gradient steps per batch; 7",
        "step": "share of the budget per step; 2.5 / steps",
        "loss": "what the attack makes large: ce, margin; ce",
        "clean": "share of the loss at clean inputs; 0",
    },
)
