"""Pauli vectors against dense density matrices, the kernel against torch, and gradients against differences."""

import numpy as np
import pytest
import torch
from compiled_engine import each_engine, each_kernel, needs_kernel
from placed_channels import isometry, places
from random_circuits import random_circuit, random_groups, random_paulis

from counterspin.circuits import Amplitudes, Circuit, OutcomeGroups, PauliExpectations, Readout, feature, weight
from counterspin.errors import CapabilityError, InputError, UsageError
from counterspin.noise import after_every_gate
from counterspin.noise.channels import amplitude_damping, bit_flip, depolarizing, thermal_relaxation
from counterspin.noise.kraus import Placed
from counterspin.simulation import engines
from counterspin.simulation.density import density_scores, noisy_density
from counterspin.simulation.measurement import Setting, measured_values, settings
from counterspin.simulation.transfer import transfer_distributions, transfer_values
from counterspin.simulation.transfer.known import known

ENCODINGS = ["angles", "real amplitudes", "complex amplitudes"]


def problem(seed, qubits, encoding="angles", batch=5, channels=6):
    rng = np.random.default_rng(seed)
    amplitudes = {
        "angles": None,
        "real amplitudes": Amplitudes(2**qubits),
        "complex amplitudes": Amplitudes(max(1, 2**qubits - 1), complex_data=True),
    }[encoding]
    inputs = max(3, amplitudes.features if amplitudes else 0)
    circuit = random_circuit(rng, qubits, amplitudes=amplitudes, inputs=inputs)
    x, w = torch.tensor(rng.normal(size=(batch, circuit.inputs))), torch.tensor(rng.normal(size=circuit.weights))
    return rng, circuit, x, w, places(rng, circuit, channels)


def value_and_gradients(circuit, x, w, measurement, channels, engine, slope):
    x, w = x.clone().requires_grad_(), w.clone().requires_grad_()
    values = transfer_values(circuit, x, w, measurement, channels, engine=engine)
    return values.detach(), *torch.autograd.grad((values * slope.to(values)).sum(), (x, w))


@each_engine
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("qubits", [1, 2, 3, 4])
def test_equals_density_matrices(qubits, encoding, engine):
    rng, circuit, x, w, channels = problem(qubits, qubits, encoding)
    density = noisy_density(circuit, x, w, channels)
    for measurement in (random_paulis(rng, qubits), random_groups(rng, qubits)):
        expected = density_scores(density, Readout(measurement))
        found = transfer_values(circuit, x, w, measurement, channels, engine=engine)
        assert torch.allclose(found, expected, rtol=0, atol=1e-12)
        outcomes = transfer_distributions(circuit, x, w, measurement, channels, engine=engine)
        assert all(torch.allclose(d.sum(1), torch.ones(len(x)).double()) and (d > -1e-12).all() for d in outcomes)
        again = measured_values(outcomes, settings(measurement, qubits))
        assert torch.allclose(again, expected, rtol=0, atol=1e-12)


@each_kernel
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("qubits", [1, 3, 5])
def test_every_copy_of_the_kernel_gives_the_gradients_of_torch(kernel, qubits, encoding, monkeypatch):
    monkeypatch.setattr(engines, "kernel", lambda: kernel)
    rng, circuit, x, w, channels = problem(10 + qubits, qubits, encoding, batch=37)
    measurement = random_paulis(rng, qubits)
    slope = torch.tensor(rng.normal(size=(len(x), measurement.values)))
    expected = value_and_gradients(circuit, x, w, measurement, channels, "torch", slope)
    assert all(part.abs().max() > 1e-3 for part in expected)
    for dtype, tolerance in ((torch.float64, 1e-11), (torch.float32, 2e-5)):
        found = value_and_gradients(circuit, x.to(dtype), w.to(dtype), measurement, channels, "compiled", slope)
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.dtype == dtype
            assert torch.allclose(ours.double(), theirs, rtol=0, atol=tolerance * max(1.0, float(theirs.abs().max())))


