"""Hybrid classifiers: a classical front computes the circuit's inputs, a classical head reads its expectations."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from counterspin.errors import ModelError
from counterspin.models.classical import MLP, LogisticRegression
from counterspin.models.fronted import FrontedClassifier
from counterspin.models.quantum import QuantumClassifier
from counterspin.types import Box

__all__ = ["HybridClassifier"]

_FRONTS: dict[str, Any] = {"logistic-regression": LogisticRegression, "mlp": MLP}


class HybridClassifier(FrontedClassifier):
    """`body(tanh(front(x)))`: a classical front, then a quantum classifier with its (linear) head.

    Args:
        front: classical map from the features to the circuit's inputs; tanh bounds its outputs to (-1, 1).
        body: quantum classifier of those inputs.

    Raises:
        ModelError: the front's outputs and the circuit's inputs differ in number.

    Example:
        >>> from counterspin.circuits import PauliExpectations, reuploading
        >>> front = MLP(Box.uniform(0.0, 1.0, features=4), classes=2, hidden=(3,))
        >>> box = Box.uniform(-1.0, 1.0, features=2)
        >>> body = QuantumClassifier(reuploading(2, 1), PauliExpectations.of("Z0", "Z1"), box)
        >>> model = HybridClassifier(front, body)
        >>> model(torch.zeros(5, 4)).shape
        torch.Size([5, 2])
    """

    def __init__(self, front: LogisticRegression | MLP, body: QuantumClassifier) -> None:
        if front.classes != body.circuit.inputs:
            raise ModelError(f"front gives {front.classes} values; the circuit takes {body.circuit.inputs} inputs.")
        super().__init__(body)
        self.front = front

    @property
    def bounds(self) -> Box:
        """The box of the classical inputs."""
        return self.front.bounds

    def circuit_inputs(self, x: Tensor) -> Tensor:
        """What the front hands to the circuit, `(batch, inputs)` in (-1, 1)."""
        return torch.tanh(self.front(x))

    def config(self) -> dict[str, Any]:
        """Everything but the weights, as JSON values."""
        kind = next(name for name, cls in _FRONTS.items() if type(self.front) is cls)
        return {"front": {"kind": kind, **self.front.config()}, "body": self.body.config()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> HybridClassifier:
        """The model `config` describes, with fresh weights."""
        front = _FRONTS[config["front"]["kind"]].from_config(config["front"])
        return cls(front, QuantumClassifier.from_config(config["body"]))
