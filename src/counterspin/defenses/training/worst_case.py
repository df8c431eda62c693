"""Distributionally robust training in a Wasserstein ball (Sinha, Namkoong, Volpi, Duchi, arXiv:1710.10571)."""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.attacks.ball import Ball
from counterspin.attacks.losses import CrossEntropy, Loss
from counterspin.defenses.training.adversarial import BUDGET_OPTIONS, check_threat, schedule_of
from counterspin.defenses.training.base import Entry, as_json
from counterspin.defenses.training.inner import ascending, ball_of, input_gradient
from counterspin.defenses.training.options import count, real, word
from counterspin.defenses.training.pgd import LOSSES, check_ascent
from counterspin.defenses.training.schedule import EpsilonSchedule
from counterspin.errors import UsageError
from counterspin.threats import ThreatModel
from counterspin.training import CrossEntropyObjective, Objective, Step
from counterspin.types import Classifier

__all__ = ["ENTRY", "WorstCaseTraining"]

_MEMORY = "worst-case/penalty"


@dataclass(frozen=True, kw_only=True)
class WorstCaseTraining:
    r"""The loss under the worst distribution whose mean squared transport from the data is the budget's.

    .. math:: \min_w \max_{u} \frac1B \sum_i \ell(x_i + r_i u_i) - \gamma\,r_i\bigl(\|u_i\|^2 - 1\bigr)

    with :math:`r_i` the L2 length of the largest step the threat allows sample i (without a box). The attacker spends
    where it pays: one sample may move farther than another, and safe samples not at all. :math:`\gamma` follows the
    budget by dual ascent from step to step, :math:`\gamma \leftarrow \gamma\,
    e^{\eta\,\mathrm{clip}(\overline{\|u\|^2} - 1, \pm 1)}`. The inner maximum by damped fixed-point steps of
    :math:`u = \nabla \ell / 2\gamma`; box, mask, tied and discrete features are kept.

    Args:
        threat: where the budget, the units, the box and the constraints come from; distances are in L2.
        schedule: the training budget.
        steps: steps of the inner ascent.
        dual_rate: η.
        ascended: what the attacker makes large.
        loss: the classification loss at the moved samples.

    Raises:
        UsageError: no steps, or a rate that is not above 0.
    """

    name: ClassVar[str] = "worst-case"
    kind: ClassVar[str] = "core"

    threat: ThreatModel
    schedule: EpsilonSchedule
    steps: int = 7
    dual_rate: float = 0.1
    ascended: Loss = field(default_factory=CrossEntropy)
    loss: Objective = field(default_factory=CrossEntropyObjective)

    def __post_init__(self) -> None:
        """Refuse what is no ascent."""
        check_ascent(self.steps, None)
        if not (math.isfinite(self.dual_rate) and self.dual_rate > 0):
            raise UsageError(f"dual_rate is {self.dual_rate}; give a finite number above 0.")

    def points(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Where the worst distribution puts the samples `(batch, features)`, detached; the penalty is brought up."""
        lengths = self._lengths(x, model, self.schedule(step.progress))
        free = Ball.around(
            x,
            torch.full_like(x[:, 0], torch.inf),
            "l2",
            model.bounds if self.threat.box == "data" else None,
            self.threat.constraints,
        )
        with ascending(model):
            slope = self._slope(model, x, y, free)
            size = torch.linalg.vector_norm(slope, dim=1).square().mean().sqrt() / 2
            tiny = torch.finfo(size.dtype).tiny
            penalty = (step.memory[_MEMORY] if _MEMORY in step.memory else size).clamp_min(tiny)
            point = free.project(x + lengths * slope / (2 * penalty))
            for number in range(2, self.steps + 1):
                wanted = x + lengths * self._slope(model, point, y, free) / (2 * penalty)
                point = free.project(point + (wanted - point) / math.sqrt(number))
        spent = ((point - x) / lengths.clamp_min(tiny)).square().sum(dim=1).mean()
        step.memory[_MEMORY] = penalty * torch.exp(self.dual_rate * (spent - 1).clamp(-1.0, 1.0))
        return free.round(point)

    def value(self, model: Classifier, x: Tensor, points: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Loss `()` at `points`."""
        return self.loss(model, points, y, step)

    def __call__(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Loss `()` of `x` `(batch, features)`, `y` `(batch,)`."""
        return self.value(model, x, self.points(model, x, y, step), y, step)

    def check(self, model: Classifier, threat: ThreatModel) -> None:
        """Refuse a model without gradients or class probabilities, and a budget beyond its box."""
        check_threat(self.name, model, self.threat, self.schedule)

    def to_json(self) -> dict[str, Any]:
        """Name and values."""
        return as_json(self)

    def _lengths(self, x: Tensor, model: Classifier, eps: float) -> Tensor:
        """L2 length `(batch, 1)` of the largest steps the threat allows: to the corners in L-infinity."""
        ball = ball_of(x, self.threat, eps, model.bounds)
        movable = int(self.threat.constraints.movable(x.shape[1]).sum())
        return ball.radius * (math.sqrt(movable) if self.threat.norm == "linf" else 1.0)

    def _slope(self, model: Classifier, point: Tensor, y: Tensor, free: Ball) -> Tensor:
        slope = input_gradient(model, point, lambda scores: self.ascended(scores, y, outputs=model.outputs))
        if free.structure is None:
            return slope
        return free.structure.averaged(slope.where(free.structure.movable, 0.0))


def _build(options: dict[str, str], threat: ThreatModel) -> WorstCaseTraining:
    if threat.norm == "l0":
        raise UsageError("worst-case moves samples by distances, and L0 counts changes; use fgsm-at or pgd-at.")
    return WorstCaseTraining(
        threat=threat,
        schedule=schedule_of(options, threat),
        steps=count(options, "steps", 7),
        dual_rate=real(options, "rate", 0.1),
        ascended=LOSSES[word(options, "loss", "ce", tuple(LOSSES))](),
    )


ENTRY = Entry(
    name="worst-case",
    summary="the worst distribution in a Wasserstein ball of the budget (arXiv:1710.10571)",
    build=_build,
    options={
        **BUDGET_OPTIONS,
        "steps": "steps of the inner ascent; 7",
        "rate": "of the dual ascent on the price of moving; 0.1",
        "loss": "what the attacker makes large: ce, margin; ce",
    },
)