@each_engine
def test_gradients_are_differences(engine):
    rng, circuit, x, w, channels = problem(3, 3, batch=2)
    measurement = random_paulis(rng, 3)
    slope = torch.tensor(rng.normal(size=(2, measurement.values)))
    _, of_inputs, of_weights = value_and_gradients(circuit, x, w, measurement, channels, engine, slope)
    step = 1e-5

    def loss(x, w):
        return float((transfer_values(circuit, x, w, measurement, channels, engine=engine) * slope).sum())

    for found, varied in ((of_inputs, x), (of_weights, w)):
        for k in range(varied.numel()):
            ends = []
            for sign in (1, -1):
                moved = varied.clone().flatten()
                moved[k] += sign * step
                moved = moved.reshape(varied.shape)
                ends.append(loss(moved, w) if varied is x else loss(x, moved))
            assert abs((ends[0] - ends[1]) / (2 * step) - found.flatten()[k]) < 1e-8


@each_engine
@pytest.mark.parametrize("batch", [0, 1, 2, 16, 33])
def test_a_sample_does_not_depend_on_its_batch(batch, engine):
    rng, circuit, x, w, channels = problem(4, 3, batch=33)
    measurement = random_paulis(rng, 3)
    whole = transfer_values(circuit, x, w, measurement, channels, engine=engine)
    part = transfer_values(circuit, x[:batch], w, measurement, channels, engine=engine)
    assert part.shape == (batch, measurement.values)
    assert torch.allclose(part, whole[:batch], rtol=0, atol=1e-13)
    _, of_inputs, _ = value_and_gradients(circuit, x[:batch], w, measurement, channels, engine, torch.tensor(1.0))
    assert of_inputs.shape == (batch, circuit.inputs)


@needs_kernel
def test_a_deep_circuit_is_walked_back_from_few_states():
    # 8 qubits leave room for four states on the way back; this circuit has many more passes.
    circuit = Circuit(8)
    for layer in range(4):
        for q in range(8):
            circuit = circuit.add("RY", q, feature(q) * weight(layer))
        for q in range(layer % 2, 7, 2):
            circuit = circuit.add("CNOT", (q, q + 1))
    rng = np.random.default_rng(0)
    x, w = torch.tensor(rng.normal(size=(2, 8))), torch.tensor(rng.normal(size=4))
    channels = tuple(
        Placed(after=k, qubits=(q,), channel=amplitude_damping(0.02))
        for k, gate in enumerate(circuit.gates)
        for q in gate.qubits
    )
    measurement = PauliExpectations.of("Z0", "X3 Z4")
    found = value_and_gradients(circuit, x, w, measurement, channels, "compiled", torch.ones(2, 2))
    expected = value_and_gradients(circuit, x, w, measurement, channels, "torch", torch.ones(2, 2))
    assert all(torch.allclose(a, b, rtol=0, atol=1e-11) for a, b in zip(found, expected, strict=True))
    assert found[1].abs().max() > 1e-3


@needs_kernel
@pytest.mark.parametrize("channel", [depolarizing(0.05), thermal_relaxation(1e-4, 8e-5, 5e-6)], ids=lambda c: c.name)
@pytest.mark.parametrize(
    "qubits", [5, 6, pytest.param(7, marks=pytest.mark.slow), pytest.param(8, marks=pytest.mark.slow)]
)
def test_layers_read_by_few_and_by_many_strings(qubits, channel):
    # Few strings leave most of the last passes out; all outcomes of a group leave out little.
    circuit = Circuit(qubits)
    for layer in range(2):
        for q in range(qubits):
            circuit = circuit.add("RY", q, feature(q)).add("RX", q, weight(layer * qubits + q))
        for q in range(qubits):
            circuit = circuit.add("CNOT", (q, (q + 1) % qubits))
    rng = np.random.default_rng(qubits)
    x, w = torch.tensor(rng.normal(size=(3, qubits))), torch.tensor(rng.normal(size=2 * qubits))
    channels = after_every_gate(circuit, channel)
    groups = OutcomeGroups(tuple(range(qubits)), ((0, 3, 5), (1, 2, 7)))
    for measurement in (PauliExpectations.of("Z0", "X1 Z2"), groups):
        slope = torch.tensor(rng.normal(size=(3, measurement.values)))
        found = value_and_gradients(circuit, x, w, measurement, channels, "compiled", slope)
        expected = value_and_gradients(circuit, x, w, measurement, channels, "torch", slope)
        assert all(torch.allclose(a, b, rtol=0, atol=1e-12) for a, b in zip(found, expected, strict=True))
        assert found[2].abs().max() > 1e-3


