"""What classifiers share whose circuit takes computed inputs: everything but the computation is the circuit's."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from counterspin.circuits import Circuit, Readout
from counterspin.errors import ModelError
from counterspin.models.quantum import QuantumClassifier
from counterspin.noise import NoiseModel
from counterspin.types import HasChannels, Outputs

__all__ = ["FrontedClassifier"]


class FrontedClassifier(nn.Module, ABC):
    """Template: `body(circuit_inputs(x))`, with bounds of its own.

    Args:
        body: quantum classifier of the computed inputs.

    Raises:
        ModelError: a body with noise of its own.
    """

    stochastic = False
    differentiable = True

    def __init__(self, body: QuantumClassifier) -> None:
        super().__init__()
        if isinstance(body, HasChannels):
            raise ModelError(
                f"body is a {type(body).__name__}, whose noise would be hidden behind the front; give the bare "
                "circuit, and the model made of both to NoisyClassifier."
            )
        self.body = body

    @abstractmethod
    def circuit_inputs(self, x: Tensor) -> Tensor:
        """What the circuit takes `(batch, inputs)` for features `(batch, features)`, attached to autograd."""

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.body.classes

    @property
    def outputs(self) -> Outputs:
        """What the scores are."""
        return self.body.outputs

    @property
    def circuit(self) -> Circuit:
        """The circuit, of the computed inputs."""
        return self.body.circuit

    @property
    def weights(self) -> Tensor:
        """Weights of the circuit."""
        return self.body.weights

    @property
    def readout(self) -> Readout:
        """Measurement and head."""
        return self.body.readout

    @property
    def engine(self) -> str:
        """Which engine runs the circuit; may be changed."""
        return self.body.engine

    @engine.setter
    def engine(self, engine: str) -> None:
        self.body.engine = engine

    def runs_on(self) -> str:
        """What computes the scores of the circuit."""
        return self.body.runs_on()

    def forward(self, x: Tensor) -> Tensor:
        """Scores `(batch, classes)` of `x` `(batch, features)`."""
        return self.body(self.circuit_inputs(x))

    def sample(
        self, x: Tensor, *, shots: int | None, generator: torch.Generator, noise: NoiseModel | None = None
    ) -> Tensor:
        """Scores `(batch, classes)` from `shots` measurements per sample (None: infinitely many) under noise."""
        with torch.no_grad():
            return self.body.sample(self.circuit_inputs(x), shots=shots, generator=generator, noise=noise)

    def states(self, x: Tensor) -> Tensor:
        """State vectors `(batch, 2**qubits)` before the measurement."""
        with torch.no_grad():
            return self.body.states(self.circuit_inputs(x))
