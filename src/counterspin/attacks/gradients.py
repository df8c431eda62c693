"""Where an attack's gradient comes from: autograd through the simulator, or shifted circuits as on hardware."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from counterspin.errors import CapabilityError
from counterspin.types import Classifier, Cost, Differentiable, HasCircuit
from counterspin.validation import checked_scores

__all__ = ["Autodiff", "Evaluation", "GradientSource", "Objective", "ParameterShift"]

Objective = Callable[[Tensor], Tensor]


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
    """A way to differentiate an objective of the scores with respect to the input."""

    @abstractmethod
    def check(self, model: Classifier) -> None:
        """Refuse a model this source cannot differentiate, before any compute.

        Raises:
            CapabilityError: the model lacks what the source needs.
        """

    @abstractmethod
    def __call__(self, model: Classifier, x: Tensor, objective: Objective) -> Evaluation:
        """Value and gradient of `objective(scores)` at `x` `(batch, features)`; all tensors detached."""


@dataclass(frozen=True, kw_only=True)
class Autodiff(GradientSource):
    """Adjoint gradients by torch autograd: one forward and one backward per sample, whatever the number of features."""

    def check(self, model: Classifier) -> None:
        """Refuse a model that says autograd does not reach its input."""
        if isinstance(model, Differentiable) and not model.differentiable:
            raise _not_differentiable(model)

    def __call__(self, model: Classifier, x: Tensor, objective: Objective) -> Evaluation:
        """Value and gradient by one backward pass.

        Raises:
            CapabilityError: the scores carry no graph back to the input.
        """
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            scores = checked_scores(model, leaf)
            value = objective(scores)
            if not value.requires_grad:
                raise _not_differentiable(model)
            (gradient,) = torch.autograd.grad(value.sum(), leaf, allow_unused=True)
        if gradient is None:
            raise _not_differentiable(model)
        n = x.shape[0]
        return Evaluation(scores.detach(), value.detach(), gradient, Cost(forwards=n, backwards=n, circuits=n))


@dataclass(frozen=True, kw_only=True)
class ParameterShift(GradientSource):
    r"""Exact shift rules per gate: what a quantum device can measure, at many circuits per gradient.

    .. math:: \nabla_u \ell = \sum_k \frac{\partial \ell}{\partial z_k} \nabla_u z_k

    with :math:`\nabla_u z_k` from shifted circuits (arXiv:1811.11184, arXiv:2107.12390) and the small outer derivative
    from autograd. A classical front `circuit_inputs(x)` before the circuit is differentiated by autograd too.
    """

    def check(self, model: Classifier) -> None:
        """Refuse a model that is not one circuit."""
        if not isinstance(model, HasCircuit):
            raise CapabilityError(
                f"model ({type(model).__name__}) shows no circuit, weights, readout and circuit_inputs, which "
                "ParameterShift needs; use gradient=Autodiff()."
            )

    def __call__(self, model: Classifier, x: Tensor, objective: Objective) -> Evaluation:
        """Value and gradient from shifted circuits; every circuit is counted."""
        # Imported here: an attack by autodiff on a user's own model needs no simulator.
        from counterspin.simulation import shift_jacobian

        if not isinstance(model, HasCircuit):
            raise CapabilityError(f"model ({type(model).__name__}) shows no circuit; use gradient=Autodiff().")
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            inputs = model.circuit_inputs(leaf)
        weights = model.weights.detach().to(x.dtype)
        scores, jacobian, per_sample = shift_jacobian(model.circuit, inputs.detach(), weights, model.readout)
        with torch.enable_grad():
            knob = scores.detach().clone().requires_grad_()
            value = objective(knob)
            (outer,) = torch.autograd.grad(value.sum(), knob)
        gradient = torch.einsum("bk,bki->bi", outer, jacobian)
        if inputs is not leaf:
            (gradient,) = torch.autograd.grad(inputs, leaf, gradient)
        n = x.shape[0]
        return Evaluation(knob.detach(), value.detach(), gradient, Cost(forwards=n, circuits=n * per_sample))


def _not_differentiable(model: Classifier) -> CapabilityError:
    return CapabilityError(
        f"model ({type(model).__name__}) gives scores without a gradient to its input; return scores attached to "
        "autograd (no detach, no numpy), or use an attack without gradients such as RandomDraws."
    )
