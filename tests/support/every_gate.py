"""One circuit with every gate, most of whose angles hang on data, and what else backends must get right."""

from __future__ import annotations

import torch

from counterspin.circuits import (
    GATES,
    Circuit,
    Linear,
    OutcomeGroups,
    PauliExpectations,
    amplitude_encoding,
    feature,
    strongly_entangling,
    weight,
)
from counterspin.models import QuantumClassifier
from counterspin.types import Box

__all__ = ["amplitude_classifier", "counting_classifier", "pauli_classifier"]


def pauli_classifier():
    """Two settings (Z and X of qubit 2), a string of two letters, and a head with a bias; no symmetry among qubits."""
    generator = torch.Generator().manual_seed(4)
    head = Linear(torch.randn(3, 4, generator=generator, dtype=torch.float64), torch.tensor([0.1, 0.0, -0.1]).double())
    measurement = PauliExpectations.of("Z0", "Y1 X2", "Z2", "Z1 Z2")
    return _classifier(measurement, head=head)


def counting_classifier():
    """Four groups of outcomes of the qubits 0 and 2."""
    return _classifier(OutcomeGroups((0, 2), ((0,), (1,), (2,), (3,))))


def amplitude_classifier(measurement=None):
    """Eight complex-free amplitudes, then a trained circuit."""
    return QuantumClassifier(
        amplitude_encoding(8) + strongly_entangling(3, 2),
        measurement or PauliExpectations.of("Z0", "Y1 X2", "Z2"),
        Box.uniform(0.1, 1, 8),
    ).requires_grad_(False)


def _classifier(measurement, head=None):
    circuit = Circuit(3).add("H", 0).add("RY", 1, 0.4).add("RX", 2, 1.1)
    for place, kind in enumerate(GATES.values()):
        qubits = tuple((place + step) % 3 for step in range(kind.qubits or 3))
        angles = [
            0.9 * feature((place + position) % 3) + 0.2 * weight(position) + 0.1 * place
            if position != 1
            else 0.7 * weight(0)
            for position in range(kind.angles)
        ]
        circuit = circuit.add(kind.name, qubits, *angles)
    weights = torch.tensor([0.3, -0.8, 0.5], dtype=torch.float64)
    return QuantumClassifier(
        circuit, measurement, Box.uniform(0, 1, 3), head=head, weights=weights[: circuit.weights]
    ).requires_grad_(False)
