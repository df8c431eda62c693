"""Classifiers of affinely mapped features: centring, scaling, principal components or resizing before a circuit."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from counterspin.errors import ModelError
from counterspin.models._bounds import box_from_json, box_to_json
from counterspin.models.fronted import FrontedClassifier
from counterspin.models.noisy import NoisyClassifier
from counterspin.models.quantum import QuantumClassifier
from counterspin.optimum.affine_map import AffineMap
from counterspin.types import Box, Classifier, HasAffineInputs

__all__ = ["AffineInputs", "unwrapped"]


def unwrapped(model: Classifier) -> tuple[Classifier, AffineMap | None]:
    """The classifier inside all affine maps, and the maps composed to one; None where there is none.

    Of a noisy model behind such a map it is the noisy model of the mapped features.

    Example:
        >>> from counterspin.models.classical import MLP
        >>> unwrapped(MLP(Box.uniform(0, 1, features=2), classes=2, hidden=(3,)))[1] is None
        True
    """
    total: AffineMap | None = None
    while True:
        if isinstance(model, HasAffineInputs):
            input_map, model = model.input_map(), model.body
        elif isinstance(model, NoisyClassifier) and isinstance(model.body, HasAffineInputs):
            input_map, model = model.body.input_map(), model.inside(model.body.body)
        else:
            return model, total
        total = input_map if total is None else total.then(input_map)


class AffineInputs(FrontedClassifier):
    """`body(W x + b)`: bounds, distances and attacks in the user's features, a circuit on the mapped ones.

    The map is fixed: it was fitted on data and is not trained.

    Args:
        body: quantum classifier of the mapped features; its own bounds play no role.
        input_map: from the features to the circuit's inputs.
        bounds: the box the features live in.

    Raises:
        ModelError: map, body and bounds do not fit together.

    Example:
        >>> from counterspin.circuits import OutcomeGroups, amplitude_encoding
        >>> bit = OutcomeGroups((0,), ((0,), (1,)))
        >>> body = QuantumClassifier(amplitude_encoding(2), bit, Box.unbounded(2))
        >>> centre = AffineMap.standardisation(torch.full((2,), 0.5), torch.ones(2))
        >>> model = AffineInputs(body, centre, Box.uniform(0, 1, features=2))
        >>> model(torch.tensor([[1.0, 0.5]])).tolist()
        [[1.0, 0.0]]
    """

    map_weight: Tensor
    map_bias: Tensor

    def __init__(self, body: QuantumClassifier, input_map: AffineMap, bounds: Box) -> None:
        if input_map.outputs != body.circuit.inputs:
            raise ModelError(
                f"the map gives {input_map.outputs} values; the circuit takes {body.circuit.inputs} inputs."
            )
        if input_map.features != bounds.features:
            raise ModelError(f"bounds cover {bounds.features} features; the map takes {input_map.features}.")
        super().__init__(body)
        self.bounds = bounds
        self.register_buffer("map_weight", input_map.weight.detach().double().clone())
        self.register_buffer("map_bias", input_map.bias.detach().double().clone())

    def input_map(self) -> AffineMap:
        """The map from the features to the circuit's inputs."""
        return AffineMap(self.map_weight, self.map_bias)

    def circuit_inputs(self, x: Tensor) -> Tensor:
        """The mapped features `(batch, inputs)`, attached to autograd."""
        return torch.nn.functional.linear(x, self.map_weight.to(x), self.map_bias.to(x))

    def config(self) -> dict[str, Any]:
        """Everything but the weights and the map, as JSON values."""
        return {"body": self.body.config(), "bounds": box_to_json(self.bounds)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> AffineInputs:
        """The model `config` describes, with fresh weights and an empty map."""
        body, bounds = QuantumClassifier.from_config(config["body"]), box_from_json(config["bounds"])
        return cls(
            body, AffineMap(torch.zeros(body.circuit.inputs, bounds.features), torch.zeros(body.circuit.inputs)), bounds
        )
