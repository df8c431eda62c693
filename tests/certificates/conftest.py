"""Small amplitude-encoded classifiers."""

import pytest
import torch

from counterspin.circuits import OutcomeGroups, Scale, amplitude_encoding, strongly_entangling
from counterspin.models import QuantumClassifier
from counterspin.types import Box


@pytest.fixture
def bit():
    """No gates on 2 qubits, first qubit measured: class 0 wins where the first half of the input weighs more."""

    def build(scale: float | None = None) -> QuantumClassifier:
        head = None if scale is None else Scale(torch.tensor(scale))
        measurement = OutcomeGroups((0,), ((0,), (1,)))
        model = QuantumClassifier(amplitude_encoding(4), measurement, Box.uniform(-5, 5, features=4), head=head)
        return model.requires_grad_(False)

    return build


@pytest.fixture
def entangled():
    """A random 3-qubit classifier with `classes` outcome groups of 8 outcomes, and inputs with the labels it gives."""

    def build(seed: int, classes: int = 3, samples: int = 12, features: int = 8):
        generator = torch.Generator().manual_seed(seed)
        circuit = amplitude_encoding(features) + strongly_entangling(3, 3)
        groups = OutcomeGroups((0, 1, 2), tuple(tuple(range(k, 8, classes)) for k in range(classes)))
        weights = 3 * torch.randn(circuit.weights, generator=generator)
        head = Scale(torch.tensor(7.0))
        box = Box.uniform(0, 1, features=features)
        model = QuantumClassifier(circuit, groups, box, head=head, weights=weights).requires_grad_(False)
        x = torch.rand(samples, features, generator=generator, dtype=torch.float64)
        return model, x, model(x).argmax(dim=1)

    return build
