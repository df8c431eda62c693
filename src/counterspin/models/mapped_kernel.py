"""Support vector machines on the fidelity of states that encode a function of the features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from counterspin.errors import ModelError
from counterspin.models._bounds import box_from_json, box_to_json
from counterspin.models.kernel import KernelClassifier
from counterspin.models.polynomial import PolynomialMap
from counterspin.optimum import AffineMap
from counterspin.types import Box, Outputs

__all__ = ["MappedKernelClassifier"]


class MappedKernelClassifier(nn.Module):
    """`body(front(x))`: a kernel machine whose feature map takes products or other functions of the features.

    Args:
        front: fixed map from features `(batch, features)` to circuit inputs `(batch, inputs)`, attached to autograd.
            With a `PolynomialMap` or an `AffineMap`, which is kept as one, the model can be saved.
        body: machine of the mapped features; its own bounds play no role.
        bounds: the box the features live in; may be replaced by another one of as many features.

    Raises:
        ModelError: front, body and bounds do not fit together.

    Example:
        >>> from counterspin.circuits import amplitude_encoding
        >>> x = torch.tensor([[1.0, 0.1], [0.9, 0.0], [0.1, 1.0], [0.0, 0.8]])
        >>> body = KernelClassifier.fit(amplitude_encoding(2), x, [0, 0, 1, 1], Box.uniform(0, 1, features=2))
        >>> swapped = PolynomialMap([[1, 0], [0, 1]], torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
        >>> MappedKernelClassifier(swapped, body, Box.uniform(0, 1, features=2))(x).argmax(dim=1).tolist()
        [1, 1, 0, 0]
    """

    outputs: Outputs = "logits"
    stochastic = False
    differentiable = True

    def __init__(self, front: Callable[[Tensor], Tensor], body: KernelClassifier, bounds: Box) -> None:
        super().__init__()
        front = _as_polynomial(front) if isinstance(front, AffineMap) else front
        if isinstance(front, PolynomialMap) and (front.features, front.outputs) != (
            bounds.features,
            body.circuit.inputs,
        ):
            raise ModelError(
                f"the map takes {front.features} features and gives {front.outputs} values; bounds cover "
                f"{bounds.features} features and the circuit takes {body.circuit.inputs} inputs."
            )
        self.front = front
        self.body = body
        self.bounds = bounds
        self.classes = body.classes

    def forward(self, x: Tensor) -> Tensor:
        """Scores `(batch, classes)` of `x` `(batch, features)`."""
        return self.body(self.front(x))

    def states(self, x: Tensor) -> Tensor:
        """Encoded states `(batch, 2**qubits)`."""
        with torch.no_grad():
            return self.body.states(self.front(x))

    def config(self) -> dict[str, Any]:
        """Everything but the tensors, as JSON values.

        Raises:
            ModelError: the front is code, which a file cannot hold.
        """
        if not isinstance(self.front, PolynomialMap):
            raise ModelError(
                f"the front of this model is Python code ({type(self.front).__name__}), which cannot be saved; keep "
                "the file that builds the model."
            )
        return {"front": self.front.config(), "body": self.body.config(), "bounds": box_to_json(self.bounds)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MappedKernelClassifier:
        """The model `config` describes, with empty tensors."""
        front, body = PolynomialMap.from_config(config["front"]), KernelClassifier.from_config(config["body"])
        return cls(front, body, box_from_json(config["bounds"]))


def _as_polynomial(front: AffineMap) -> PolynomialMap:
    rows = torch.eye(front.features, dtype=torch.int64).tolist()
    return PolynomialMap([[0] * front.features, *rows], torch.cat([front.bias[:, None], front.weight], dim=1))
