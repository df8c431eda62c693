"""Images as amplitudes: a deep circuit on the unit vector of the pixels, and linear models of the same pixels."""

from functools import partial

import torch
from torch import nn

from counterspin.circuits import (
    Linear,
    OutcomeGroups,
    PauliExpectations,
    Scale,
    amplitude_encoding,
    strongly_entangling,
)
from counterspin.datasets import Dataset, digits, mnist
from counterspin.models import LogisticRegression, QuantumClassifier
from counterspin.recipes.recipe import Recipe
from counterspin.threats import L2, Linf
from counterspin.training import TrainingSettings
from counterspin.types import Box

__all__ = ["RECIPES"]

_INITIAL_SCALE = 10.0


def _groups(pixels: int, qubits: int, layers: int, generator: torch.Generator, scale: float | None) -> nn.Module:
    """Outcomes 0 ... 9 of the first four qubits times T."""
    return QuantumClassifier(
        amplitude_encoding(pixels) + strongly_entangling(qubits, layers, entangler_range=1),
        OutcomeGroups.first(qubits=4, classes=10),
        Box.uniform(0.0, 1.0, features=pixels),
        head=Scale(torch.tensor(_INITIAL_SCALE if scale is None else scale)),
        trainable_head=scale is None,
        generator=generator,
    )


def _one_against_nine(generator: torch.Generator, _: float | None) -> nn.Module:
    """Logits ±40 ⟨Z_0⟩ / 2. The scale alone decides most of the robustness of such a model, so it is fixed."""
    return QuantumClassifier(
        amplitude_encoding(256) + strongly_entangling(8, 20, entangler_range=1),
        PauliExpectations.of("Z0"),
        Box.uniform(0.0, 1.0, features=256),
        head=Linear(torch.tensor([[20.0], [-20.0]]), torch.zeros(2)),
        trainable_head=False,
        generator=generator,
    )


def _linear(pixels: int, classes: int, _: torch.Generator, __: float | None) -> nn.Module:
    return LogisticRegression(Box.uniform(0.0, 1.0, features=pixels), classes=classes)


def _pair(seed: int) -> Dataset:
    return mnist(seed, digits=(1, 9))


_DIGITS = TrainingSettings(epochs=80, batch_size=128)
_MNIST = TrainingSettings(epochs=25, batch_size=128)
_PAIR = TrainingSettings(epochs=40, batch_size=64)

_DIGITS_THREAT = L2(0.05, 0.1, 0.15, units="relative")
_MNIST_THREAT = Linf(0.01, 0.02, 0.03)
_PAIR_THREAT = Linf(0.05, 0.1, 0.15)

RECIPES = (
    Recipe(
        name="digits-amplitude",
        summary="8×8 digits as amplitudes of 6 qubits, 30 layers (Rot, CNOT ring), outcomes 0-9 of 4 qubits times T",
        load=digits,
        architecture=partial(_groups, 64, 6, 30),
        settings=_DIGITS,
        threat=_DIGITS_THREAT,
        bar=0.95,
    ),
    Recipe(
        name="digits-amplitude-classical",
        summary="logistic regression on the pixels of digits-amplitude",
        load=digits,
        architecture=partial(_linear, 64, 10),
        settings=_DIGITS,
        threat=_DIGITS_THREAT,
    ),
    Recipe(
        name="mnist-amplitude",
        summary="16×16 MNIST as amplitudes of 8 qubits, 30 layers (Rot, CNOT ring), outcomes 0-9 of 4 qubits times T",
        load=mnist,
        architecture=partial(_groups, 256, 8, 30),
        settings=_MNIST,
        threat=_MNIST_THREAT,
        bar=0.90,
    ),
    Recipe(
        name="mnist-amplitude-classical",
        summary="logistic regression on the pixels of mnist-amplitude",
        load=mnist,
        architecture=partial(_linear, 256, 10),
        settings=_MNIST,
        threat=_MNIST_THREAT,
    ),
    Recipe(
        name="mnist-amplitude-1v9",
        summary="16×16 MNIST ones against nines as amplitudes of 8 qubits, 20 layers, logits ±40 ⟨Z_0⟩ / 2",
        load=_pair,
        architecture=_one_against_nine,
        settings=_PAIR,
        threat=_PAIR_THREAT,
        bar=0.98,
    ),
    Recipe(
        name="mnist-amplitude-1v9-classical",
        summary="logistic regression on the pixels of mnist-amplitude-1v9",
        load=_pair,
        architecture=partial(_linear, 256, 2),
        settings=_PAIR,
        threat=_PAIR_THREAT,
    ),
)
