"""Adversarial weight perturbation (Wu, Xia, Wang, arXiv:2004.05884)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from counterspin.defenses.training.adversarial import Pointed
from counterspin.defenses.training.base import Entry, as_json
from counterspin.defenses.training.options import real
from counterspin.errors import CapabilityError, UsageError
from counterspin.threats import ThreatModel
from counterspin.training import Objective, Step
from counterspin.types import Classifier

__all__ = ["ENTRY", "PerturbedObjective", "WeightPerturbation"]


@dataclass(frozen=True, kw_only=True)
class WeightPerturbation:
    r"""Minimises any objective at the worst weights nearby, which flattens its landscape.

    .. math:: \min_w L(w + v),\qquad v_l = \gamma\,\|w_l\| \frac{\nabla_l L(w)}{\|\nabla_l L(w)\|}

    for each tensor l of weights: one step of ascent, relative to its size. Adversarial points are found once, at the
    weights themselves, and both losses see the same draws.

    Args:
        gamma: size of the perturbation as a share of the weights'; 0.005 in the paper.

    Raises:
        UsageError: a size that is not above 0.
    """

    name: ClassVar[str] = "awp"
    kind: ClassVar[str] = "around"

    gamma: float = 0.01

    def __post_init__(self) -> None:
        """Refuse what perturbs nothing."""
        if not (math.isfinite(self.gamma) and self.gamma > 0):
            raise UsageError(f"gamma is {self.gamma}; give a finite share of the weights' size above 0.")

    def around(self, objective: Objective, /) -> Objective:
        """`objective` at perturbed weights."""
        return PerturbedObjective(perturbation=self, objective=objective)

    def check(self, model: Classifier, threat: ThreatModel) -> None:
        """Refuse a model whose weights cannot be reached.

        Raises:
            CapabilityError: it is no torch module.
        """
        _module(model)

    def to_json(self) -> dict[str, Any]:
        """Name and values."""
        return as_json(self)


@dataclass(frozen=True, kw_only=True)
class PerturbedObjective:
    """An objective at the perturbed weights, with its gradient there; see `WeightPerturbation`."""

    perturbation: WeightPerturbation
    objective: Objective

    def __call__(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Loss `()` at the perturbed weights; the weights themselves are untouched when it returns."""
        weights = [weight for weight in _module(model).parameters() if weight.requires_grad]
        loss = self._loss(model, x, y, step)
        state, memory = step.generator.get_state(), dict(step.memory)
        gradients = torch.autograd.grad(loss(), weights, materialize_grads=True)
        # Both losses meet the same randomness, and what the objective remembers is told once.
        step.generator.set_state(state)
        step.memory.clear()
        step.memory.update(memory)
        with _moved(weights, [self._step(w, g) for w, g in zip(weights, gradients, strict=True)]):
            value = loss()
            gradients = torch.autograd.grad(value, weights, materialize_grads=True)
        # The graph belongs to weights that are no more: a linear function carries its gradient to the present ones.
        carried = sum(((w - w.detach()) * g).sum() for w, g in zip(weights, gradients, strict=True))
        return value.detach() + carried

    def _loss(self, model: Classifier, x: Tensor, y: Tensor, step: Step) -> Callable[[], Tensor]:
        objective = self.objective
        if isinstance(objective, Pointed):
            points = objective.points(model, x, y, step)
            return lambda: objective.value(model, x, points, y, step)
        return lambda: objective(model, x, y, step)

    def _step(self, weight: Tensor, gradient: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(gradient)
        size = self.perturbation.gamma * torch.linalg.vector_norm(weight.detach())
        return gradient * torch.where(length > 0, size / length, 0.0)


@contextmanager
def _moved(weights: list[nn.Parameter], steps: list[Tensor]) -> Iterator[None]:
    kept = [weight.detach().clone() for weight in weights]
    try:
        with torch.no_grad():
            for weight, step in zip(weights, steps, strict=True):
                weight.add_(step)
        yield
    finally:
        with torch.no_grad():
            for weight, value in zip(weights, kept, strict=True):
                weight.copy_(value)


def _module(model: Classifier) -> nn.Module:
    if not isinstance(model, nn.Module):
        raise CapabilityError(
            f"awp perturbs weights, and {type(model).__name__} is no torch module; train one, or leave awp out."
        )
    return model


def _build(options: dict[str, str], threat: ThreatModel) -> WeightPerturbation:
    return WeightPerturbation(gamma=real(options, "gamma", 0.01))


ENTRY = Entry(
    name="awp",
    summary="everything else at the worst weights nearby (arXiv:2004.05884)",
    build=_build,
    options={"gamma": "size of the perturbation as a share of the weights'; 0.01"},
)
