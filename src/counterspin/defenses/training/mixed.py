"""Adversarial training on an attack drawn per batch, also across norms (after arXiv:1705.07204, 1904.13000)."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from counterspin.attacks.losses import CrossEntropy, Margin
from counterspin.defenses.training.adversarial import BUDGET_OPTIONS, AdversarialTraining, check_threat, schedule_of
from counterspin.defenses.training.base import Entry
from counterspin.defenses.training.inner import ascend, ball_of
from counterspin.defenses.training.options import count, real
from counterspin.defenses.training.pgd import check_ascent
from counterspin.defenses.training.schedule import EpsilonSchedule
from counterspin.errors import UsageError
from counterspin.threats import ThreatModel
from counterspin.training import Step
from counterspin.types import Classifier

__all__ = ["ATTACKS", "ENTRY", "MixedTraining"]

ATTACKS = ("pgd-ce", "pgd-margin", "fgsm", "random")


@dataclass(frozen=True, kw_only=True)
class MixedTraining(AdversarialTraining):
    """Adversarial training whose attack, and threat where there are several, is drawn with equal chances per batch.

    Args:
        attacks: of `ATTACKS`; `"random"` is a random point of the ball.
        steps: gradient steps of the projected ascents.
        others: further threats to train against, each with its final budget as the last of its grid; they grow with the
            schedule.

    Raises:
        UsageError: no or unknown attacks, or no steps.
    """

    name: ClassVar[str] = "mixed-at"

    attacks: tuple[str, ...] = ATTACKS
    steps: int = 7
    others: tuple[ThreatModel, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn from."""
        super().__post_init__()
        check_ascent(self.steps, None)
        unknown = [attack for attack in self.attacks if attack not in ATTACKS]
        if unknown or not self.attacks:
            raise UsageError(f"attacks is {self.attacks}; give one or more of {', '.join(ATTACKS)}.")

    def points(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Points `(batch, features)` the drawn attack found, detached."""
        attack = self.attacks[_drawn(len(self.attacks), step.generator)]
        threat, eps = self._threats(step.progress)[_drawn(1 + len(self.others), step.generator)]
        ball = ball_of(x, threat, eps, model.bounds)
        if attack == "random":
            return ball.random_point(ball.center, step.generator)
        steps = 1 if attack == "fgsm" else self.steps
        return ascend(
            model,
            x,
            y,
            ball,
            steps=steps,
            step_size=1.25 if attack == "fgsm" else 2.5 / steps,
            loss=Margin() if attack == "pgd-margin" else CrossEntropy(),
            generator=step.generator,
        )

    def check(self, model: Classifier, threat: ThreatModel) -> None:
        """As every adversarial training, for all of its threats."""
        super().check(model, threat)
        for other in self.others:
            check_threat(self.name, model, other, EpsilonSchedule(final=other.eps[-1]))

    def _threats(self, progress: float) -> list[tuple[ThreatModel, float]]:
        eps = self.schedule(progress)
        grown = eps / self.schedule.final
        return [(self.threat, eps), *((other, grown * other.eps[-1]) for other in self.others)]


def _drawn(count: int, generator: torch.Generator) -> int:
    return int(torch.randint(count, (), generator=generator))


def _build(options: dict[str, str], threat: ThreatModel) -> MixedTraining:
    attacks = tuple(options["attacks"].split("+")) if "attacks" in options else ATTACKS
    return MixedTraining(
        threat=threat,
        schedule=schedule_of(options, threat),
        clean_share=real(options, "clean", 0.0),
        attacks=attacks,
        steps=count(options, "steps", 7),
        others=tuple(_other(text, threat) for text in options["also"].split("+")) if "also" in options else (),
    )


def _other(text: str, threat: ThreatModel) -> ThreatModel:
    norm, _, eps = text.partition(":")
    try:
        budget = float(eps)
    except ValueError:
        raise UsageError(f"also is {text!r}; give norm and budget, for example also=l2:0.5.") from None
    return replace(threat, norm=norm, eps=(budget,))


ENTRY = Entry(
    name="mixed-at",
    summary="adversarial training on an attack, and a norm, drawn per batch (after arXiv:1705.07204, 1904.13000)",
    build=_build,
    options={
        **BUDGET_OPTIONS,
        "attacks": "what to draw from, joined by +; pgd-ce+pgd-margin+fgsm+random",
        "steps": "gradient steps of the projected ascents; 7",
        "also": "further norms with their budget, joined by +, for example l2:0.5; none",
        "clean": "share of the loss at clean inputs; 0",
    },
)
