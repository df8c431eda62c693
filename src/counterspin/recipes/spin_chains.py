"""Phases of matter from ground states: quantum data as amplitudes, and linear models of the same amplitudes."""

from functools import partial

import torch
from torch import nn

from counterspin.circuits import Linear, PauliExpectations, amplitude_encoding, strongly_entangling
from counterspin.datasets import cluster_phases, tfim_phases
from counterspin.models import LogisticRegression, QuantumClassifier
from counterspin.recipes.recipe import Recipe
from counterspin.threats import L2
from counterspin.training import TrainingSettings
from counterspin.types import Box

__all__ = ["RECIPES"]

_AMPLITUDES = Box.uniform(-1.0, 1.0, features=256)


def _circuit(layers: int, measured: int, classes: int, generator: torch.Generator, _: float | None) -> nn.Module:
    """A linear head on ⟨Z⟩ of the first qubits behind a deep circuit."""
    return QuantumClassifier(
        amplitude_encoding(256) + strongly_entangling(8, layers, entangler_range=1),
        PauliExpectations.of(*(f"Z{qubit}" for qubit in range(measured))),
        _AMPLITUDES,
        head=Linear(3.0 * torch.randn(classes, measured, generator=generator), torch.zeros(classes)),
        generator=generator,
    )


def _linear(classes: int, _: torch.Generator, __: float | None) -> nn.Module:
    return LogisticRegression(_AMPLITUDES, classes=classes)


_SETTINGS = TrainingSettings(epochs=40, batch_size=64)

# Unit vectors in no box: with ideal preparation, L2 between them is the distance between states, and nothing else is.
_THREAT = L2(0.05, 0.1, 0.2, box="none")

RECIPES = (
    Recipe(
        name="tfim-phases",
        summary="ground states of the transverse-field Ising ring of 8 spins on both sides of h = J, 20 layers, "
        "linear head on 2 ⟨Z⟩ (486 weights); quantum data",
        load=tfim_phases,
        architecture=partial(_circuit, 20, 2, 2),
        settings=_SETTINGS,
        threat=_THREAT,
        bar=0.97,
    ),
    Recipe(
        name="tfim-phases-classical",
        summary="logistic regression on the amplitudes of tfim-phases (514 weights)",
        load=tfim_phases,
        architecture=partial(_linear, 2),
        settings=_SETTINGS,
        threat=_THREAT,
    ),
    Recipe(
        name="cluster-phases",
        summary="ground states of the cluster-Ising ring of 8 spins in its paramagnetic, ferromagnetic and cluster "
        "phase, 30 layers, linear head on 4 ⟨Z⟩ (735 weights); quantum data",
        load=cluster_phases,
        architecture=partial(_circuit, 30, 4, 3),
        settings=_SETTINGS,
        threat=_THREAT,
        bar=0.95,
    ),
    Recipe(
        name="cluster-phases-classical",
        summary="logistic regression on the amplitudes of cluster-phases (771 weights)",
        load=cluster_phases,
        architecture=partial(_linear, 3),
        settings=_SETTINGS,
        threat=_THREAT,
    ),
)