@each_engine
def test_tensors_given_as_angles(engine):
    theta = torch.linspace(0, 1, 4, dtype=torch.float64).requires_grad_()
    shared = torch.tensor(0.3, dtype=torch.float64).requires_grad_()
    circuit = Circuit(1).add("RX", 0, theta).add("RX", 0, shared)
    damped = (Placed(after=1, qubits=(0,), channel=depolarizing(0.1)),)
    x, z = torch.zeros(4, 0).double(), PauliExpectations.of("Z0")
    values = transfer_values(circuit, x, torch.zeros(0), z, damped, engine=engine)
    assert torch.allclose(values[:, 0], 0.9 * torch.cos(theta + shared))
    of_theta, of_shared = torch.autograd.grad(values.sum(), (theta, shared))
    assert torch.allclose(of_theta, -0.9 * torch.sin(theta + shared))
    assert torch.allclose(of_shared, of_theta.sum())


@each_engine
def test_a_circuit_of_first_rotations_alone_has_no_pass(engine):
    # Everything is a rotation that comes first on its qubit, or moves strings: the values are read off a product.
    circuit = Circuit(3).add("RY", 0, feature(0)).add("RX", 1, weight(0)).add("RZ", 1, feature(1)).add("CNOT", (0, 2))
    channels = (Placed(after=3, qubits=(2,), channel=depolarizing(0.1)),)
    measurement = PauliExpectations.of("Z2", "Z0 Z2", "X0 X2", "X1", "Y1 Z2")
    program = known(circuit, channels, measurement, whole=False).program
    assert program is not None
    assert not program.passes
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, 2, generator=generator, dtype=torch.float64).requires_grad_()
    w = torch.tensor([0.7], dtype=torch.float64).requires_grad_()
    found = transfer_values(circuit, x, w, measurement, channels, engine=engine)
    a, b, c = x[:, 0], x[:, 1], w[0]
    of_z, of_y = 0.9 * torch.cos(a), -torch.sin(c)
    parts = [of_z, 0.9 * torch.ones_like(a), 0.9 * torch.sin(a), -of_y * torch.sin(b), of_y * torch.cos(b) * of_z]
    expected = torch.stack(parts, dim=1)
    assert torch.allclose(found, expected, rtol=0, atol=1e-14)
    slope = torch.randn(5, 5, generator=generator, dtype=torch.float64)
    for wanted in ((x, w), (x,), (w,)):
        ours, theirs = (torch.autograd.grad((v * slope).sum(), wanted, retain_graph=True) for v in (found, expected))
        assert all(torch.allclose(m, t, rtol=0, atol=1e-14) for m, t in zip(ours, theirs, strict=True))


@each_engine
def test_an_observable_read_at_once_before_any_gate(engine):
    damped = (Placed(after=-1, qubits=(1,), channel=amplitude_damping(0.3)),)
    x = torch.tensor([[0.0, 1.0, 0.0, 0.0]], dtype=torch.float64).requires_grad_()
    circuit = Circuit(2, amplitudes=Amplitudes(4))
    values = transfer_values(circuit, x, torch.zeros(0), PauliExpectations.of("Z0", "Z1"), damped, engine=engine)
    assert torch.allclose(values, torch.tensor([[1.0, -0.4]], dtype=torch.float64))


