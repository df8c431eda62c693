"""A circuit between two classical layers, and a perceptron of the same size."""

import math

import torch
from torch import nn

from counterspin.circuits import Linear, PauliExpectations, reuploading
from counterspin.datasets import digits
from counterspin.models import MLP, HybridClassifier, QuantumClassifier
from counterspin.recipes.recipe import Recipe
from counterspin.threats import Linf
from counterspin.training import TrainingSettings
from counterspin.types import Box

__all__ = ["RECIPES"]

_PIXELS = Box.uniform(0.0, 1.0, features=64)


def _hybrid(generator: torch.Generator, _: float | None) -> nn.Module:
    """64 pixels, 16 hidden units, 6 angles π s tanh(·) uploaded 3 times, linear head on 6 ⟨Z⟩."""
    body = QuantumClassifier(
        reuploading(6, 3, scale=math.pi),
        PauliExpectations.of(*(f"Z{qubit}" for qubit in range(6))),
        Box.uniform(-1.0, 1.0, features=6),
        head=Linear(0.3 * torch.randn(10, 6, generator=generator), torch.zeros(10)),
        generator=generator,
    )
    return HybridClassifier(MLP(_PIXELS, classes=6, hidden=(16,), generator=generator), body)


def _perceptron(generator: torch.Generator, _: float | None) -> nn.Module:
    return MLP(_PIXELS, classes=10, hidden=(17,), generator=generator)


_SETTINGS = TrainingSettings(epochs=60, batch_size=64)
_THREAT = Linf(0.02, 0.05, 0.1)

RECIPES = (
    Recipe(
        name="digits-hybrid",
        summary="8×8 digits through a layer of 16 units to 6 angles, uploaded 3 times to 6 qubits, linear head "
        "(1284 weights)",
        load=digits,
        architecture=_hybrid,
        settings=_SETTINGS,
        threat=_THREAT,
    ),
    Recipe(
        name="digits-hybrid-classical",
        summary="perceptron 64-17-10 on the pixels of digits-hybrid (1285 weights)",
        load=digits,
        architecture=_perceptron,
        settings=_SETTINGS,
        threat=_THREAT,
    ),
)
