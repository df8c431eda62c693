"""Trajectories against exact density matrices: unbiased values and gradients, within five standard errors."""

import math

import numpy as np
import pytest
import torch
from compiled_engine import needs_kernel
from random_circuits import random_circuit, random_groups, random_paulis

from counterspin.circuits import Amplitudes, Circuit, Measurement, PauliExpectations, Readout, feature, reuploading
from counterspin.errors import InputError, UsageError
from counterspin.noise import (
    Channel,
    Placed,
    after_every_gate,
    amplitude_damping,
    bit_flip,
    depolarizing,
    inverse,
    overrotation,
    pauli_channel,
    phase_damping,
    phase_flip,
    thermal_relaxation,
)
from counterspin.simulation import density_scores, noisy_density
from counterspin.simulation.measurement import measured_values, settings
from counterspin.simulation.trajectories import trajectory_distributions, trajectory_values

PAULI = [bit_flip(0.2), depolarizing(0.3), phase_flip(0.15), pauli_channel({"XY": 0.2, "ZI": 0.1})]
GENERAL = [amplitude_damping(0.3), thermal_relaxation(50e-6, 40e-6, 20e-6), overrotation("Y", 0.4), phase_damping(0.3)]
NONE = torch.zeros(0)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def places(circuit: Circuit, channels: list[Channel], count: int) -> tuple[Placed, ...]:
    """Channels in turn, after gates spread over the circuit and before the first."""
    rng = np.random.default_rng(count)
    found = []
    for index in range(count):
        channel = channels[index % len(channels)]
        if channel.qubits <= circuit.qubits:
            qubits = tuple(int(q) for q in rng.permutation(circuit.qubits)[: channel.qubits])
            found.append(Placed(after=index * len(circuit.gates) // count - 1, qubits=qubits, channel=channel))
    return tuple(found)


def biases(circuit: Circuit, channels, measurement: Measurement, x, w, *, repeats: int, trajectories: int):
    """How many standard errors the mean values and gradients are off the exact ones, and the spread of the values."""
    x, w = x.clone().requires_grad_(), w.clone().requires_grad_()
    exact = density_scores(noisy_density(circuit, x, w, channels), Readout(measurement))
    mix = torch.linspace(-1, 1, exact.numel(), dtype=torch.float64).reshape(exact.shape)
    truth = [exact.detach(), *torch.autograd.grad((exact * mix).sum(), (x, w))]
    found: list[list[torch.Tensor]] = []
    for seed in range(repeats):
        values = trajectory_values(
            circuit, x, w, measurement, channels, trajectories=trajectories, generator=seeded(seed)
        )
        found.append([values.detach(), *torch.autograd.grad((values * mix).sum(), (x, w))])
    off = []
    for true, estimates in zip(truth, zip(*found, strict=True), strict=True):
        stacked = torch.stack(estimates)
        error = stacked.std(0) / repeats**0.5
        # Entries without spread must be right: their estimate is no random number.
        off.append(float(((stacked.mean(0) - true).abs() / (error + 1e-9)).max()))
    return off, float(torch.stack([f[0] for f in found]).std(0).max())


@pytest.mark.parametrize("seed", range(2))
def test_pauli_errors_are_unbiased(seed: int) -> None:
    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, 2 + seed, extra=0, amplitudes=Amplitudes(5) if seed else None)
    x, w = torch.tensor(rng.normal(size=(2, circuit.inputs))), torch.tensor(rng.normal(size=circuit.weights))
    channels = places(circuit, PAULI, 12)
    for measurement in (random_paulis(rng, 2 + seed), random_groups(rng, 2 + seed)):
        off, spread = biases(circuit, channels, measurement, x, w, repeats=20, trajectories=60)
        assert max(off) < 5
        assert 1e-3 < spread < 0.2  # errors were drawn


@pytest.mark.parametrize("seed", range(2))
def test_general_channels_are_unbiased(seed: int) -> None:
    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, 2, extra=0, amplitudes=Amplitudes(3) if seed else None)
    x, w = torch.tensor(rng.normal(size=(2, circuit.inputs))), torch.tensor(rng.normal(size=circuit.weights))
    measurement = random_groups(rng, 2) if seed else random_paulis(rng, 2)
    channels = places(circuit, [*GENERAL, depolarizing(0.2)], 8)
    off, spread = biases(circuit, channels, measurement, x, w, repeats=8, trajectories=60)
    assert max(off) < 5
    assert 1e-3 < spread < 0.2


def test_the_gradient_of_decay_counts_that_probabilities_move() -> None:
    # <Z> = 1 - (1 - γ)(1 - cos x). Differentiating the drawn branches alone would miss the slope of their chances.
    gamma, rows, angle = 0.6, 20_000, 0.9
    circuit = Circuit(1).add("RY", 0, feature(0))
    channels = (Placed(after=0, qubits=(0,), channel=amplitude_damping(gamma)),)
    x = torch.tensor([[angle]], dtype=torch.float64, requires_grad=True)
    read = PauliExpectations.of("Z0")
    value = trajectory_values(circuit, x, NONE, read, channels, trajectories=rows, generator=seeded(0))
    (slope,) = torch.autograd.grad(value.sum(), x)
    assert value.item() == pytest.approx(1 - (1 - gamma) * (1 - math.cos(angle)), abs=5 / rows**0.5)
    assert slope.item() == pytest.approx(-(1 - gamma) * math.sin(angle), abs=5 / rows**0.5)


