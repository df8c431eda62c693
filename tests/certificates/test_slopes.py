"""Slopes and generators read from circuits: against differences of gate matrices, maps, masks and wraps."""

import math

import numpy as np
import pytest
import torch
from dense_oracle import angle_value, gate_matrix
from random_circuits import random_circuit

from counterspin.certificates.slopes import encoding_gates, feature_gates, wrap_limit
from counterspin.circuits import (
    GATES,
    Circuit,
    OutcomeGroups,
    PauliExpectations,
    amplitude_encoding,
    bandwidth_along,
    feature,
    reuploading,
    weight,
)
from counterspin.errors import ConditionsError, UsageError
from counterspin.models import HybridClassifier, LogisticRegression, QuantumClassifier
from counterspin.models.affine import AffineInputs
from counterspin.optimum.affine_map import AffineMap
from counterspin.threats import L2, Linf
from counterspin.types import Box

BIT = OutcomeGroups((0,), ((0,), (1,)))


@pytest.mark.parametrize("kind", [k for k in GATES.values() if k.angles])
def test_spread_is_that_of_the_generator(kind):
    # H from the derivative of the gate itself: i U^dagger dU, for each angle with the others at random values.
    qubits, step = kind.qubits, 1e-5
    others = [0.3, -1.1, 0.7][: kind.angles]
    for position in range(kind.angles):
        circuit = Circuit(qubits).add(
            kind.name, range(qubits), *(feature(0) if i == position else a for i, a in enumerate(others))
        )
        up, down = ([a + s * step * (i == position) for i, a in enumerate(others)] for s in (1, -1))
        here = gate_matrix(kind.name, others, qubits)
        slope = (gate_matrix(kind.name, up, qubits) - gate_matrix(kind.name, down, qubits)) / (2 * step)
        eigenvalues = np.linalg.eigvalsh(1j * here.conj().T @ slope)
        gates = encoding_gates(circuit, torch.zeros(0))
        assert gates.spreads.tolist() == pytest.approx([eigenvalues[-1] - eigenvalues[0]], abs=1e-8)


@pytest.mark.parametrize("seed", range(4))
def test_slopes_are_the_differences_of_the_angles(seed):
    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, 3)
    weights, x = rng.normal(size=circuit.weights), rng.normal(size=circuit.inputs)
    expected = []
    for gate in circuit.gates:
        for angle in gate.angles:
            clean = angle_value(angle, x, weights)
            row = [angle_value(angle, x + unit, weights) - clean for unit in np.eye(len(x))]
            expected += [row] if np.abs(row).max() > 1e-12 else []
    gates = encoding_gates(circuit, torch.tensor(weights))
    np.testing.assert_allclose(gates.slopes.numpy(), np.array(expected), atol=1e-12)
    for unit in torch.eye(circuit.inputs):
        assert float(gates.bands @ unit.double()) == pytest.approx(bandwidth_along(circuit, unit, weights))


def test_scales_multiply_and_rows_of_nothing_are_left_out():
    circuit = (
        Circuit(2)
        .add("RX", 0, 2.0 * feature(0) * weight(0) - feature(1))
        .add("CRY", (0, 1), 3.0 * feature(1))
        .add("Rot", 0, weight(1), feature(1), 0.2)
        .add("RZ", 1, feature(0) - feature(0))
        .add("RY", 1, weight(1))
    )
    gates = encoding_gates(circuit, torch.tensor([1.5, 9.0]))
    assert gates.slopes.tolist() == [[3.0, -1.0], [0.0, 3.0], [0.0, 1.0]]
    assert gates.turns.tolist() == pytest.approx([2 * math.pi, 4 * math.pi, 2 * math.pi])
    assert gates.turning.tolist() == [[1.5, -0.5], [0.0, 1.5], [0.0, 0.5]]
    assert gates.last == 3  # it holds an input, be it with slope 0


def test_affine_maps_and_masks():
    body = QuantumClassifier(reuploading(2, 2, trainable_scale=False), BIT, Box.uniform(-1, 1, features=2))
    matrix = torch.tensor([[1.0, 2.0, 0.0], [0.0, -1.0, 0.5]]).double()
    model = AffineInputs(body, AffineMap(matrix, torch.zeros(2).double()), Box.uniform(-1, 1, features=3))
    whole = feature_gates(model, L2(0.1))
    torch.testing.assert_close(whole.slopes, matrix.repeat(2, 1))
    masked = feature_gates(model, L2(0.1, mask=(True, False, True)))
    torch.testing.assert_close(masked.slopes, whole.slopes * torch.tensor([1.0, 0.0, 1.0]).double())
    assert feature_gates(body, Linf(0.1)).slopes.shape == (4, 2)


def test_what_has_no_slopes_is_refused():
    with pytest.raises(ConditionsError, match="encodes amplitudes"):
        encoding_gates(amplitude_encoding(4), torch.zeros(0))
    given = Circuit(1).add("RX", 0, torch.zeros(3)).add("RY", 0, feature(0))
    with pytest.raises(ConditionsError, match="given per sample"):
        encoding_gates(given, torch.zeros(0))
    shared = Circuit(1).add("RX", 0, torch.zeros(())).add("RY", 0, feature(0))
    assert len(encoding_gates(shared, torch.zeros(0)).slopes) == 1
    with pytest.raises(UsageError, match="weights has 1"):
        encoding_gates(reuploading(1, 2), torch.zeros(1))
    body = QuantumClassifier(reuploading(2, 1), PauliExpectations.of("Z0", "Z1"), Box.uniform(-1, 1, features=2))
    hybrid = HybridClassifier(LogisticRegression(Box.uniform(0, 1, features=3), classes=2), body)
    with pytest.raises(ConditionsError, match="not known to be affine"):
        feature_gates(hybrid, L2(0.1))


def test_wraps_that_turn_angles_by_whole_periods_do_not_matter():
    def box(period):
        return Box(
            torch.zeros(1).double(), torch.tensor([period], dtype=torch.float64), torch.ones(1, dtype=torch.bool)
        )

    x = torch.tensor([[0.3], [5.0]]).double()
    gates = encoding_gates(Circuit(1).add("RX", 0, 2.0 * feature(0)), torch.zeros(0))
    limit, wraps = wrap_limit(gates, box(math.pi), x / 2)
    assert not wraps
    assert torch.isinf(limit).all()
    limit, wraps = wrap_limit(gates, box(6.0), x)
    assert wraps
    torch.testing.assert_close(limit, torch.tensor([0.3, 1.0]).double())
    # A controlled rotation comes back to itself after two turns only.
    twice = encoding_gates(Circuit(2).add("CRX", (0, 1), feature(0)), torch.zeros(0))
    assert wrap_limit(twice, box(2 * math.pi), x)[1]
    assert not wrap_limit(twice, box(4 * math.pi), x)[1]
