"""Exact smoothing: closed forms, quadrature over the body, the phase-damping channel, one-shot votes, refusals."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_circuits import random_circuit, random_groups, random_paulis
from scipy.stats import binom
from torch.autograd import gradcheck

from counterspin.circuits import (
    Circuit,
    Linear,
    OutcomeGroups,
    PauliExpectations,
    amplitude_encoding,
    feature,
    reuploading,
    weight,
)
from counterspin.errors import ConditionsError, UsageError
from counterspin.models import QuantumClassifier, SampledModel
from counterspin.models.damped import DampedClassifier
from counterspin.models.noisy import NoisyClassifier
from counterspin.models.smoothed import SmoothedClassifier
from counterspin.noise import NoiseModel
from counterspin.noise.channels import amplitude_damping, phase_damping
from counterspin.noise.kraus import Placed
from counterspin.types import Box

BIT = OutcomeGroups((0,), ((0,), (1,)))


def commuting(rng, qubits, *, basis="Z"):
    """Random gates, then commuting encodings of two features that overlap on qubits, then random gates."""
    front = random_circuit(rng, qubits, inputs=1, weights=3, extra=2, uploads=False)
    circuit = front
    for q in range(qubits):
        slope = float(rng.normal()) * feature(q % 2) + 0.4 * weight(0) * feature(1) + float(rng.normal())
        circuit = circuit.add(f"R{basis}", q, slope)
        if basis == "Z" and q:
            circuit = circuit.add("CP", (q - 1, q), 0.7 * feature(0)).add("CRZ", (q, q - 1), -0.9 * feature(1))
        # Commutes with every encoding gate, as rotations about one axis do.
        circuit = circuit.add(f"R{basis}", q, 0.3)
        if q:
            circuit = circuit.add(f"R{basis}{basis}", (q - 1, q), 0.5 * feature(0) - feature(1))
    behind = random_circuit(rng, qubits, inputs=1, weights=3, extra=2, uploads=False)
    return circuit + behind, len(front.gates), len(circuit.gates)


def noisy(rng, circuit, first, last, measurement, head=None):
    places = tuple(
        Placed(after=int(after), qubits=(0,), channel=amplitude_damping(0.2))
        for after in (rng.integers(0, first), rng.integers(last, len(circuit.gates)))
    )
    w = torch.tensor(rng.normal(size=circuit.weights))
    box = Box.unbounded(circuit.inputs)
    body = QuantumClassifier(circuit, measurement, box, weights=w, head=head)
    return NoisyClassifier(body, noise=NoiseModel(placed=places))


def quadrature(body, x, sigma, nodes=60):
    """Gauss–Hermite average of the body over noise on both features."""
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    grid = torch.tensor(np.stack(np.meshgrid(points, points), axis=-1).reshape(-1, 2))
    mass = torch.tensor(np.outer(weights, weights).reshape(-1) / (2 * np.pi))
    with torch.no_grad():
        return torch.stack([(mass[:, None] * body(row + sigma * grid)).sum(dim=0) for row in x])


@pytest.mark.slow
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6), qubits=st.integers(1, 3), sigma=st.floats(0.05, 0.8), basis=st.sampled_from("XYZ"))
def test_equals_the_average_over_the_noise(seed, qubits, sigma, basis):
    rng = np.random.default_rng(seed)
    circuit, first, last = commuting(rng, qubits, basis=basis)
    head = Linear(torch.tensor(rng.normal(size=(3, 4))), torch.tensor(rng.normal(size=3)))
    body = noisy(rng, circuit, first, last, random_paulis(rng, qubits), head)
    x = torch.tensor(rng.normal(size=(2, 2)))
    found = DampedClassifier(body, sigma=sigma)(x)
    torch.testing.assert_close(found, quadrature(body, x, sigma), atol=1e-9, rtol=0)
    assert float((found - body(x).detach()).abs().max()) > 1e-6


def test_sigma_zero_is_the_body():
    rng = np.random.default_rng(0)
    circuit, first, last = commuting(rng, 3)
    body = noisy(rng, circuit, first, last, random_groups(rng, 3))
    x = torch.tensor(rng.normal(size=(4, 2)))
    torch.testing.assert_close(DampedClassifier(body, sigma=0.0)(x), body(x).detach(), atol=1e-12, rtol=0)


def test_product_of_cosines():
    circuit = Circuit(2).add("RX", 0, 2.0 * feature(0)).add("RY", 1, 3.0 * feature(1))
    body = QuantumClassifier(circuit, PauliExpectations.of("Z0 Z1", "Z0"), Box.unbounded(2))
    x, sigma = torch.tensor([[0.2, -0.3], [1.0, 0.7]], dtype=torch.float64), 0.4
    zero = torch.cos(2 * x[:, 0]) * np.exp(-(sigma**2) * 4 / 2)
    one = torch.cos(3 * x[:, 1]) * np.exp(-(sigma**2) * 9 / 2)
    found = DampedClassifier(body, sigma=sigma)(x)
    torch.testing.assert_close(found, torch.stack([zero * one, zero], dim=1), atol=1e-13, rtol=0)


@pytest.mark.parametrize("sigma", [0.1, 1.0])
def test_phase_damping_behind_the_encoding_is_smoothing(sigma):
    rng = np.random.default_rng(1)
    slopes = (0.7, -1.9, 1.3)
    circuit = Circuit(3)
    for q in range(3):
        circuit = circuit.add("H", q)
    for q, slope in enumerate(slopes):
        circuit = circuit.add("RZ", q, slope * feature(q))
    circuit = circuit + random_circuit(rng, 3, inputs=1, weights=3, uploads=False)
    w, groups = torch.tensor(rng.normal(size=circuit.weights)), OutcomeGroups((0, 1), ((0,), (1, 2), (3,)))
    places = tuple(
        Placed(after=3 + q, qubits=(q,), channel=phase_damping(1 - np.exp(-(sigma**2) * slope**2)))
        for q, slope in enumerate(slopes)
    )
    body = QuantumClassifier(circuit, groups, Box.unbounded(3), weights=w)
    channel = NoisyClassifier(body, noise=NoiseModel(placed=places))
    smooth = DampedClassifier(body, sigma=sigma)
    x = torch.tensor(rng.normal(size=(5, 3)))
    torch.testing.assert_close(smooth(x), channel(x).detach(), atol=1e-12, rtol=0)


def test_votes_of_single_shots_have_the_averaged_probability():
    # One shot of a noisy copy is class k with the averaged probability of k.
    circuit = Circuit(2).add("RX", 0, feature(0)).add("RX", 1, 2.0 * feature(1)).add("CNOT", (0, 1))
    groups = OutcomeGroups((1, 0), ((0,), (1, 3), (2,)))
    body = QuantumClassifier(circuit, groups, Box.unbounded(2)).requires_grad_(False)
    x, draws, sigma = torch.tensor([[0.4, 0.9], [1.4, -0.2]], dtype=torch.float64), 50_000, 0.5
    smooth = SmoothedClassifier(SampledModel(body, shots=1), sigma=sigma)
    counts = smooth.votes(x, draws=draws, generator=torch.Generator().manual_seed(3))
    exact = DampedClassifier(body, sigma=sigma)(x)
    for hits, share in zip(counts.flatten().tolist(), exact.flatten().tolist(), strict=True):
        assert binom.ppf(1e-5, draws, share) <= hits <= binom.ppf(1 - 1e-5, draws, share)


def test_gradient_and_precision():
    circuit = Circuit(2).add("RX", 0, feature(0)).add("RXX", (0, 1), feature(1)).add("CNOT", (0, 1))
    smooth = DampedClassifier(QuantumClassifier(circuit, BIT, Box.uniform(0, 1, 2)), sigma=0.3)
    x = torch.rand(2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    assert gradcheck(smooth, (x,))
    assert smooth(x.detach().float()).dtype == torch.float32
    assert not list(smooth.parameters())
    assert "sigma=0.3" in repr(smooth)


def model(circuit, measurement=BIT):
    return QuantumClassifier(circuit, measurement, Box.uniform(0, 1, circuit.inputs))


@pytest.mark.parametrize(
    ("circuit", "message"),
    [
        (Circuit(1).add("RX", 0, feature(0)).add("RZ", 0, feature(1)), "does not commute"),
        (Circuit(2).add("RX", 0, feature(0)).add("H", 0).add("RX", 0, feature(0)), "gate H q0 does not commute"),
        (reuploading(2, 2), "does not commute|3 angles"),
        (Circuit(1).add("Rot", 0, feature(0), 0.0, 0.1), "3 angles"),
        (amplitude_encoding(2), "encodes amplitudes"),
        (amplitude_encoding(2).add("RX", 0, feature(2)), "encodes amplitudes"),
    ],
)
def test_other_encodings_are_refused(circuit, message):
    with pytest.raises(ConditionsError, match=message):
        DampedClassifier(model(circuit), sigma=0.1)


def test_other_refusals():
    body = model(Circuit(1).add("RX", 0, feature(0)).add("RX", 0, feature(0)))
    for sigma in (-0.1, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="sigma is"):
            DampedClassifier(body, sigma=sigma)
    between = (Placed(after=0, qubits=(0,), channel=phase_damping(0.1)),)
    mixed = NoisyClassifier(body, noise=NoiseModel(placed=between))
    with pytest.raises(ConditionsError, match=r"phase_damping\(0.1\) after gate 0 acts between"):
        DampedClassifier(mixed, sigma=0.1)
    tensor = model(Circuit(1).add("RX", 0, feature(0)).add("RX", 0, torch.tensor(0.1)))
    with pytest.raises(ConditionsError, match="holds tensors"):
        DampedClassifier(tensor, sigma=0.1)
    with pytest.raises(UsageError, match="at most 8"):
        DampedClassifier(model(Circuit(9).add("RX", 0, feature(0))), sigma=0.1)