@needs_kernel
def test_both_engines_run_the_same_frames() -> None:
    rng = np.random.default_rng(2)
    circuit = random_circuit(rng, 3, extra=2)
    x, w = torch.tensor(rng.normal(size=(2, circuit.inputs))), torch.tensor(rng.normal(size=circuit.weights))
    x, w, channels = x.requires_grad_(), w.requires_grad_(), places(circuit, PAULI, 12)
    for measurement in (random_paulis(rng, 3), random_groups(rng, 3)):
        found = []
        for engine in ("compiled", "torch"):
            values = trajectory_values(
                circuit, x, w, measurement, channels, trajectories=15, generator=seeded(0), engine=engine
            )
            found.append([values, *torch.autograd.grad(values.square().sum(), (x, w))])
        for ours, theirs in zip(*found, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=0)


@needs_kernel
@pytest.mark.parametrize("channels", [PAULI[:3], GENERAL], ids=["pauli", "general"])
def test_values_are_those_of_the_distributions_of_the_same_draws(channels: list[Channel]) -> None:
    rng = np.random.default_rng(4)
    circuit = random_circuit(rng, 3, extra=0)
    x, w = torch.tensor(rng.normal(size=(2, circuit.inputs))), torch.tensor(rng.normal(size=circuit.weights))
    placed = places(circuit, channels, 7)
    read = PauliExpectations.of("Z0", "X1", "Y2", "Y0 X2", "Z1 Y2")
    for measurement in (read, random_groups(rng, 3)):
        for engine in ("auto", "torch"):
            values, distributions = (
                function(circuit, x, w, measurement, placed, trajectories=20, generator=seeded(1), engine=engine)
                for function in (trajectory_values, trajectory_distributions)
            )
            torch.testing.assert_close(
                measured_values(distributions, settings(measurement, 3)), values, atol=1e-12, rtol=0
            )
            for distribution in distributions:
                torch.testing.assert_close(distribution.sum(1), torch.ones(2).double(), atol=1e-12, rtol=0)


@pytest.mark.parametrize("channel", [depolarizing(0.3), amplitude_damping(0.3)], ids=["pauli", "general"])
def test_all_rows_meet_the_same_draws(channel: Channel) -> None:
    circuit = reuploading(2, 2, trainable_scale=False)
    w = torch.linspace(-1, 1, circuit.weights, dtype=torch.float64)
    x = torch.rand(4, 2, generator=seeded(0), dtype=torch.float64)
    x[3] = x[0]

    def values(rows: torch.Tensor) -> torch.Tensor:
        measurement, placed = PauliExpectations.of("Z0", "X1"), after_every_gate(circuit, channel)
        return trajectory_values(circuit, rows, w, measurement, placed, trajectories=10, generator=seeded(2))

    whole = values(x)
    assert torch.equal(whole, values(x))
    torch.testing.assert_close(whole[3], whole[0], atol=1e-14, rtol=0)
    torch.testing.assert_close(torch.cat([values(row) for row in x.split(1)]), whole, atol=1e-12, rtol=0)


def test_float32_and_angles_given_as_tensors() -> None:
    angles = torch.tensor([0.2, 1.0, 3.0])
    circuit = Circuit(1).add("RX", 0, angles)
    for channel, shrink in ((depolarizing(0.2), 0.8), (phase_damping(1.0), 1.0)):
        channels = (Placed(after=0, qubits=(0,), channel=channel),)
        z = trajectory_values(
            circuit,
            torch.zeros(3, 0),
            NONE,
            PauliExpectations.of("Z0"),
            channels,
            trajectories=4000,
            generator=seeded(0),
        )
        assert z.dtype == torch.float32
        torch.testing.assert_close(z[:, 0], shrink * torch.cos(angles), atol=5 / 4000**0.5, rtol=0)


def test_empty_batches_have_values() -> None:
    circuit = Circuit(2).add("RX", 0, feature(0))
    for channel in (depolarizing(0.2), amplitude_damping(0.3)):
        placed = (Placed(after=0, qubits=(0,), channel=channel),)
        empty, read = torch.zeros(0, 1), PauliExpectations.of("Z0", "X1")
        values = trajectory_values(circuit, empty, NONE, read, placed, trajectories=3, generator=seeded(0))
        assert values.shape == (0, 2)


def test_refusals() -> None:
    circuit, read = Circuit(1).add("RX", 0, feature(0)), PauliExpectations.of("Z0")
    undone = (Placed(after=0, qubits=(0,), channel=inverse(depolarizing(0.1))),)
    with pytest.raises(UsageError, match=r"inverse of depolarizing.* is a map that is no channel"):
        trajectory_values(circuit, torch.zeros(1, 1), NONE, read, undone, trajectories=3, generator=seeded(0))
    decay = (Placed(after=0, qubits=(0,), channel=amplitude_damping(0.1)),)
    with pytest.raises(UsageError, match="engine is 'compiled', but channels that are no mixtures of Pauli strings"):
        trajectory_values(
            circuit, torch.zeros(1, 1), NONE, read, decay, trajectories=3, generator=seeded(0), engine="compiled"
        )
    with pytest.raises(InputError, match="inputs have shape"):
        trajectory_values(circuit, torch.zeros(1, 2), NONE, read, decay, trajectories=3, generator=seeded(0))
