"""Small circuits with samples, for attacks on gate angles."""

from __future__ import annotations

import math

import torch

from counterspin.circuits import (
    Circuit,
    Linear,
    OutcomeGroups,
    PauliExpectations,
    amplitude_encoding,
    feature,
    reuploading,
    strongly_entangling,
    weight,
)
from counterspin.models import QuantumClassifier
from counterspin.simulation import run
from counterspin.types import Box

__all__ = ["amplitude_model", "broken_by", "one_qubit_model", "reuploading_model", "samples", "seeded", "three_angles"]


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def one_qubit_model():
    """RY(x) RY(w) at w = 0.2, ⟨Z⟩ = cos(x + w + Δ₀ + Δ₁): the boundary is where the sum of all is π/2."""
    circuit = Circuit(1).add("RY", 0, feature(0)).add("RY", 0, weight(0))
    weights = torch.tensor([0.2], dtype=torch.float64)
    return QuantumClassifier(
        circuit, OutcomeGroups((0,), ((0,), (1,))), Box.uniform(0.0, 1.3, 1), weights=weights
    ).requires_grad_(False)


def three_angles():
    """Two qubits, three gates of which one is controlled, and three classes."""
    circuit = (
        Circuit(2).add("RY", 0, 2.0 * feature(0)).add("CRX", (0, 1), weight(0)).add("CNOT", (1, 0)).add("RY", 1, 0.7)
    )
    head = Linear(
        torch.tensor([[1.0, 0.2], [-0.8, 0.6], [0.1, -1.0]], dtype=torch.float64),
        torch.tensor([0.0, 0.1, -0.1], dtype=torch.float64),
    )
    return QuantumClassifier(
        circuit,
        PauliExpectations.of("Z0", "Z1"),
        Box.uniform(0.0, 1.0, 1),
        head=head,
        weights=torch.tensor([0.9], dtype=torch.float64),
    ).requires_grad_(False)


def amplitude_model():
    """Four amplitudes, a circuit of two layers and twelve angles, three classes."""
    return QuantumClassifier(
        amplitude_encoding(4) + strongly_entangling(2, 2),
        OutcomeGroups((0, 1), ((0,), (1,), (2,))),
        Box.uniform(0.0, 1.0, 4),
        generator=seeded(3),
    ).requires_grad_(False)


def reuploading_model():
    """Two features uploaded twice, with scales that are weights."""
    return QuantumClassifier(
        reuploading(2, 2), PauliExpectations.of("Z0", "Z1"), Box.uniform(0.0, 2.0, 2), generator=seeded(4)
    ).requires_grad_(False)


def samples(model, count=30, seed=0):
    """Random inputs with the classes the model gives them, so that all are correct."""
    low, high = model.bounds.lower.double(), model.bounds.upper.double()
    x = low + (high - low) * torch.rand(count, len(low), dtype=torch.float64, generator=seeded(seed))
    return x, model(x).argmax(dim=1)


def broken_by(model, x, y, result, errors):
    """How many samples each of `errors` `(tries, angles)` breaks, with the circuit the result names."""
    circuit = result.budgets[0].manipulation.what.circuit
    inputs = torch.cat([x.repeat(len(errors), 1), errors.repeat_interleave(len(x), dim=0)], dim=1)
    scores = torch.cat([run(circuit, part, model.weights.double(), model.readout) for part in inputs.split(50_000)])
    labels = y.repeat(len(errors))
    others = scores.scatter(1, labels[:, None], -math.inf).amax(dim=1)
    lost = scores.gather(1, labels[:, None])[:, 0] <= others
    return lost.reshape(len(errors), len(x)).sum(dim=1)
