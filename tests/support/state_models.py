"""Small models of every encoding, on data that lies on both sides of their boundaries."""

import torch

from counterspin.circuits import (
    Linear,
    OutcomeGroups,
    PauliExpectations,
    amplitude_encoding,
    reuploading,
    strongly_entangling,
)
from counterspin.models import QuantumClassifier
from counterspin.types import Box

__all__ = ["ENCODINGS", "amplitude_bit", "amplitude_classes", "samples", "seeded", "uploads"]


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def amplitude_bit(qubits=2):
    """Two groups of outcomes of one qubit behind three layers."""
    circuit = amplitude_encoding(2**qubits) + strongly_entangling(qubits, 3)
    box = Box.uniform(-1.0, 1.0, features=2**qubits)
    return QuantumClassifier(circuit, OutcomeGroups((0,), ((0,), (1,))), box, generator=seeded(1))


def amplitude_classes(qubits=3, classes=4):
    """Expectation values of Z behind a linear head with biases."""
    circuit = amplitude_encoding(2**qubits) + strongly_entangling(qubits, 3)
    head = Linear(torch.randn(classes, qubits, generator=seeded(2)), 0.1 * torch.randn(classes, generator=seeded(3)))
    measured = PauliExpectations.of(*(f"Z{q}" for q in range(qubits)))
    box = Box.uniform(-1.0, 1.0, features=2**qubits)
    return QuantumClassifier(circuit, measured, box, head=head, generator=seeded(4))


def uploads(qubits=2, classes=3):
    """Data uploaded twice; the second upload is not the end of the circuit."""
    head = Linear(torch.randn(classes, qubits, generator=seeded(5)), torch.zeros(classes))
    measured = PauliExpectations.of(*(f"Z{q}" for q in range(qubits)))
    box = Box.uniform(-1.0, 1.0, features=qubits)
    return QuantumClassifier(reuploading(qubits, 2, scale=1.5), measured, box, head=head, generator=seeded(6))


def samples(model, batch=12, seed=0):
    """Samples with the model's own labels, so that all of them stand."""
    x = 2 * torch.rand(batch, model.bounds.features, generator=seeded(seed), dtype=torch.float64) - 1
    return x, model.requires_grad_(False)(x).argmax(dim=1)


ENCODINGS = (amplitude_bit, amplitude_classes, uploads)
