"""A model as attacks and checks need it: evaluation mode, frozen weights; everything put back afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

__all__ = ["frozen", "in_evaluation"]


@contextmanager
def frozen(model: Any) -> Iterator[None]:
    """Hold a torch module in evaluation mode with frozen parameters, and restore every flag on the way out.

    Frozen parameters spare the gradients with respect to the weights, which an attack on inputs never reads. Models
    that are no torch modules are left alone.
    """
    with in_evaluation(model, trainable=False):
        yield


@contextmanager
def in_evaluation(model: Any, *, trainable: bool) -> Iterator[None]:
    """Hold a torch module in evaluation mode with all parameters trainable or none, and restore every flag after.

    Args:
        model: left alone where it is no torch module.
        trainable: what `requires_grad` is meanwhile.
    """
    if not isinstance(model, nn.Module):
        yield
        return
    modes = [(module, module.training) for module in model.modules()]
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        for module, _ in modes:
            module.training = False
        for parameter, _ in flags:
            parameter.requires_grad_(trainable)
        yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
