"""Classifiers that map their features by a function that need not be affine before a circuit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from counterspin.errors import ModelError
from counterspin.models._bounds import box_from_json, box_to_json
from counterspin.models.fronted import FrontedClassifier
from counterspin.models.polynomial import PolynomialMap
from counterspin.models.quantum import QuantumClassifier
from counterspin.types import Box

__all__ = ["MappedClassifier"]


class MappedClassifier(FrontedClassifier):
    """`body(front(x))`: bounds, distances and attacks in the user's features, a circuit on a function of them.

    For maps that are affine, `AffineInputs` is served by more certificates.

    Args:
        front: fixed map from features `(batch, features)` to circuit inputs `(batch, inputs)`, attached to autograd
            and in the dtype of its argument. With a `PolynomialMap` the model can be saved and certified.
        body: quantum classifier of the mapped features; its own bounds play no role.
        bounds: the box the features live in.

    Raises:
        ModelError: front, body and bounds do not fit together.

    Example:
        >>> import torch
        >>> from counterspin.circuits import OutcomeGroups, angle_encoding
        >>> bit = OutcomeGroups((0,), ((0,), (1,)))
        >>> body = QuantumClassifier(angle_encoding(1), bit, Box.unbounded(1))
        >>> product = PolynomialMap([[1, 1]], torch.ones(1, 1))
        >>> model = MappedClassifier(product, body, Box.uniform(0, 1, features=2))
        >>> model(torch.zeros(3, 2)).shape
        torch.Size([3, 2])
    """

    def __init__(self, front: Callable[[Tensor], Tensor], body: QuantumClassifier, bounds: Box) -> None:
        if isinstance(front, PolynomialMap) and front.features != bounds.features:
            raise ModelError(f"bounds cover {bounds.features} features; the map takes {front.features}.")
        if isinstance(front, PolynomialMap) and front.outputs != body.circuit.inputs:
            raise ModelError(f"the map gives {front.outputs} values; the circuit takes {body.circuit.inputs} inputs.")
        super().__init__(body)
        self.front = front
        self.bounds = bounds

    def circuit_inputs(self, x: Tensor) -> Tensor:
        """The mapped features `(batch, inputs)`, attached to autograd."""
        inputs = self.front(x)
        # Certificates take a model that hands its very argument on for one without a map; a front may do so at times.
        return inputs.view_as(inputs) if inputs is x else inputs

    def config(self) -> dict[str, Any]:
        """Everything but weights and coefficients, as JSON values.

        Raises:
            ModelError: the front is code, which a file cannot hold.
        """
        if not isinstance(self.front, PolynomialMap):
            raise ModelError(
                f"the front of this model is Python code ({type(self.front).__name__}), which cannot be saved; keep "
                "the file that builds the model, or express the front as a PolynomialMap."
            )
        return {"front": self.front.config(), "body": self.body.config(), "bounds": box_to_json(self.bounds)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MappedClassifier:
        """The model `config` describes, with fresh weights and coefficients 0."""
        front, body = PolynomialMap.from_config(config["front"]), QuantumClassifier.from_config(config["body"])
        return cls(front, body, box_from_json(config["bounds"]))
