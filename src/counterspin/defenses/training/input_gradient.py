"""Regularising the gradient with respect to the input (arXiv:1711.09404), by differences as in arXiv:1905.11468."""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from counterspin.attacks.losses import CrossEntropy
from counterspin.defenses.training.adversarial import BUDGET_OPTIONS, check_threat, schedule_of
from counterspin.defenses.training.base import Entry, as_json
from counterspin.defenses.training.inner import ascending, ball_of, input_gradient
from counterspin.defenses.training.options import real
from counterspin.defenses.training.schedule import EpsilonSchedule
from counterspin.errors import UsageError
from counterspin.threats import ThreatModel
from counterspin.training import CrossEntropyObjective, Objective, Step
from counterspin.types import Classifier

__all__ = ["ENTRY", "InputGradient"]


@dataclass(frozen=True, kw_only=True)
class InputGradient:
    r"""How much the loss grows, to first order, when the attacker spends his budget.

    .. math:: R = \frac{w}{B}\sum_i d_i \cdot \nabla_x \ell(x_i),\qquad d_i = \arg\max_{d \in B_i} d \cdot \nabla_x \ell

    which without box and constraints is :math:`w\,\varepsilon\,\|\nabla_x \ell\|_*` in the dual norm. As :math:`d` is a
    maximiser, the derivative with respect to the weights is that at fixed :math:`d`, and so

    .. math:: R \approx w\,\frac{L(x + h d) - L(x - h d)}{2 h}

    needs no second derivatives: it serves the compiled engine as well as torch.

    Args:
        threat: norm, units, box and constraints of the ball.
        schedule: the budget.
        weight: w.
        difference: h, a share of the budget.
        loss: what is differentiated; the classification loss of the core.

    Raises:
        UsageError: a weight or a difference that is not above 0.
    """

    name: ClassVar[str] = "input-gradient"
    kind: ClassVar[str] = "regulariser"

    threat: ThreatModel
    schedule: EpsilonSchedule
    weight: float = 1.0
    difference: float = 0.1
    loss: Objective = field(default_factory=CrossEntropyObjective)

    def __post_init__(self) -> None:
        """Refuse what regularises nothing."""
        for name in ("weight", "difference"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise UsageError(f"{name} is {getattr(self, name)}; give a finite number above 0.")

    def __call__(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Penalty `()` of `x` `(batch, features)`, `y` `(batch,)`."""
        ball = ball_of(x, self.threat, self.schedule(step.progress), model.bounds)
        ascended = CrossEntropy()
        with ascending(model):
            gradient = input_gradient(model, x, lambda scores: ascended(scores, y, outputs=model.outputs))
        move = self.difference * (ball.project(x + ball.radius * ball.steepest(gradient)) - x)
        rise = self.loss(model, x + move, y, step) - self.loss(model, x - move, y, step)
        return self.weight * rise / (2 * self.difference)

    def check(self, model: Classifier, threat: ThreatModel) -> None:
        """Refuse a model without gradients or class probabilities, and a budget beyond its box."""
        check_threat(self.name, model, self.threat, self.schedule)

    def to_json(self) -> dict[str, Any]:
        """Name and values."""
        return as_json(self)


def _build(options: dict[str, str], threat: ThreatModel) -> InputGradient:
    if threat.norm == "l0":
        raise UsageError("input-gradient looks at small steps, and in L0 there are none; use fgsm-at or pgd-at.")
    return InputGradient(
        threat=threat,
        schedule=schedule_of(options, threat),
        weight=real(options, "weight", 1.0),
        difference=real(options, "difference", 0.1),
    )


ENTRY = Entry(
    name="input-gradient",
    summary="penalty on the first-order rise of the loss within the budget (arXiv:1711.09404, 1905.11468)",
    build=_build,
    options={
        **BUDGET_OPTIONS,
        "weight": "of the penalty; 1",
        "difference": "share of the budget of the central difference; 0.1",
    },
)
