"""What every adversarial training shares: a budget that grows, points inside it, the loss there."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

from torch import Tensor

from counterspin.defenses.training.base import as_json, check_differentiable
from counterspin.defenses.training.options import real
from counterspin.defenses.training.sample_losses import check_log_probabilities
from counterspin.defenses.training.schedule import EpsilonSchedule, middle
from counterspin.errors import UsageError
from counterspin.threats import ThreatModel
from counterspin.training import CrossEntropyObjective, Objective, Step
from counterspin.types import Classifier

__all__ = ["BUDGET_OPTIONS", "AdversarialTraining", "Pointed", "check_share", "check_threat", "schedule_of"]

BUDGET_OPTIONS = {
    "eps": "training budget in the units of the threat; the middle of its grid",
    "warmup": "share of the training over which the budget grows from 0; 0.2",
}


@runtime_checkable
class Pointed(Protocol):
    """An objective in two halves, so that others can hold its points while they change the weights."""

    def points(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Where the loss is taken `(batch, features)`, detached."""
        ...

    def value(self, model: Classifier, x: Tensor, points: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Loss `()` at `points`."""
        ...


@dataclass(frozen=True, kw_only=True)
class AdversarialTraining(ABC):
    r"""The loss at points an attack finds inside the threat's ball (Madry et al., arXiv:1706.06083).

    .. math:: L = (1 - c)\,\ell(f(x'), y) + c\,\ell(f(x), y)

    Args:
        threat: norm, units, box and constraints of the ball; its budgets are not looked at.
        schedule: the training budget.
        clean_share: c.
        loss: the classification loss.

    Raises:
        UsageError: a share outside [0, 1).
    """

    name: ClassVar[str]
    kind: ClassVar[str] = "core"

    threat: ThreatModel
    schedule: EpsilonSchedule
    clean_share: float = 0.0
    loss: Objective = field(default_factory=CrossEntropyObjective)

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        check_share("clean_share", self.clean_share)

    @abstractmethod
    def points(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Points `(batch, features)` the attack found, detached."""

    def value(self, model: Classifier, x: Tensor, points: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Loss `()` at `points`."""
        attacked = self.loss(model, points, y, step)
        if self.clean_share == 0:
            return attacked
        return (1 - self.clean_share) * attacked + self.clean_share * self.loss(model, x, y, step)

    def __call__(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Loss `()` of `x` `(batch, features)`, `y` `(batch,)`."""
        return self.value(model, x, self.points(model, x, y, step), y, step)

    def check(self, model: Classifier, threat: ThreatModel) -> None:
        """Refuse a model without gradients or class probabilities, and a budget beyond its box.

        Raises:
            CapabilityError: the model has no gradient to its input.
            UsageError: its scores are expectation values, or the budget or the constraints do not fit its box.
        """
        check_threat(self.name, model, self.threat, self.schedule)

    def to_json(self) -> dict[str, Any]:
        """Name and values."""
        return as_json(self)


def check_threat(name: str, model: Classifier, threat: ThreatModel, schedule: EpsilonSchedule) -> None:
    """Refuse what no training on perturbed inputs can serve; see `AdversarialTraining.check`."""
    check_differentiable(name, model)
    check_log_probabilities(model)
    threat.check(model.bounds)
    schedule.check(threat, model.bounds)


def schedule_of(options: Mapping[str, str], threat: ThreatModel) -> EpsilonSchedule:
    """The schedule of `BUDGET_OPTIONS`."""
    eps, warmup = real(options, "eps", middle(threat)), real(options, "warmup", 0.2)
    return EpsilonSchedule(final=eps, warmup=warmup)


def check_share(name: str, value: float) -> None:
    """Refuse a share outside [0, 1)."""
    if not (math.isfinite(value) and 0 <= value < 1):
        raise UsageError(f"{name} is {value}; give a share from 0 to below 1.")
