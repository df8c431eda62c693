"""Preprocessing as part of a model: an affine map of the features before any classifier."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from counterspin.errors import ModelError
from counterspin.models._bounds import box_from_json, box_to_json
from counterspin.models.affine import AffineInputs
from counterspin.models.classical import MLP, LogisticRegression
from counterspin.models.hybrid import HybridClassifier
from counterspin.models.kernel import KernelClassifier
from counterspin.models.mapped import MappedClassifier
from counterspin.models.quantum import QuantumClassifier
from counterspin.optimum.affine_map import AffineMap
from counterspin.types import Box, Classifier, Differentiable, Outputs
from counterspin.validation import check_classifier_interface

__all__ = ["Pipeline", "behind_map"]

# Bodies that can be saved, by name: a file can only choose from this table.
_BODIES: dict[str, Any] = {
    "logistic-regression": LogisticRegression,
    "mlp": MLP,
    "quantum": QuantumClassifier,
    "hybrid": HybridClassifier,
    "kernel": KernelClassifier,
    "mapped": MappedClassifier,
}


def behind_map(input_map: AffineMap, body: Any, bounds: Box) -> AffineInputs | Pipeline:
    """`body(W x + b)` with all the capabilities the body lets it have.

    A circuit stays a circuit behind a map (`AffineInputs`: it can be sampled, noisy, drawn); of any other classifier
    only the scores are known (`Pipeline`). Two classes, since a protocol asks a class, not an object, what it can do.

    Args:
        input_map: from the features to what the body takes.
        body: any classifier of the mapped features.
        bounds: the box the features live in.

    Raises:
        ModelError: map, body and bounds do not fit together.

    Example:
        >>> scale = AffineMap(2 * torch.eye(3), torch.zeros(3))
        >>> body = LogisticRegression(Box.unbounded(3), classes=2)
        >>> type(behind_map(scale, body, Box.uniform(0, 1, features=3))).__name__
        'Pipeline'
    """
    kind = AffineInputs if isinstance(body, QuantumClassifier) else Pipeline
    return kind(body, input_map, bounds)


class Pipeline(nn.Module):
    """`body(W x + b)` for any classifier: bounds, distances and attacks in the user's features.

    Certificates and exact attacks see through the map (`HasAffineInputs`). It is differentiable and stochastic where
    the body is. A body that can be reseeded or frozen keeps that for itself: put the map inside the sampled model.

    Args:
        body: any classifier of the mapped features; its own bounds play no role.
        input_map: from the features to what the body takes; fixed, not trained.
        bounds: the box the features live in.

    Raises:
        ModelError: the body is no classifier, or map, body and bounds do not fit together.

    Example:
        >>> body = LogisticRegression(Box.unbounded(2), classes=2)
        >>> with torch.no_grad():
        ...     _ = body.weight.copy_(torch.eye(2))
        >>> scale = AffineMap(torch.diag(torch.tensor([1.0, 10.0])), torch.zeros(2))
        >>> Pipeline(body, scale, Box.uniform(0, 1, features=2))(torch.tensor([[0.5, 0.1]])).tolist()
        [[0.5, 1.0]]
    """

    map_weight: Tensor
    map_bias: Tensor

    def __init__(self, body: Any, input_map: AffineMap, bounds: Box) -> None:
        super().__init__()
        check_classifier_interface(body)
        if input_map.outputs != body.bounds.features:
            raise ModelError(f"the map gives {input_map.outputs} values; the body takes {body.bounds.features}.")
        if input_map.features != bounds.features:
            raise ModelError(f"bounds cover {bounds.features} features; the map takes {input_map.features}.")
        self.body = body
        self.bounds = bounds
        self.register_buffer("map_weight", input_map.weight.detach().double().clone())
        self.register_buffer("map_bias", input_map.bias.detach().double().clone())

    def input_map(self) -> AffineMap:
        """The map from the features to what the body takes."""
        return AffineMap(self.map_weight, self.map_bias)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.body.classes

    @property
    def outputs(self) -> Outputs:
        """What the scores are."""
        return self.body.outputs

    @property
    def stochastic(self) -> bool:
        """Whether two calls with one input may differ."""
        return self.body.stochastic

    @property
    def differentiable(self) -> bool:
        """Whether autograd reaches the features; a body that does not say is taken to let it."""
        return not isinstance(self.body, Differentiable) or self.body.differentiable

    def forward(self, x: Tensor) -> Tensor:
        """Scores `(batch, classes)` of `x` `(batch, features)`."""
        return self.body(torch.nn.functional.linear(x, self.map_weight.to(x), self.map_bias.to(x)))

    def config(self) -> dict[str, Any]:
        """Everything but the weights and the map, as JSON values.

        Raises:
            ModelError: a body that cannot be saved.
        """
        kind = _kind(self.body)
        return {"body": {"kind": kind, **self.body.config()}, "bounds": box_to_json(self.bounds)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Pipeline:
        """The model `config` describes, with fresh weights and an empty map."""
        body, bounds = _BODIES[config["body"]["kind"]].from_config(config["body"]), box_from_json(config["bounds"])
        values = body.bounds.features
        return cls(body, AffineMap(torch.zeros(values, bounds.features), torch.zeros(values)), bounds)


def _kind(body: Classifier) -> str:
    kind = next((name for name, cls in _BODIES.items() if type(body) is cls), None)
    if kind is None:
        raise ModelError(
            f"the model behind the preprocessing is a {type(body).__name__}, which cannot be saved; allowed kinds: "
            f"{', '.join(_BODIES)}."
        )
    return kind
