"""Gradients of another model: the infinite-shot twin of the one attacked, or a surrogate trained to resemble it."""

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from counterspin.attacks.gradients.autodiff import Autodiff
from counterspin.attacks.gradients.base import Evaluation, GradientSource, Objective, check_count
from counterspin.attacks.modes import frozen
from counterspin.attacks.stochastic import mean_price, mean_scores
from counterspin.errors import CapabilityError
from counterspin.types import Classifier, Cost, HasTwin

__all__ = ["TransferGradient", "Twin"]


@dataclass(frozen=True, kw_only=True)
class Twin(GradientSource):
    """The gradient of the model's own `twin` by autograd; value and scores from the model.

    Per sample it costs the calls of the model, and one backward on the twin. The twin is the attacker's simulator: what
    it evaluates is no query. On a device under an execution budget it is the gradient to take: shifted circuits cost
    tens to hundreds of circuits where this costs one.

    Args:
        calls: calls of the model whose scores are averaged; the gradient is the same for any number of them.

    Raises:
        UsageError: calls below 1.
    """

    calls: int = 1

    averages: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse an average over nothing."""
        check_count("calls", self.calls)

    def check(self, model: Classifier) -> None:
        """Refuse a model without a differentiable twin."""
        Autodiff().check(_twin(model))

    def price(self, model: Classifier, rows: int) -> Cost:
        """The calls of the model, and one backward on the twin per row."""
        return _price(model, rows, self.calls)

    def __call__(
        self, model: Classifier, x: Tensor, objective: Objective, generator: torch.Generator | None = None
    ) -> Evaluation:
        """Value of the model, gradient of its twin."""
        return _transferred(model, _twin(model), x, objective, self.calls)


@dataclass(frozen=True, kw_only=True)
class TransferGradient(GradientSource):
    """The gradient of a surrogate by autograd; value and scores from the model attacked.

    The objective reads the surrogate's scores as what they are (logits, probabilities, expectations). Costs are those
    of `Twin`.

    Args:
        surrogate: a differentiable classifier of the same features and classes.
        name: what results call it.
    """

    surrogate: Classifier
    name: str = "surrogate"

    averages: ClassVar[bool] = True

    @property
    def config(self) -> dict[str, Any]:
        """Name, type and SHA-256 of the surrogate's weights."""
        return {
            "kind": type(self).__name__,
            "name": self.name,
            "surrogate": type(self.surrogate).__name__,
            "sha256": _weights_digest(self.surrogate),
        }

    def check(self, model: Classifier) -> None:
        """Refuse a surrogate of other features or classes, or without a gradient."""
        mine, theirs = self.surrogate, model
        if (mine.bounds.features, mine.classes) != (theirs.bounds.features, theirs.classes):
            raise CapabilityError(
                f"surrogate ({type(mine).__name__}) has {mine.bounds.features} features and {mine.classes} classes, "
                f"the model {theirs.bounds.features} and {theirs.classes}; train a surrogate of the same task."
            )
        Autodiff().check(mine)

    def price(self, model: Classifier, rows: int) -> Cost:
        """One call of the model, and one backward on the surrogate per row."""
        return _price(model, rows, 1)

    def __call__(
        self, model: Classifier, x: Tensor, objective: Objective, generator: torch.Generator | None = None
    ) -> Evaluation:
        """Value of the model, gradient of the surrogate."""
        return _transferred(model, self.surrogate, x, objective, 1)


def _twin(model: Classifier) -> Classifier:
    if not isinstance(model, HasTwin):
        raise CapabilityError(
            f"model ({type(model).__name__}) has no twin, whose gradient Twin takes; use a SampledModel, or "
            "TransferGradient with a surrogate, or SPSA."
        )
    return model.twin


def _transferred(model: Classifier, surrogate: Classifier, x: Tensor, objective: Objective, calls: int) -> Evaluation:
    with torch.no_grad():
        scores = mean_scores(model, x, calls)
        value = objective(scores)

    # Only where it matters, so that any function of scores is an objective among models of one kind.
    read = objective if surrogate.outputs == model.outputs else partial(objective, outputs=surrogate.outputs)
    with frozen(surrogate):
        gradient = Autodiff()(surrogate, x, read).gradient
    return Evaluation(scores, value, gradient, _price(model, len(x), calls))


def _price(model: Classifier, rows: int, calls: int) -> Cost:
    return mean_price(model, rows, calls) + Cost(backwards=rows)


def _weights_digest(model: Classifier) -> str | None:
    """SHA-256 of a torch module's weights, so that a surrogate trained again is another configuration."""
    if not isinstance(model, nn.Module):
        return None
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        tensor = value.detach().cpu().contiguous()
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
