"""Features of circuits: closed forms, gradients, and the same columns for training circuits as for samples."""

import math

import pytest
import torch
from small_circuits import AMPLITUDES, GATES, arguments, seeded

from counterspin.circuits import Circuit, feature, weight
from counterspin.errors import UsageError
from counterspin.mitigation.clifford import near_clifford, rotation_angles
from counterspin.mitigation.features import circuit_features, input_angles

CIRCUIT = Circuit(2).add("RX", 0, feature(0)).add("RZ", 0, weight(0)).add("CRX", (0, 1), 2 * feature(1))


def test_closed_forms():
    x, w = torch.tensor([[math.pi / 4, math.pi / 4]], dtype=torch.float64), torch.tensor([0.3], dtype=torch.float64)
    angles = rotation_angles(CIRCUIT, x, w)
    assert input_angles(CIRCUIT) == (0, 2)
    r = math.sqrt(0.5)
    found = circuit_features("angles", CIRCUIT, angles, x)
    torch.testing.assert_close(found, torch.tensor([[r, 0.0, r, 1.0]], dtype=torch.float64), atol=1e-12, rtol=0)
    # Both are half way between Clifford angles: multiples of π/2, and of π for the controlled rotation.
    found = circuit_features("clifford", CIRCUIT, angles, x)
    torch.testing.assert_close(found, torch.ones(1, 2, dtype=torch.float64), atol=1e-12, rtol=0)
    assert circuit_features("none", CIRCUIT, angles, x).shape == (1, 0)


def test_clifford_circuits_have_feature_zero():
    x, w = arguments(GATES, batch=3)
    made = near_clifford(GATES, x, w, count=4, kept=0.0, generator=seeded(0))
    found = circuit_features("clifford", GATES, made.angles, made.inputs)
    torch.testing.assert_close(found, torch.zeros_like(found), atol=1e-12, rtol=0)


@pytest.mark.parametrize("circuit", [GATES, AMPLITUDES], ids=["gates", "amplitudes"])
@pytest.mark.parametrize("kind", ["none", "angles", "clifford"])
def test_training_circuits_have_the_columns_of_samples(circuit, kind):
    x, w = arguments(circuit, batch=3)
    made = near_clifford(circuit, x, w, count=3, kept=1.0, generator=seeded(0))
    of_training = circuit_features(kind, circuit, made.angles, made.inputs)
    of_samples = circuit_features(kind, circuit, rotation_angles(circuit, x, w), x)
    torch.testing.assert_close(of_training, of_samples, atol=1e-12, rtol=0)


@pytest.mark.parametrize("kind", ["angles", "clifford"])
def test_gradients(kind):
    x, w = arguments(GATES, batch=2)
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: circuit_features(kind, GATES, rotation_angles(GATES, x, w), x), (x,))


def test_unknown_kind():
    with pytest.raises(UsageError, match="features is 'moon'; allowed: none, angles, clifford"):
        circuit_features("moon", CIRCUIT, torch.zeros(1, 3), torch.zeros(1, 2))
