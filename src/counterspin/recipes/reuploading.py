"""Principal components uploaded again in every layer, and small perceptrons on the same components."""

import math
from functools import partial

import torch
from torch import nn

from counterspin.circuits import Linear, PauliExpectations, reuploading
from counterspin.datasets import Dataset, ScaledPCA, breast_cancer, digits
from counterspin.models import MLP, QuantumClassifier
from counterspin.recipes.recipe import Recipe
from counterspin.threats import Linf
from counterspin.training import TrainingSettings
from counterspin.types import Box

__all__ = ["RECIPES", "perceptron_model", "reuploading_model"]


def reuploading_model(qubits: int, layers: int, classes: int, generator: torch.Generator, _: float | None) -> nn.Module:
    """RY(π s u) with trainable s, Rot and CNOT ring per layer; a linear head on ⟨Z⟩ of every qubit."""
    return QuantumClassifier(
        reuploading(qubits, layers, scale=math.pi),
        PauliExpectations.of(*(f"Z{qubit}" for qubit in range(qubits))),
        Box.uniform(0.0, 1.0, features=qubits),
        head=Linear(0.3 * torch.randn(classes, qubits, generator=generator), torch.zeros(classes)),
        generator=generator,
    )


def perceptron_model(
    features: int, hidden: int, classes: int, generator: torch.Generator, _: float | None
) -> nn.Module:
    """One hidden layer of tanh units on features in [0, 1]."""
    return MLP(Box.uniform(0.0, 1.0, features=features), classes=classes, hidden=(hidden,), generator=generator)


def _digits(seed: int) -> Dataset:
    return ScaledPCA.apply(digits(seed), 8)


def _cancer(seed: int) -> Dataset:
    return ScaledPCA.apply(breast_cancer(seed), 4, standardise=True)


_DIGITS = TrainingSettings(epochs=100, batch_size=64)
_CANCER = TrainingSettings(epochs=60, batch_size=32, weight_decay=0.01)

_DIGITS_THREAT = Linf(0.02, 0.05, 0.1)
_CANCER_THREAT = Linf(0.05, 0.1)

RECIPES = (
    Recipe(
        name="digits-reuploading",
        summary="8 components of 8×8 digits uploaded 6 times to 8 qubits, linear head on 8 ⟨Z⟩ (282 weights)",
        load=_digits,
        architecture=partial(reuploading_model, 8, 6, 10),
        settings=_DIGITS,
        threat=_DIGITS_THREAT,
        bar=0.91,
    ),
    Recipe(
        name="digits-reuploading-classical",
        summary="perceptron 8-14-10 on the components of digits-reuploading (276 weights)",
        load=_digits,
        architecture=partial(perceptron_model, 8, 14, 10),
        settings=_DIGITS,
        threat=_DIGITS_THREAT,
    ),
    Recipe(
        name="cancer-angle",
        summary="4 components of breast cancer uploaded 4 times to 4 qubits, linear head on 4 ⟨Z⟩ (74 weights)",
        load=_cancer,
        architecture=partial(reuploading_model, 4, 4, 2),
        settings=_CANCER,
        threat=_CANCER_THREAT,
        bar=0.93,
    ),
    Recipe(
        name="cancer-angle-classical",
        summary="perceptron 4-10-2 on the components of cancer-angle (72 weights)",
        load=_cancer,
        architecture=partial(perceptron_model, 4, 10, 2),
        settings=_CANCER,
        threat=_CANCER_THREAT,
    ),
)
