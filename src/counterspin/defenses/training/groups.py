"""Training on the worst group (Sagawa, Koh, Hashimoto, Liang, arXiv:1911.08731)."""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.defenses.training.base import Entry, as_json
from counterspin.defenses.training.options import real
from counterspin.defenses.training.sample_losses import check_log_probabilities, sample_losses
from counterspin.errors import UsageError
from counterspin.threats import ThreatModel
from counterspin.training import CrossEntropyObjective, Objective, Step
from counterspin.types import Classifier

__all__ = ["ENTRY", "WorstGroup"]

_MEMORY = "group-worst/weights"


@dataclass(frozen=True, kw_only=True)
class WorstGroup:
    r"""Group losses under weights that follow the worst group (their algorithm 1).

    .. math:: q_g \leftarrow \frac{q_g e^{\eta \ell_g}}{\sum_k q_k e^{\eta \ell_k}}, \qquad L = \sum_g q_g \ell_g

    with :math:`\ell_g` the mean loss of the batch's samples of group g, 0 where it has none.

    Args:
        rate: η.
        groups: group of each training sample, from 0; None: the classes are the groups.
        loss: a classification loss with a value per sample.

    Raises:
        UsageError: a rate that is not above 0, or negative groups.
    """

    name: ClassVar[str] = "group-worst"
    kind: ClassVar[str] = "loss"

    rate: float = 0.1
    groups: tuple[int, ...] | None = None
    loss: Objective = field(default_factory=CrossEntropyObjective)

    def __post_init__(self) -> None:
        """Refuse what follows nothing."""
        if not (math.isfinite(self.rate) and self.rate > 0):
            raise UsageError(f"rate is {self.rate}; give a finite number above 0.")
        if self.groups is not None and (not self.groups or min(self.groups) < 0):
            raise UsageError("groups holds no or negative groups; give one number from 0 per training sample.")

    def __call__(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Loss `()`; the weights are kept in the memory of the training."""
        losses = sample_losses(self.loss, model, x, y)
        group, count = (y, model.classes) if self.groups is None else self._given(len(y), step)
        sizes = torch.bincount(group, minlength=count).clamp_min(1)
        means = losses.new_zeros(count).index_add(0, group, losses) / sizes
        weights = step.memory.get(_MEMORY, torch.full_like(means, 1 / count))
        weights = torch.softmax(weights.log() + self.rate * means.detach(), dim=0)
        # A weight that underflows would never come back.
        step.memory[_MEMORY] = weights.clamp_min(torch.finfo(weights.dtype).tiny)
        return (weights * means).sum()

    def check(self, model: Classifier, threat: ThreatModel) -> None:
        """Refuse a model without class probabilities."""
        check_log_probabilities(model)

    def to_json(self) -> dict[str, Any]:
        """Name and values."""
        return as_json(self)

    def _given(self, samples: int, step: Step) -> tuple[Tensor, int]:
        groups = torch.tensor(self.groups)
        if int(step.rows.max()) >= len(groups):
            raise UsageError(f"groups holds {len(groups)} samples; give one number per training sample.")
        # Some cores look at each sample several times.
        return groups[step.rows].repeat(samples // len(step.rows)), int(groups.max()) + 1


def _build(options: dict[str, str], threat: ThreatModel) -> WorstGroup:
    return WorstGroup(rate=real(options, "rate", 0.1))


ENTRY = Entry(
    name="group-worst",
    summary="class losses under weights that follow the worst class (arXiv:1911.08731)",
    build=_build,
    options={"rate": "how fast the weights follow; 0.1"},
)
