"""What training minimises."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional

from counterspin.errors import UsageError
from counterspin.types import Classifier

__all__ = ["CrossEntropyObjective", "Objective", "Step"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """Where in a training a batch stands.

    Args:
        epoch: number from 1.
        progress: share of all steps that are done, from 0 to below 1; schedules are functions of it.
        rows: places of the batch's samples in the training split `(batch,)`.
        generator: source of all randomness; its state is stored with each epoch.
        memory: tensors an objective keeps from step to step, stored with each epoch; names begin with the objective's.
    """

    epoch: int
    progress: float
    rows: Tensor
    generator: torch.Generator
    memory: dict[str, Tensor]


@runtime_checkable
class Objective(Protocol):
    """A scalar loss of a model on one batch; a defence that trains is one of these.

    Its repr is its configuration: a checkpoint is only resumed with the objective it was written with.
    """

    def __call__(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Loss `()` of `x` `(batch, features)`, `y` `(batch,)`, attached to the model's weights."""
        ...


@dataclass(frozen=True)
class CrossEntropyObjective:
    r"""Mean cross-entropy, :math:`-\log \mathrm{softmax}(z)_y` of logits or :math:`-\log p_y` of probabilities.

    Raises:
        UsageError: a model whose scores are expectation values; give its readout a head or a logit scale.
    """

    def __call__(self, model: Classifier, x: Tensor, y: Tensor, step: Step | None = None, /) -> Tensor:
        """Loss `()`."""
        if model.outputs == "logits":
            return functional.cross_entropy(model(x), y)
        if model.outputs == "probabilities":
            # The floor keeps the gradient of an impossible outcome finite.
            return functional.nll_loss(model(x).clamp_min(1e-12).log(), y)
        raise UsageError(
            f"model.outputs is {model.outputs!r}; cross-entropy needs logits or probabilities, "
            "give the readout a linear head or a logit scale."
        )
