"""The contract of a gradient source."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from counterspin.errors import CapabilityError, UsageError
from counterspin.types import Classifier, Cost

__all__ = ["Evaluation", "GradientSource", "Objective", "check_count", "check_generator", "not_differentiable"]


# From scores `(batch, classes)` to one number per row. The optional keyword `outputs` says what the scores are where
# they come from another model than the one attacked.
Objective = Callable[..., Tensor]


class Evaluation(NamedTuple):
    """One gradient evaluation of a batch.

    Args:
        scores: `(batch, classes)`.
        value: objective `(batch,)`.
        gradient: of the objective with respect to the input, `(batch, features)`.
        cost: what it took.
    """

    scores: Tensor
    value: Tensor
    gradient: Tensor
    cost: Cost


@dataclass(frozen=True, kw_only=True)
class GradientSource(ABC):
    """A way to differentiate an objective of the scores with respect to the input.

    Subclasses whose gradient does not hang on one draw of a stochastic model set `averages`; only they may serve one.
    """

    averages: ClassVar[bool] = False

    @property
    def config(self) -> dict[str, Any]:
        """Everything that defines the source, as JSON values."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        plain = {name: value.config if isinstance(value, GradientSource) else value for name, value in values.items()}
        return {"kind": type(self).__name__, **plain}

    @abstractmethod
    def check(self, model: Classifier) -> None:
        """Refuse a model this source cannot differentiate, before any compute.

        Raises:
            CapabilityError: the model lacks what the source needs.
        """

    @abstractmethod
    def price(self, model: Classifier, rows: int) -> Cost:
        """What a gradient at `rows` points costs, before it runs: the `cost` of its `Evaluation`, never less."""

    @abstractmethod
    def __call__(
        self, model: Classifier, x: Tensor, objective: Objective, generator: torch.Generator | None = None
    ) -> Evaluation:
        """Value and gradient of `objective(scores)` at `x` `(batch, features)`; all tensors detached.

        Args:
            model: the classifier.
            x: where, `(batch, features)`.
            objective: what is differentiated.
            generator: source of randomness, for sources that draw.
        """


def check_count(name: str, value: int) -> None:
    """Refuse a number of draws below 1.

    Raises:
        UsageError: no whole number of at least 1.
    """
    if not (isinstance(value, int) and value >= 1):
        raise UsageError(f"{name} is {value!r}; it must be a whole number of at least 1.")


def check_generator(source: GradientSource, generator: torch.Generator | None) -> torch.Generator:
    """The generator a random source must be called with.

    Raises:
        UsageError: there is none.
    """
    if generator is None:
        raise UsageError(f"{type(source).__name__} draws at random and generator is None; give a torch.Generator.")
    return generator


def not_differentiable(model: Classifier) -> CapabilityError:
    """The refusal of a model whose scores have no gradient to its input."""
    return CapabilityError(
        f"model ({type(model).__name__}) gives scores without a gradient to its input; return scores attached to "
        "autograd (no detach, no numpy), or use an attack without gradients such as RandomDraws."
    )
