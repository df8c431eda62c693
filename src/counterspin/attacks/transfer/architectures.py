"""Untrained surrogates: the architecture of the target, a classical one, or a circuit that takes its data otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from counterspin.circuits import (
    Linear,
    PauliExpectations,
    Scale,
    amplitude_encoding,
    reuploading,
    strongly_entangling,
)
from counterspin.errors import CapabilityError
from counterspin.models import (
    MLP,
    AffineInputs,
    HybridClassifier,
    LogisticRegression,
    MappedClassifier,
    NoisyClassifier,
    Pipeline,
    QuantumClassifier,
)
from counterspin.optimum.affine_map import AffineMap
from counterspin.types import Box, Classifier, HasCircuit

__all__ = ["ARCHITECTURES", "logistic", "other_encoding", "perceptron", "same"]

_HIDDEN = 32
# Of the circuits that stand for models of another encoding.
_QUBITS, _UPLOADS, _LAYERS = 6, 4, 6
_SPREAD = 0.3


def perceptron(model: Classifier, x: Tensor, generator: torch.Generator) -> nn.Module:
    """One hidden layer of 32 tanh units on features standardised by the queries `x` `(n, features)`."""
    body = MLP(Box.unbounded(x.shape[1]), classes=model.classes, hidden=(_HIDDEN,), generator=generator)
    return Pipeline(body, _standardisation(x), model.bounds)


def logistic(model: Classifier, x: Tensor, generator: torch.Generator) -> nn.Module:
    """One linear map of features standardised by the queries `x` `(n, features)`; it starts at zero."""
    body = LogisticRegression(Box.unbounded(x.shape[1]), classes=model.classes)
    return Pipeline(body, _standardisation(x), model.bounds)


def other_encoding(model: Classifier, x: Tensor, generator: torch.Generator) -> nn.Module:
    """Angles where the target takes amplitudes, amplitudes where it does not; a linear head on ⟨Z⟩ of every qubit.

    Angles: the (at most 6) first principal components of the queries `x`, uploaded 4 times. Amplitudes: the features
    and a constant 1, so that their length is not lost, in front of 6 entangling layers.
    """
    features = x.shape[1]
    if isinstance(model, HasCircuit) and model.circuit.amplitudes is not None:
        qubits = min(_QUBITS, features)
        circuit, input_map = reuploading(qubits, _UPLOADS, scale=math.pi), _components(x, qubits)
    else:
        encoding = amplitude_encoding(features + 1)
        circuit = encoding + strongly_entangling(encoding.qubits, _LAYERS, entangler_range=1)
        weight = torch.eye(features + 1, features, dtype=torch.float64)
        input_map = AffineMap(weight, torch.eye(features + 1, dtype=torch.float64)[-1])
    measured = PauliExpectations.of(*(f"Z{qubit}" for qubit in range(circuit.qubits)))
    body = QuantumClassifier(
        circuit,
        measured,
        Box.unbounded(circuit.inputs),
        head=_head(model.classes, circuit.qubits, generator),
        generator=generator,
    )
    return AffineInputs(body, input_map, model.bounds)


def same(model: Any, x: Tensor, generator: torch.Generator) -> nn.Module:
    """The architecture of the target with fresh weights; of a noisy one the circuit without noise.

    Affine maps, feature maps and heads that are not trained belong to the architecture and are kept.

    Raises:
        CapabilityError: an architecture without weights to train, or one this package does not know.
    """
    match model:
        case QuantumClassifier():
            return _fresh_circuit(model, generator)
        case NoisyClassifier():
            return same(model.body, x, generator)
        case HybridClassifier():
            return HybridClassifier(_fresh_front(model.front, generator), _fresh_circuit(model.body, generator))
        case AffineInputs():
            return AffineInputs(_fresh_circuit(model.body, generator), model.input_map(), model.bounds)
        case MappedClassifier():
            return MappedClassifier(model.front, _fresh_circuit(model.body, generator), model.bounds)
        case Pipeline(body=MLP() | LogisticRegression()):
            return Pipeline(_fresh_front(model.body, generator), model.input_map(), model.bounds)
        case MLP() | LogisticRegression():
            return _fresh_front(model, generator)
    raise CapabilityError(
        f"model ({type(model).__name__}) is of no architecture that can be trained anew for surrogates=same; use "
        "surrogates=mlp, logistic or other-encoding."
    )


ARCHITECTURES: dict[str, Callable[[Classifier, Tensor, torch.Generator], nn.Module]] = {
    "same": same,
    "mlp": perceptron,
    "logistic": logistic,
    "other-encoding": other_encoding,
}


def _fresh_circuit(model: QuantumClassifier, generator: torch.Generator) -> QuantumClassifier:
    head = model.readout.head
    if model.trainable_head and isinstance(head, Linear):
        head = _head(model.classes, head.weight.shape[1], generator)
    elif isinstance(head, Linear):
        head = Linear(head.weight.detach(), head.bias.detach())
    elif isinstance(head, Scale):
        head = Scale(head.value.detach())
    return QuantumClassifier(
        model.circuit,
        model.measurement,
        model.bounds,
        head=head,
        trainable_head=model.trainable_head,
        generator=generator,
        engine=model.engine,
    )


def _fresh_front(model: MLP | LogisticRegression, generator: torch.Generator) -> MLP | LogisticRegression:
    if isinstance(model, LogisticRegression):
        return LogisticRegression(model.bounds, classes=model.classes)
    return MLP(
        model.bounds,
        classes=model.classes,
        hidden=model.hidden,
        activation=model.activation,
        generator=generator,
    )


def _head(classes: int, values: int, generator: torch.Generator) -> Linear:
    return Linear(_SPREAD * torch.randn(classes, values, generator=generator), torch.zeros(classes))


def _standardisation(x: Tensor) -> AffineMap:
    x = x.double()
    deviation = x.std(dim=0, correction=0)
    return AffineMap.standardisation(x.mean(dim=0), torch.where(deviation > 0, deviation, 1.0))


def _components(x: Tensor, number: int) -> AffineMap:
    """The first principal components of `x`, each scaled to [0, 1] on `x`."""
    x = x.double()
    mean = x.mean(dim=0)
    _, _, axes = torch.linalg.svd(x - mean, full_matrices=True)
    axes = axes[:number]
    parts = (x - mean) @ axes.mT
    low, high = parts.amin(dim=0), parts.amax(dim=0)
    width = torch.where(high > low, high - low, 1.0)
    return AffineMap(axes / width[:, None], -(axes @ mean + low) / width)
