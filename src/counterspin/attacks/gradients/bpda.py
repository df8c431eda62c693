"""BPDA: backward pass differentiable approximation (Athalye et al., arXiv:1802.00420)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.attacks.gradients.autodiff import Autodiff
from counterspin.attacks.gradients.base import Evaluation, GradientSource, Objective, not_differentiable
from counterspin.attacks.modes import frozen
from counterspin.attacks.stochastic import call_cost
from counterspin.errors import CapabilityError
from counterspin.types import Classifier, Cost, HasSubstitute
from counterspin.validation import checked_scores

__all__ = ["BPDA"]


@dataclass(frozen=True, kw_only=True)
class BPDA(GradientSource):
    r"""Scores of the defended model, slopes of the classifier it offers in its place.

    .. math:: g = J_s(x)^T\, \nabla_z \ell(z)\big|_{z = f(x)}

    with :math:`f` the model and :math:`s` its `substitute`: the model with a step that has no useful gradient (a
    rounding, a filter, a random choice) replaced by one that has, mostly the identity. Against a stochastic model, each
    evaluation is one draw: average it with `EOT(source=BPDA())`.

    Raises:
        CapabilityError: when used, on a model without a substitute, or with one that has no gradient itself.

    Example:
        >>> BPDA().config
        {'kind': 'BPDA'}
    """

    def check(self, model: Classifier) -> None:
        """Refuse a model without a differentiable substitute of the same task."""
        substitute = _substitute(model)
        if (substitute.bounds.features, substitute.classes) != (model.bounds.features, model.classes):
            raise CapabilityError(
                f"substitute ({type(substitute).__name__}) has {substitute.bounds.features} features and "
                f"{substitute.classes} classes, the model {model.bounds.features} and {model.classes}; it must stand "
                "for the model itself."
            )
        Autodiff().check(substitute)

    def price(self, model: Classifier, rows: int) -> Cost:
        """One call of the model, and one backward on the substitute per row, whose forward is the attacker's own."""
        return call_cost(model, rows) + Cost(backwards=rows)

    def __call__(
        self, model: Classifier, x: Tensor, objective: Objective, generator: torch.Generator | None = None
    ) -> Evaluation:
        """Value of the model, gradient through its substitute."""
        substitute = _substitute(model)
        with torch.no_grad():
            scores = checked_scores(model, x)
        with frozen(substitute), torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            slopes = checked_scores(substitute, leaf)
            if not slopes.requires_grad:
                raise not_differentiable(substitute)
            value = objective(scores + (slopes - slopes.detach()))
            (gradient,) = torch.autograd.grad(value.sum(), leaf)
        return Evaluation(scores, value.detach(), gradient, self.price(model, len(x)))


def _substitute(model: Classifier) -> Classifier:
    if not isinstance(model, HasSubstitute):
        raise CapabilityError(
            f"model ({type(model).__name__}) offers no substitute, whose gradient BPDA takes; give it a property "
            "`substitute`, or use SPSA or TransferGradient."
        )
    return model.substitute
