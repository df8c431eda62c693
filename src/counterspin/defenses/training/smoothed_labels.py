"""Label smoothing (Szegedy et al., arXiv:1512.00567), a baseline."""

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from counterspin.defenses.training.adversarial import check_share
from counterspin.defenses.training.base import Entry, as_json
from counterspin.defenses.training.options import real
from counterspin.defenses.training.sample_losses import check_log_probabilities, log_probabilities
from counterspin.threats import ThreatModel
from counterspin.training import Step
from counterspin.types import Classifier, Outputs

__all__ = ["ENTRY", "LabelSmoothing"]


@dataclass(frozen=True, kw_only=True)
class LabelSmoothing:
    r"""Cross-entropy against labels of which a share is spread over all classes.

    .. math:: L = -(1 - a) \log p_y - \frac{a}{K} \sum_k \log p_k

    Args:
        amount: a.

    Raises:
        UsageError: an amount outside [0, 1).
    """

    name: ClassVar[str] = "label-smoothing"
    kind: ClassVar[str] = "loss"

    amount: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        check_share("amount", self.amount)

    def __call__(self, model: Classifier, x: Tensor, y: Tensor, step: Step | None = None, /) -> Tensor:
        """Loss `()`."""
        return self.sample_losses(model(x), y, model.outputs).mean()

    def sample_losses(self, scores: Tensor, y: Tensor, outputs: Outputs, /) -> Tensor:
        """Losses `(batch,)` of scores `(batch, classes)`."""
        logs = log_probabilities(scores, outputs)
        own = logs.gather(1, y[:, None])[:, 0]
        return -(1 - self.amount) * own - self.amount * logs.mean(dim=1)

    def check(self, model: Classifier, threat: ThreatModel) -> None:
        """Refuse a model without class probabilities."""
        check_log_probabilities(model)

    def to_json(self) -> dict[str, Any]:
        """Name and values."""
        return as_json(self)


def _build(options: dict[str, str], threat: ThreatModel) -> LabelSmoothing:
    return LabelSmoothing(amount=real(options, "amount", 0.1))


ENTRY = Entry(
    name="label-smoothing",
    summary="a share of each label spread over all classes (arXiv:1512.00567), a baseline",
    build=_build,
    options={"amount": "the share; 0.1"},
    argument="amount",
)
