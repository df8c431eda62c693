"""Training on the worst samples of each batch: conditional value at risk (Rockafellar and Uryasev 2000)."""

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

__all__ = ["ENTRY", "TailLoss"]


@dataclass(frozen=True, kw_only=True)
class TailLoss:
    r"""Mean loss of the worst share α of the batch, the last sample counting in part.

    .. math:: L = \frac{1}{\alpha B}\sum_{i \le \alpha B} \ell_{(i)}, \qquad \ell_{(1)} \ge \ell_{(2)} \ge \dots

    Args:
        share: α; 1 is the mean.
        loss: a classification loss with a value per sample.

    Raises:
        UsageError: no share.
    """

    name: ClassVar[str] = "cvar"
    kind: ClassVar[str] = "loss"

    share: float = 0.5
    loss: Objective = field(default_factory=CrossEntropyObjective)

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        if not 0 < self.share <= 1:
            raise UsageError(f"share is {self.share}; give the share of each batch that counts, above 0 to 1.")

    def __call__(self, model: Classifier, x: Tensor, y: Tensor, step: Step | None = None, /) -> Tensor:
        """Loss `()`."""
        losses = sample_losses(self.loss, model, x, y).sort(descending=True).values
        counted = self.share * len(losses)
        place = torch.arange(len(losses), dtype=losses.dtype, device=losses.device)
        weights = (counted - place).clamp(0.0, 1.0)
        return (weights * losses).sum() / counted

    def check(self, model: Classifier, threat: ThreatModel) -> None:
        """Refuse a model without class probabilities."""
        check_log_probabilities(model)

    def to_json(self) -> dict[str, Any]:
        """Name and values."""
        return as_json(self)


def _build(options: dict[str, str], threat: ThreatModel) -> TailLoss:
    return TailLoss(share=real(options, "share", 0.5))


ENTRY = Entry(
    name="cvar",
    summary="the loss of the worst share of each batch",
    build=_build,
    options={"share": "of the batch that counts; 0.5"},
    argument="share",
)
