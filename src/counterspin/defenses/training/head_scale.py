"""The scale of a model's logits: set, held during a training, and folded back."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from counterspin.circuits import Linear, Scale
from counterspin.defenses.training.prune import body_of
from counterspin.errors import CapabilityError, UsageError

__all__ = ["at_scale", "scale_of"]


def scale_of(model: Any) -> float:
    r"""The scale T of a model's logits.

    The value of a `Scale`; of a fixed linear head twice its largest entry, as in :math:`\pm T \langle Z \rangle / 2`;
    of a trained linear head the Frobenius norm of its weight.

    Raises:
        CapabilityError: no quantum classifier, or one without a head.

    Example:
        >>> import torch
        >>> from counterspin.circuits import PauliExpectations, angle_encoding
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.types import Box
        >>> head = Linear(torch.tensor([[20.0], [-20.0]]), torch.zeros(2))
        >>> box = Box.uniform(0.0, 1.0, features=1)
        >>> scale_of(QuantumClassifier(
        ...     angle_encoding(1), PauliExpectations.of("Z0"), box, head=head, trainable_head=False
        ... ))
        40.0
    """
    body = body_of(model)
    match body.readout.head:
        case Scale(value):
            return float(value.detach().abs().max())
        case Linear(weight, _):
            return float(weight.detach().norm() if body.trainable_head else 2 * weight.abs().max())
        case _:
            raise CapabilityError(
                f"model ({type(model).__name__}) has no head: its scores are the measured values, and there is no "
                "scale of logits to choose."
            )


@contextmanager
def at_scale(model: nn.Module, scale: float) -> Iterator[None]:
    """Hold the logit scale of `model` at `scale` inside; afterwards its weights have it, and are plain weights again.

    A trained linear head keeps its direction free: its weight is divided by its Frobenius norm in every use, so that
    gradients see the norm as fixed, and its bias is trained as before. A learned scale stops being learned inside.

    Args:
        model: a quantum classifier with a head, behind a classical front or not; changed in place.
        scale: T, above 0.

    Raises:
        UsageError: a scale that is not a finite number above 0.
        CapabilityError: no quantum classifier, or one without a head.
    """
    if not (math.isfinite(scale) and scale > 0):
        raise UsageError(f"scale is {scale}; the logit scale is a finite number above 0.")
    body, now = body_of(model), scale_of(model)
    if body.trainable_head and isinstance(body.readout.head, Linear):
        parametrize.register_parametrization(body, "head_weight", _OfNorm(scale))
        try:
            yield
        finally:
            parametrize.remove_parametrizations(body, "head_weight", leave_parametrized=True)
        return
    with torch.no_grad():
        for name, tensor in (*body.named_parameters(recurse=False), *body.named_buffers(recurse=False)):
            if name == "log_scale":
                tensor.add_(math.log(scale / now))
            elif name in ("scale", "head_weight", "head_bias"):
                tensor.mul_(scale / now)
    learned = [parameter for name, parameter in body.named_parameters(recurse=False) if name == "log_scale"]
    flags = [parameter.requires_grad for parameter in learned]
    try:
        for parameter in learned:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter, flag in zip(learned, flags, strict=True):
            parameter.requires_grad_(flag)


class _OfNorm(nn.Module):
    """A weight of fixed Frobenius norm."""

    def __init__(self, norm: float) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, weight: Tensor) -> Tensor:
        return weight * (self.norm / weight.norm())

    def right_inverse(self, weight: Tensor) -> Tensor:
        return weight
