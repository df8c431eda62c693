"""General channels by trajectories: blocks against exact density matrices, chunks, and a reset that leaves no doubt."""

import math

import pytest
import torch

from counterspin.circuits import Circuit, PauliExpectations, Readout, feature
from counterspin.noise import Placed, after_every_gate, amplitude_damping, depolarizing, thermal_relaxation
from counterspin.simulation import density_scores, kraus_trajectories, noisy_density
from counterspin.simulation.kraus_blocks import block_plan
from counterspin.simulation.trajectories import trajectory_values

NONE = torch.zeros(0, dtype=torch.float64)
READ = PauliExpectations.of("Z0", "X1", "Z0 Z2", "Y2")


def device_like() -> tuple[Circuit, tuple[Placed, ...]]:
    """Layers on three qubits, signs of all of them in between, strong relaxation and depolarising after every gate."""
    circuit = Circuit(3)
    for layer in range(2):
        for qubit in range(3):
            circuit = circuit.add("RY", qubit, feature(qubit)).add("SX", qubit)
        circuit = circuit.add("CNOT", (2, 0)).add("CZ", (0, 1))
        circuit = circuit.add("MCZ", (0, 1, 2)) if not layer else circuit
    relaxed = after_every_gate(circuit, thermal_relaxation(50e-6, 70e-6, 10e-6))
    mixed = after_every_gate(circuit, depolarizing(0.1))
    return circuit, tuple(sorted((*relaxed, *mixed), key=lambda placed: placed.after))


def test_values_and_gradients_are_unbiased() -> None:
    circuit, channels = device_like()
    x = torch.tensor([[0.3, -0.8, 1.9], [1.2, 0.4, -0.6]], dtype=torch.float64, requires_grad=True)
    exact = density_scores(noisy_density(circuit, x, NONE, channels), Readout(READ))
    truth = [exact.detach(), *torch.autograd.grad(exact[:, 0].sum() - exact[:, 2].sum(), x)]
    found = []
    for seed in range(10):
        source = torch.Generator().manual_seed(seed)
        values = trajectory_values(circuit, x, NONE, READ, channels, trajectories=60, generator=source)
        found.append([values.detach(), *torch.autograd.grad(values[:, 0].sum() - values[:, 2].sum(), x)])
    for true, estimates in zip(truth, zip(*found, strict=True), strict=True):
        stacked = torch.stack(estimates)
        assert float(((stacked.mean(0) - true).abs() / (stacked.std(0) / 10**0.5 + 1e-9)).max()) < 6
        assert float((stacked.mean(0) - true).abs().max()) < 0.1


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit, channels = device_like()
    x = torch.tensor([[0.3, -0.8, 1.9], [1.2, 0.4, -0.6]], dtype=torch.float64, requires_grad=True)
    found = []
    for amplitudes in (2**23, 2**9):
        monkeypatch.setattr(kraus_trajectories, "_AMPLITUDES_AT_ONCE", amplitudes)
        source = torch.Generator().manual_seed(3)
        values = trajectory_values(circuit, x, NONE, READ, channels, trajectories=21, generator=source)
        found.append([values, *torch.autograd.grad(values.square().sum(), x)])
    for whole, chunks in zip(*found, strict=True):
        torch.testing.assert_close(chunks, whole, atol=1e-12, rtol=0)


def test_full_damping_of_half_of_a_pair_leaves_the_other_half_mixed() -> None:
    circuit = Circuit(2).add("H", 0).add("CNOT", (0, 1))
    reset = (Placed(after=1, qubits=(0,), channel=amplitude_damping(1.0)),)
    read = PauliExpectations.of("Z0", "Z1", "Z0 Z1")
    source = torch.Generator().manual_seed(0)
    x = torch.zeros(1, 0, dtype=torch.float64)
    first, second, both = trajectory_values(circuit, x, NONE, read, reset, trajectories=4000, generator=source)[
        0
    ].tolist()
    assert first == pytest.approx(1.0, abs=1e-12)
    assert both == pytest.approx(second, abs=1e-12)
    assert abs(second) < 5 / math.sqrt(4000)


def test_a_block_takes_along_what_happens_on_its_qubits() -> None:
    circuit = Circuit(3).add("H", 0).add("H", 1).add("CNOT", (0, 1)).add("X", 0).add("CNOT", (1, 2)).add("CZ", (0, 1))
    plan = block_plan(circuit, after_every_gate(circuit, amplitude_damping(0.1)))
    assert [step.qubits for step in plan.steps] == [(0, 1), (1, 2), (0, 1)]
    assert block_plan(circuit, after_every_gate(circuit, amplitude_damping(0.1))).draws == plan.draws == 6
