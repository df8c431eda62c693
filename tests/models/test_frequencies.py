"""Which models show how they oscillate, and which do not."""

import math

import pytest
import torch

from counterspin.circuits import PauliExpectations, amplitude_encoding, angle_encoding, reuploading
from counterspin.errors import ConditionsError
from counterspin.models import MLP, HybridClassifier, QuantumClassifier
from counterspin.models.frequencies import affine_inputs, oscillations
from counterspin.types import Box


def angle_model(qubits=2, scale=math.pi):
    paulis = PauliExpectations.of(*(f"Z{q}" for q in range(qubits)))
    return QuantumClassifier(angle_encoding(qubits, scale=scale), paulis, Box.uniform(0.0, 1.0, qubits))


class Fronted:
    """The model behind a map of its features."""

    def __init__(self, model, front):
        self.circuit, self.weights, self.readout = model.circuit, model.weights, model.readout
        self.circuit_inputs = front


def test_trainable_scales_are_read_from_the_weights():
    model = QuantumClassifier(reuploading(2, 2), PauliExpectations.of("Z0", "Z1"), Box.uniform(0.0, 1.0, 2))
    with torch.no_grad():
        model.weights[:4] = torch.tensor([1.0, 2.0, 3.0, -5.0])
    first, second = oscillations(model, torch.eye(2))
    assert first.frequencies == (1.0, 2.0, 3.0, 4.0)
    assert (first.bandwidth, second.bandwidth) == (4.0, 7.0)
    assert second.frequencies == (2.0, 3.0, 5.0, 7.0)


def test_a_projection_before_the_circuit_is_followed():
    g = torch.Generator().manual_seed(0)
    matrix = torch.randn(2, 5, generator=g, dtype=torch.float64)
    model = Fronted(angle_model(), lambda x: (x - 0.3) @ matrix.T)
    assert torch.allclose(affine_inputs(model, 5), matrix, atol=1e-12)
    # One feature moves both angles: |a|, |b|, | |a| - |b| |, |a| + |b|.
    for line, column in zip(oscillations(model, torch.eye(5)), math.pi * matrix.T.abs(), strict=True):
        a, b = column.tolist()
        assert line.frequencies == pytest.approx(sorted([a, b, abs(a - b), a + b]), rel=1e-9)


@pytest.mark.parametrize(
    "front", [torch.tanh, lambda x: x.clamp(0.0, 1.0), lambda x: x + 1e-3 * torch.sin(x), lambda x: x**2]
)
def test_maps_that_are_not_affine_are_told_apart(front):
    assert affine_inputs(Fronted(angle_model(), front), 2) is None
    assert oscillations(Fronted(angle_model(), front), torch.eye(2)) is None


def test_a_hybrid_shows_nothing():
    front = MLP(Box.uniform(0.0, 1.0, features=4), classes=2, hidden=(3,))
    assert oscillations(HybridClassifier(front, angle_model()), torch.eye(4)) is None


def test_amplitudes_are_refused():
    model = QuantumClassifier(amplitude_encoding(4), PauliExpectations.of("Z0", "Z1"), Box.uniform(-1.0, 1.0, 4))
    with pytest.raises(ConditionsError, match="encoded amplitudes"):
        oscillations(model, torch.eye(4))
