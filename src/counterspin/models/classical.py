"""Classical classifiers of a size that compares with a small circuit."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from counterspin.errors import UsageError
from counterspin.models._bounds import box_from_json, box_to_json
from counterspin.types import Box, Outputs

__all__ = ["MLP", "LogisticRegression"]

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "logistic": torch.sigmoid,
}


class LogisticRegression(nn.Module):
    """One linear map to logits, `W x + b`, which starts at zero.

    It computes in the dtype of `x`: the weights are cast, so float64 verdicts need no second model.

    Args:
        bounds: the box the inputs live in.
        classes: number of classes.

    Example:
        >>> model = LogisticRegression(Box.uniform(0.0, 1.0, features=4), classes=3)
        >>> model(torch.zeros(2, 4)).shape
        torch.Size([2, 3])
    """

    outputs: Outputs = "logits"
    stochastic = False
    differentiable = True

    def __init__(self, bounds: Box, *, classes: int) -> None:
        super().__init__()
        _check_classes(classes)
        self.bounds = bounds
        self.classes = classes
        self.weight = nn.Parameter(torch.zeros(classes, bounds.features))
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(batch, classes)` of `x` `(batch, features)`."""
        return functional.linear(x, self.weight.to(x), self.bias.to(x))

    def config(self) -> dict[str, Any]:
        """Everything but the weights, as JSON values."""
        return {"bounds": box_to_json(self.bounds), "classes": self.classes}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "LogisticRegression":
        """The model `config` describes, with fresh weights."""
        return cls(box_from_json(config["bounds"]), classes=config["classes"])


class MLP(nn.Module):
    r"""Linear maps with an activation between them.

    Weights and biases start uniform in :math:`\pm 1/\sqrt{\text{inputs of the layer}}`.

    Args:
        bounds: the box the inputs live in.
        classes: number of classes.
        hidden: width of each hidden layer.
        activation: `"tanh"`, `"relu"` or `"logistic"`.
        generator: draws the initial weights; None: seed 0.

    Raises:
        UsageError: another activation, no hidden layer, or fewer than 2 classes.

    Example:
        >>> model = MLP(Box.uniform(0.0, 1.0, features=4), classes=3, hidden=(8,))
        >>> sum(p.numel() for p in model.parameters())
        67
    """

    outputs: Outputs = "logits"
    stochastic = False
    differentiable = True

    def __init__(
        self,
        bounds: Box,
        *,
        classes: int,
        hidden: Sequence[int],
        activation: str = "tanh",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        _check_classes(classes)
        if activation not in _ACTIVATIONS:
            raise UsageError(f"activation is {activation!r}; allowed: {', '.join(_ACTIVATIONS)}.")
        if not hidden or min(hidden) < 1:
            raise UsageError(f"hidden is {tuple(hidden)}; give the width of at least one hidden layer, each above 0.")
        self.bounds = bounds
        self.classes = classes
        self.hidden = tuple(hidden)
        self.activation = activation
        generator = torch.Generator().manual_seed(0) if generator is None else generator
        self.matrices = nn.ParameterList()
        self.biases = nn.ParameterList()
        for inputs, outputs in itertools.pairwise((bounds.features, *self.hidden, classes)):
            limit = inputs**-0.5
            self.matrices.append(nn.Parameter((2 * torch.rand(outputs, inputs, generator=generator) - 1) * limit))
            self.biases.append(nn.Parameter((2 * torch.rand(outputs, generator=generator) - 1) * limit))

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(batch, classes)` of `x` `(batch, features)`."""
        activation = _ACTIVATIONS[self.activation]
        for layer, (matrix, bias) in enumerate(zip(self.matrices, self.biases, strict=True)):
            x = functional.linear(activation(x) if layer else x, matrix.to(x), bias.to(x))
        return x

    def config(self) -> dict[str, Any]:
        """Everything but the weights, as JSON values."""
        return {
            "bounds": box_to_json(self.bounds),
            "classes": self.classes,
            "hidden": list(self.hidden),
            "activation": self.activation,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "MLP":
        """The model `config` describes, with fresh weights."""
        return cls(
            box_from_json(config["bounds"]),
            classes=config["classes"],
            hidden=config["hidden"],
            activation=config.get("activation", "tanh"),  # models saved before there was a choice
        )


def _check_classes(classes: int) -> None:
    if classes < 2:
        raise UsageError(f"classes is {classes}; a classifier needs at least 2.")
