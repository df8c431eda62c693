"""Small amplitude-encoded classifiers decided by outcome probabilities."""

from __future__ import annotations

import torch

from counterspin.circuits import OutcomeGroups, Scale, amplitude_encoding, strongly_entangling
from counterspin.models import QuantumClassifier
from counterspin.types import Box

__all__ = ["amplitude_bit", "amplitude_groups"]


def amplitude_bit(scale: float | None = None) -> QuantumClassifier:
    """No gates on 2 qubits, first qubit measured: class 0 wins where the first half of the input weighs more."""
    head = None if scale is None else Scale(torch.tensor(scale))
    measurement = OutcomeGroups((0,), ((0,), (1,)))
    box = Box.uniform(-5, 5, features=4)
    return QuantumClassifier(amplitude_encoding(4), measurement, box, head=head).requires_grad_(False)


def amplitude_groups(seed: int, classes: int, *, qubits: int = 3, samples: int = 12):
    """A random circuit whose outcome k counts for class k mod `classes`; inputs, and the labels it gives them."""
    generator = torch.Generator().manual_seed(seed)
    outcomes = 2**qubits
    circuit = amplitude_encoding(outcomes) + strongly_entangling(qubits, 3)
    groups = OutcomeGroups(tuple(range(qubits)), tuple(tuple(range(k, outcomes, classes)) for k in range(classes)))
    weights = 3 * torch.randn(circuit.weights, generator=generator)
    box = Box.uniform(0, 1, features=outcomes)
    model = QuantumClassifier(circuit, groups, box, weights=weights).requires_grad_(False)
    x = torch.rand(samples, outcomes, generator=generator, dtype=torch.float64)
    return model, x, model(x).argmax(dim=1)
