"""A stand-in for a model, which costs what the model would and runs nothing of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.attacks import Attack
from counterspin.attacks.gradients import Autodiff, Evaluation, GradientSource, Objective
from counterspin.attacks.views import view
from counterspin.types import Classifier, Cost, Reseedable

__all__ = ["Unbreakable", "priced", "stand_in"]

# Where the falling margin starts; it falls by 1 per call, so each query looks better than all before it.
_HIGH = 1e5


def stand_in(model: Classifier, answer: Callable[[Tensor], Tensor]) -> Classifier:
    """A model with the capabilities and prices of `model`, whose scores are those of `answer`."""
    names: dict[str, Any] = {"answer": staticmethod(answer), "differentiable": True}
    if isinstance(model, Reseedable):
        names["seeded"] = lambda self, seed: self
    return view(model, _Answering, names)


def priced(attack: Attack) -> Attack:
    """The attack with gradients of the stand-in at the price of its own gradient source."""
    source = getattr(attack, "gradient", None)
    if not isinstance(source, GradientSource):
        return attack
    return replace(attack, gradient=_Priced(source=source))  # pyright: ignore[reportCallIssue]


class Unbreakable:
    """Scores for which class 0 always wins, by a margin that falls with every call and has a slope everywhere.

    No attack ends before its last step on it: nothing breaks, and nothing it does looks useless.

    Args:
        classes: number of classes.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self._calls = 0

    def clean(self, samples: int) -> Tensor:
        """Clean scores `(samples, classes)` float64, above which every later query looks promising."""
        first = torch.eye(1, self.classes, dtype=torch.float64)
        return (2 * _HIGH * first).expand(samples, -1)

    def __call__(self, x: Tensor) -> Tensor:
        """Scores `(batch, classes)` of `x` `(batch, features)`, attached to autograd."""
        self._calls += 1
        margin = max(_HIGH - self._calls, 1.0) + 0.1 * torch.tanh(x.mean(dim=1))
        rivals = -torch.arange(self.classes - 1).to(x).expand(len(x), -1)
        return torch.cat([margin[:, None], rivals], dim=1)


class _Answering:
    answer: ClassVar[Callable[[Tensor], Tensor]]

    def __call__(self, x: Tensor, /) -> Tensor:
        return type(self).answer(x)


@dataclass(frozen=True, kw_only=True)
class _Priced(GradientSource):
    """Gradients by autograd at the price of another source."""

    source: GradientSource

    averages: ClassVar[bool] = True

    def check(self, model: Classifier) -> None:
        """Refuse what the source refuses."""
        self.source.check(model)

    def price(self, model: Classifier, rows: int) -> Cost:
        """That of the source."""
        return self.source.price(model, rows)

    def __call__(
        self, model: Classifier, x: Tensor, objective: Objective, generator: torch.Generator | None = None
    ) -> Evaluation:
        """Value and gradient by autograd."""
        return Autodiff()(model, x, objective)._replace(cost=self.price(model, len(x)))
