"""A classifier of one training step: the same weights, with the circuit run or read otherwise.

Three things may differ: the gate angles, the noise the circuit runs under, the shots it is read with. Each needs what
the one before it leaves, so that views are applied in the order of their `order`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from counterspin.circuits import Circuit, Readout
from counterspin.errors import CapabilityError
from counterspin.models.noisy import NoisyClassifier
from counterspin.simulation import EffectiveObservables, fold, run
from counterspin.types import Box, HasChannels, HasCircuit, HasEngine, Outputs

__all__ = ["CircuitView", "ReadoutView", "bare", "check_circuit", "engine_of"]


class CircuitView(nn.Module):
    """A classifier with another circuit of the same inputs and readout, whose weights are made of its own.

    Args:
        body: a classifier that shows its circuit; its parameters are shared.
        circuit: what runs instead of the body's circuit.
        weights: from the body's weights to those of `circuit`, asked for in every call, so that frozen weights stay
            out of the graph.

    Example:
        >>> from counterspin.circuits import PauliExpectations, reuploading
        >>> from counterspin.models import QuantumClassifier
        >>> import torch
        >>> box = Box.uniform(0.0, 1.0, features=2)
        >>> body = QuantumClassifier(reuploading(2, 1), PauliExpectations.of("Z0", "Z1"), box)
        >>> same = CircuitView(body, body.circuit, lambda weights: weights)
        >>> torch.equal(same(torch.ones(1, 2)), body(torch.ones(1, 2)))
        True
    """

    stochastic = False
    differentiable = True

    def __init__(self, body: Any, circuit: Circuit, weights: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.body: Any = body
        self.circuit = circuit
        self._weights = weights
        self.training = bool(getattr(body, "training", False))

    @property
    def weights(self) -> Tensor:
        """Of the circuit that runs, attached to the body's."""
        return self._weights(self.body.weights)

    @property
    def readout(self) -> Readout:
        """Measurement and head of the body."""
        return self.body.readout

    @property
    def bounds(self) -> Box:
        """The box of the features."""
        return self.body.bounds

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.body.classes

    @property
    def outputs(self) -> Outputs:
        """What the scores are."""
        return self.body.outputs

    @property
    def engine(self) -> str:
        """Which engine runs the circuit: the body's."""
        return engine_of(self.body)

    def circuit_inputs(self, x: Tensor) -> Tensor:
        """What enters the circuit `(batch, inputs)`, attached to autograd."""
        return self.body.circuit_inputs(x)

    def effective_observables(self) -> EffectiveObservables:
        """The model of this step as one observable per class.

        Raises:
            ConditionsError: data enters through gate angles.
        """
        return fold(self.circuit, self.weights.detach(), self.readout)

    def forward(self, x: Tensor) -> Tensor:
        """Scores `(batch, classes)` of `x` `(batch, features)`."""
        return run(self.circuit, self.circuit_inputs(x), self.weights, self.readout, engine=self.engine)


class ReadoutView(nn.Module):
    """A classifier whose circuit is read by a function of its own.

    It does not show the circuit: its scores are not those that anybody would compute from it.

    Args:
        body: a classifier that shows its circuit, with noise or without; its parameters are shared.
        read: scores `(batch, classes)` of the body on features `(batch, features)`.
    """

    stochastic = False
    differentiable = True

    def __init__(self, body: Any, read: Callable[[Any, Tensor], Tensor]) -> None:
        super().__init__()
        self.body: Any = body
        self.read = read
        self.training = bool(getattr(body, "training", False))

    @property
    def bounds(self) -> Box:
        """The box of the features."""
        return self.body.bounds

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.body.classes

    @property
    def outputs(self) -> Outputs:
        """What the scores are."""
        return self.body.outputs

    def forward(self, x: Tensor) -> Tensor:
        """Scores `(batch, classes)` of `x` `(batch, features)`."""
        return self.read(self.body, x)


def bare(model: Any) -> Any:
    """The classifier that is trained, behind all views of a step.

    Example:
        >>> bare("a model without views")
        'a model without views'
    """
    while isinstance(model, CircuitView | ReadoutView | NoisyClassifier):
        model = model.body
    return model


def engine_of(model: Any) -> str:
    """The engine a classifier's circuit is run by."""
    return model.engine if isinstance(model, HasEngine) or hasattr(model, "engine") else "auto"


def check_circuit(model: Any, name: str, *, noise: bool = True) -> None:
    """Refuse a model that shows no circuit to a defence that acts in one.

    Args:
        model: what is to be trained.
        name: the defence.
        noise: whether a model that has noise of its own is refused as well.

    Raises:
        CapabilityError: no circuit, or noise of its own.
    """
    if not isinstance(model, HasCircuit):
        raise CapabilityError(
            f"model ({type(model).__name__}) shows no circuit, which {name} acts in; give a quantum classifier, or "
            f"leave {name} out."
        )
    if noise and isinstance(model, HasChannels):
        raise CapabilityError(
            f"model ({type(model).__name__}) already runs under noise of its own; give the model without it, and the "
            "device to the defence noise."
        )
