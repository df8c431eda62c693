"""TRADES (Zhang et al., arXiv:1901.08573)."""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from counterspin.attacks.losses import Loss
from counterspin.defenses.training.adversarial import BUDGET_OPTIONS, check_threat, schedule_of
from counterspin.defenses.training.base import Entry, as_json
from counterspin.defenses.training.inner import ascend, ascending, ball_of
from counterspin.defenses.training.options import count, real
from counterspin.defenses.training.pgd import check_ascent
from counterspin.defenses.training.sample_losses import log_probabilities
from counterspin.defenses.training.schedule import EpsilonSchedule
from counterspin.errors import UsageError
from counterspin.threats import ThreatModel
from counterspin.training import CrossEntropyObjective, Objective, Step
from counterspin.types import Classifier, Outputs

__all__ = ["ENTRY", "TRADES", "Divergence", "divergences"]


@dataclass(frozen=True, kw_only=True)
class TRADES:
    r"""Clean loss plus how far an attack moves the class probabilities.

    .. math:: L = \ell(f(x), y) + \beta\,\frac1B \sum_i \max_{x'_i \in B_i}
        \mathrm{KL}\bigl(p(x_i)\,\|\,p(x'_i)\bigr)

    Gradients flow through both arguments of the divergence, as in the authors' code; in the ascent the clean
    probabilities are held.

    Args:
        threat: norm, units, box and constraints of the ball.
        schedule: the training budget.
        beta: weight of the divergence; the paper's 1/λ, there 1 to 6.
        steps: gradient steps per batch.
        step_size: share of the budget per step; None: 2.5 / steps.
        loss: the classification loss of the clean inputs.

    Raises:
        UsageError: a weight that is not above 0, or an ascent that goes nowhere.
    """

    name: ClassVar[str] = "trades"
    kind: ClassVar[str] = "core"

    threat: ThreatModel
    schedule: EpsilonSchedule
    beta: float = 6.0
    steps: int = 7
    step_size: float | None = None
    loss: Objective = field(default_factory=CrossEntropyObjective)

    def __post_init__(self) -> None:
        """Refuse what trades nothing."""
        check_ascent(self.steps, self.step_size)
        if not (math.isfinite(self.beta) and self.beta > 0):
            raise UsageError(f"beta is {self.beta}; give a finite weight above 0.")

    def points(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """The points `(batch, features)` farthest in divergence, detached."""
        with torch.no_grad(), ascending(model):
            clean = _normalised(model(x), model.outputs)
        return ascend(
            model,
            x,
            y,
            ball_of(x, self.threat, self.schedule(step.progress), model.bounds),
            steps=self.steps,
            step_size=2.5 / self.steps if self.step_size is None else self.step_size,
            loss=Divergence(clean=clean),
            generator=step.generator,
        )

    def value(self, model: Classifier, x: Tensor, points: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Loss `()` at `points`."""
        clean, moved = (_normalised(model(part), model.outputs) for part in (x, points))
        return self.loss(model, x, y, step) + self.beta * divergences(clean, moved).mean()

    def __call__(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Loss `()` of `x` `(batch, features)`, `y` `(batch,)`."""
        return self.value(model, x, self.points(model, x, y, step), y, step)

    def check(self, model: Classifier, threat: ThreatModel) -> None:
        """Refuse a model without gradients or class probabilities, and a budget beyond its box."""
        check_threat(self.name, model, self.threat, self.schedule)

    def to_json(self) -> dict[str, Any]:
        """Name and values."""
        return as_json(self)


@dataclass(frozen=True, kw_only=True, eq=False)
class Divergence(Loss):
    """Kullback-Leibler divergence of the class probabilities at a point from given ones.

    Args:
        clean: logarithms of the given probabilities `(batch, classes)`.
    """

    name: ClassVar[str] = "divergence"
    clean: Tensor

    def __call__(
        self, scores: Tensor, y: Tensor, *, target: Tensor | None = None, outputs: Outputs = "logits"
    ) -> Tensor:
        """The divergence `(batch,)`; labels and targets play no part."""
        return divergences(self.clean, _normalised(scores, outputs))


def divergences(first: Tensor, second: Tensor) -> Tensor:
    r""":math:`\mathrm{KL}(p \| q)` of each row, `(batch,)`, of logarithms of probabilities `(batch, classes)`."""
    return functional.kl_div(second, first, reduction="none", log_target=True).sum(dim=1)


def _normalised(scores: Tensor, outputs: Outputs) -> Tensor:
    return functional.log_softmax(log_probabilities(scores, outputs), dim=1)


def _build(options: dict[str, str], threat: ThreatModel) -> TRADES:
    return TRADES(
        threat=threat,
        schedule=schedule_of(options, threat),
        beta=real(options, "beta", 6.0),
        steps=count(options, "steps", 7),
        step_size=real(options, "step", 0.0) if "step" in options else None,
    )


ENTRY = Entry(
    name="trades",
    summary="clean loss plus the divergence an attack can cause (arXiv:1901.08573)",
    build=_build,
    options={
        **BUDGET_OPTIONS,
        "beta": "weight of the divergence; 6",
        "steps": "gradient steps per batch; 7",
        "step": "share of the budget per step; 2.5 / steps",
    },
)
