"""Frequencies read from circuits against Fourier transforms and fits of what the circuits do."""

import math

import numpy as np
import pytest
import torch
from random_circuits import random_circuit, random_paulis

from counterspin.circuits import (
    GATES,
    Angle,
    Circuit,
    PauliExpectations,
    Readout,
    amplitude_encoding,
    feature,
    reuploading,
    weight,
)
from counterspin.circuits.frequencies import bandwidth_along, frequencies_along
from counterspin.errors import ConditionsError, UsageError
from counterspin.optimum.trigonometric import basis, fit, sampling_nodes
from counterspin.simulation import run


def unit(inputs, index):
    return torch.eye(inputs, dtype=torch.float64)[index]


@pytest.mark.parametrize("seed", range(4))
def test_a_fit_at_twice_as_many_nodes_and_one_is_the_score_everywhere(seed):
    rng = np.random.default_rng(seed)
    circuit, readout = random_circuit(rng, 2, inputs=8, extra=0), Readout(random_paulis(rng, 2, 3))
    weights = torch.tensor(rng.normal(size=circuit.weights))
    x = torch.tensor(rng.normal(size=(1, circuit.inputs)))
    t = torch.linspace(-4.0, 4.0, 301, dtype=torch.float64)
    tried = 0
    for index in range(circuit.inputs):
        u = unit(circuit.inputs, index)
        found = frequencies_along(circuit, u, weights, at_most=40)
        if not found:
            continue
        omega, nodes = torch.tensor(found, dtype=torch.float64), sampling_nodes(found)
        assert nodes is not None
        assert len(nodes) == 2 * len(found) + 1

        def scores(steps, u=u):
            return run(circuit, x + steps[:, None] * u, weights, readout)

        coefficients = fit(basis(omega, nodes), scores(nodes))
        assert torch.allclose(basis(omega, t) @ coefficients, scores(t), rtol=0.0, atol=1e-9)
        assert found[-1] <= bandwidth_along(circuit, u, weights) * (1 + 1e-12)
        tried += 1
    assert tried >= 4


@pytest.mark.parametrize("seed", range(5))
def test_the_spectrum_of_a_generic_circuit_is_the_set_that_was_read(seed):
    # Slopes are halves, so the period is 4π; between uploads generic rotations and entanglers on two qubits.
    rng = np.random.default_rng(seed)
    slopes = rng.choice([0.5, 1.0, 2.5], size=3)
    circuit = Circuit(2)
    for upload, slope in enumerate(slopes):
        for qubit in range(2):
            circuit = circuit.add("Rot", qubit, *map(float, rng.normal(size=3)))
        circuit = circuit.add("CNOT", (0, 1)).add("Rot", 0, *map(float, rng.normal(size=3)))
        kind, wires = ("CRY", (0, 1)) if upload == 2 else ("RX", 0)
        circuit = circuit.add(kind, wires, float(slope) * feature(0) + float(rng.normal()))
    for qubit in range(2):
        circuit = circuit.add("Rot", qubit, *map(float, rng.normal(size=3)))
    samples = 256
    t = 4 * math.pi * torch.arange(samples, dtype=torch.float64) / samples
    # The last gate is controlled: half its angle, so a quarter of an integer; read over twice the period.
    values = run(circuit, 2 * t[:, None], torch.zeros(0), Readout(PauliExpectations.of("Z0", "X1", "Y0 Z1")))
    spectrum = torch.fft.rfft(values, dim=0).abs().amax(dim=1) / samples
    seen = {k / 4 for k in (spectrum > 1e-10).nonzero()[:, 0].tolist() if k}
    assert seen == set(frequencies_along(circuit, (1.0,), at_most=100) or ())


@pytest.mark.parametrize("kind", sorted(k for k, gate in GATES.items() if gate.angles))
def test_every_gate_alone_has_the_frequencies_of_its_kind(kind):
    gate = GATES[kind]
    for position in range(gate.angles):
        angles = [0.3 + (2.0 * feature(0) if k == position else Angle()) for k in range(gate.angles)]
        circuit = Circuit(2).add(kind, tuple(range(gate.qubits)), *angles)
        assert frequencies_along(circuit, (1.0,)) == tuple(2.0 * f for f in gate.frequencies[position])


def test_equal_scales_add_up_and_independent_ones_multiply():
    # r uses with one scale: 1 ... r; with independent scales (3^r - 1)/2.
    for uploads in (1, 2, 3):
        fixed = reuploading(2, uploads, trainable_scale=False)
        assert frequencies_along(fixed, unit(2, 1)) == tuple(float(k) for k in range(1, uploads + 1))
        trained = reuploading(2, uploads)
        scales = torch.randn(trained.weights, generator=torch.Generator().manual_seed(uploads), dtype=torch.float64)
        found = frequencies_along(trained, unit(2, 1), scales, at_most=13)
        assert found is not None
        assert len(found) == (3**uploads - 1) // 2
        assert found[-1] == pytest.approx(bandwidth_along(trained, unit(2, 1), scales), rel=1e-14)


def test_too_many_frequencies_are_no_list():
    circuit = reuploading(1, 6)
    scales = torch.linspace(1.0, 2.7, 6, dtype=torch.float64).pow(1.3).tolist()
    assert frequencies_along(circuit, (1.0,), [*scales, *[0.0] * 18], at_most=12) is None


def test_slopes_of_one_angle_add_up_along_a_direction():
    circuit = Circuit(1).add("RX", 0, feature(0) + feature(1) * weight(0) - 0.5 * feature(0))
    assert frequencies_along(circuit, (1.0, 1.0), (2.0,)) == (2.5,)
    assert frequencies_along(circuit, (4.0, -1.0), (2.0,)) == ()
    assert bandwidth_along(circuit, (4.0, -1.0), (2.0,)) == 0.0


def test_encoded_amplitudes_are_refused_and_gates_beside_them_are_not():
    circuit = amplitude_encoding(2).add("RY", 0, feature(2))
    assert frequencies_along(circuit, (0.0, 0.0, 1.0)) == (1.0,)
    with pytest.raises(ConditionsError, match="encoded amplitudes"):
        frequencies_along(circuit, (0.0, 1.0, 0.0))


def test_wrong_lengths_are_refused():
    circuit = Circuit(1).add("RX", 0, feature(0) * weight(1))
    with pytest.raises(UsageError, match="direction has 2 values; the circuit takes 1 inputs"):
        frequencies_along(circuit, (1.0, 0.0), (1.0, 1.0))
    with pytest.raises(UsageError, match="weights has 1 values; the circuit takes 2"):
        bandwidth_along(circuit, (1.0,), (1.0,))