@each_engine
def test_settings_with_tables_of_ones_own(engine):
    rng, circuit, x, w, channels = problem(5, 2)
    table = rng.normal(size=(4, 3))
    chosen = (Setting(((1, "X"),), table),)
    outcomes = transfer_distributions(circuit, x, w, chosen, channels, engine=engine)
    found = transfer_values(circuit, x, w, chosen, channels, engine=engine)
    assert torch.allclose(found, outcomes[0] @ torch.tensor(table), rtol=0, atol=1e-12)
    strings = transfer_values(circuit, x, w, PauliExpectations.of("X1"), channels, engine=engine)
    assert torch.allclose(strings, outcomes[0] @ torch.tensor([[1.0], [-1], [1], [-1]]).double(), rtol=0, atol=1e-12)


def test_second_derivatives_need_torch():
    _, circuit, x, w, channels = problem(6, 2, batch=2)
    measurement = PauliExpectations.of("Z0")

    def gradient(engine):
        leaf = x.clone().requires_grad_()
        values = transfer_values(circuit, leaf, w, measurement, channels, engine=engine)
        return leaf, torch.autograd.grad(values.sum(), leaf, create_graph=True)[0]

    leaf, first = gradient("torch")
    assert torch.autograd.grad(first.square().sum(), leaf)[0].abs().max() > 1e-3
    if engines.kernel() is not None:
        leaf, first = gradient("compiled")
        with pytest.raises(CapabilityError, match="engine='torch'"):
            torch.autograd.grad(first.square().sum(), leaf)


def test_torch_func_maps_over_samples():
    _, circuit, x, w, channels = problem(7, 2)
    measurement = PauliExpectations.of("Z0", "X1")
    mapped = torch.func.vmap(lambda row: transfer_values(circuit, row[None], w, measurement, channels)[0])(x)
    assert torch.allclose(mapped, transfer_values(circuit, x, w, measurement, channels))


def test_a_channel_wider_than_a_tile_runs_in_torch():
    rng = np.random.default_rng(8)
    circuit = Circuit(5).add("RY", 0, feature(0)).add("CNOT", (0, 4))
    wide = (Placed(after=1, qubits=(4, 0, 1, 3, 2), channel=isometry(rng, 5)),)
    x, measurement = torch.tensor([[0.4]], dtype=torch.float64), OutcomeGroups((0, 4), ((0,), (1, 2)))
    expected = density_scores(noisy_density(circuit, x, torch.zeros(0), wide), Readout(measurement))
    assert torch.allclose(transfer_values(circuit, x, torch.zeros(0), measurement, wide), expected)
    if engines.kernel() is not None:
        with pytest.raises(UsageError, match="more than 4 qubits"):
            transfer_values(circuit, x, torch.zeros(0), measurement, wide, engine="compiled")


def test_what_does_not_fit_is_refused():
    circuit, x, w = Circuit(1).add("RY", 0, feature(0)), torch.zeros(1, 1), torch.zeros(0)
    z, flip = PauliExpectations.of("Z0"), bit_flip(0.1)
    with pytest.raises(UsageError, match="at most 8"):
        transfer_values(Circuit(9), torch.zeros(1, 0), w, z, ())
    with pytest.raises(UsageError, match="placed after gate 1"):
        transfer_values(circuit, x, w, z, (Placed(after=1, qubits=(0,), channel=flip),))
    with pytest.raises(UsageError, match="qubits 0 to 0"):
        transfer_values(circuit, x, w, z, (Placed(after=0, qubits=(1,), channel=flip),))
    with pytest.raises(InputError, match="measures qubit 1"):
        transfer_distributions(circuit, x, w, PauliExpectations.of("Z1"), ())
    with pytest.raises(InputError, match="inputs have shape"):
        transfer_values(circuit, torch.zeros(1, 2), w, z, ())
    with pytest.raises(InputError, match="zero vector"):
        transfer_values(Circuit(1, amplitudes=Amplitudes(2)), torch.zeros(1, 2), w, z, ())
