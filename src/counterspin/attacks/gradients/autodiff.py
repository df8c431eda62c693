"""Adjoint gradients by autograd through the simulator."""

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.attacks.gradients.base import Evaluation, GradientSource, Objective, not_differentiable
from counterspin.attacks.stochastic import call_cost
from counterspin.types import Classifier, Cost, Differentiable
from counterspin.validation import checked_scores

__all__ = ["Autodiff"]


@dataclass(frozen=True, kw_only=True)
class Autodiff(GradientSource):
    """Adjoint gradients by torch autograd: one forward and one backward per sample, whatever the number of features."""

    def check(self, model: Classifier) -> None:
        """Refuse a model that says autograd does not reach its input."""
        if isinstance(model, Differentiable) and not model.differentiable:
            raise not_differentiable(model)

    def price(self, model: Classifier, rows: int) -> Cost:
        """One call, and one backward per row."""
        return call_cost(model, rows) + Cost(backwards=rows)

    def __call__(
        self, model: Classifier, x: Tensor, objective: Objective, generator: torch.Generator | None = None
    ) -> Evaluation:
        """Value and gradient by one backward pass.

        Raises:
            CapabilityError: the scores carry no graph back to the input.
        """
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            scores = checked_scores(model, leaf)
            value = objective(scores)
            if not value.requires_grad:
                raise not_differentiable(model)
            (gradient,) = torch.autograd.grad(value.sum(), leaf, allow_unused=True)
        if gradient is None:
            raise not_differentiable(model)
        return Evaluation(scores.detach(), value.detach(), gradient, self.price(model, len(x)))
