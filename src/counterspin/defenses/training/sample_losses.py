"""Classification losses sample by sample."""

from typing import Protocol, runtime_checkable

from torch import Tensor
from torch.nn import functional

from counterspin.errors import UsageError
from counterspin.training import CrossEntropyObjective, Objective
from counterspin.types import Classifier, Outputs

__all__ = ["HasSampleLosses", "check_log_probabilities", "log_probabilities", "sample_losses"]

# The floor of `CrossEntropyObjective`: it keeps the gradient of an impossible outcome finite.
_FLOOR = 1e-12


@runtime_checkable
class HasSampleLosses(Protocol):
    """An objective that is the mean of a loss per sample."""

    def sample_losses(self, scores: Tensor, y: Tensor, outputs: Outputs, /) -> Tensor:
        """Losses `(batch,)` of scores `(batch, classes)`."""
        ...


def log_probabilities(scores: Tensor, outputs: Outputs) -> Tensor:
    """Logarithm of the probability `(batch, classes)` of each class, as cross-entropy reads the scores.

    Probabilities are taken as they are, and need not sum to 1 where a circuit has outcomes of no class.

    Raises:
        UsageError: expectation values.

    Example:
        >>> import torch
        >>> log_probabilities(torch.tensor([[0.0, 0.0]]), "logits").exp().tolist()
        [[0.5, 0.5]]
    """
    if outputs == "logits":
        return functional.log_softmax(scores, dim=1)
    if outputs == "probabilities":
        return scores.clamp_min(_FLOOR).log()
    raise _no_probabilities(outputs)


def check_log_probabilities(model: Classifier) -> None:
    """Refuse a model whose scores cross-entropy cannot read.

    Raises:
        UsageError: they are expectation values.
    """
    if model.outputs not in ("logits", "probabilities"):
        raise _no_probabilities(model.outputs)


def sample_losses(loss: Objective, model: Classifier, x: Tensor, y: Tensor) -> Tensor:
    """The losses `(batch,)` of which `loss` is the mean.

    Raises:
        UsageError: it is no mean over samples.
    """
    if isinstance(loss, HasSampleLosses):
        return loss.sample_losses(model(x), y, model.outputs)
    if isinstance(loss, CrossEntropyObjective):
        return functional.nll_loss(log_probabilities(model(x), model.outputs), y, reduction="none")
    name = getattr(loss, "name", type(loss).__name__)
    raise UsageError(f"loss {name} is no mean of a loss per sample; give cross-entropy or label-smoothing.")


def _no_probabilities(outputs: str) -> UsageError:
    return UsageError(
        f"model.outputs is {outputs!r}; a training loss needs logits or probabilities, "
        "give the readout a linear head or a logit scale."
    )
