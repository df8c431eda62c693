"""Trajectories against the exact channel on density matrices."""

import sys

import numpy as np
import pytest
import torch
from dense_oracle import density, depolarized, observables
from random_circuits import random_circuit

from counterspin.circuits import Amplitudes, Circuit, PauliExpectations, Readout, feature
from counterspin.noise import NoiseModel
from counterspin.simulation import run
from counterspin.simulation.trajectories import DepolarizingErrors

PAULIS = PauliExpectations.of("Z0", "X0 Z1", "Y1")


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("amplitudes", [None, Amplitudes(3)])
def test_means_converge_to_the_density_matrix(amplitudes: Amplitudes | None) -> None:
    rng = np.random.default_rng(5)
    circuit = random_circuit(rng, 2, amplitudes=amplitudes).end_layer()
    x, w = rng.normal(size=circuit.inputs), rng.normal(size=circuit.weights)
    repeats, strength = 50, 0.2
    noise = NoiseModel(qubit_depolarizing=strength, trajectories=200)
    inputs = torch.tensor(x).expand(repeats, -1)
    scores = run(circuit, inputs, torch.tensor(w), Readout(PAULIS), noise=noise, generator=seeded(0))
    rho, ideal = density(circuit, x, w, strength), density(circuit, x, w, 0.0)
    exact, clean = (torch.tensor([np.trace(o @ r).real for o in observables(PAULIS, 2)]) for r in (rho, ideal))
    error = scores.std(0) / repeats**0.5
    assert bool(((scores.mean(0) - exact).abs() < 4.5 * error).all())
    assert float(((clean - exact).abs() / error).max()) > 10  # the noise matters


def test_one_error_layer_is_the_channel() -> None:
    state = torch.tensor([0.6, 0.0, 0.48j, 0.64], dtype=torch.complex128)
    draws, strength = 40_000, 0.4
    hit = DepolarizingErrors(strength, 2, seeded(1))(state.expand(draws, -1))
    samples = hit[:, :, None] * hit[:, None, :].conj()
    vector = state.numpy()
    exact = torch.tensor(depolarized(np.outer(vector, vector.conj()), strength, 2))
    for part in (torch.real, torch.imag):
        error = part(samples).std(0) / draws**0.5 + 1e-12
        assert bool(((part(samples).mean(0) - part(exact)).abs() < 4.5 * error).all())


def test_full_strength_forgets_the_state() -> None:
    circuit = Circuit(1).add("RY", 0, 0.3).end_layer()
    noise = NoiseModel(qubit_depolarizing=1.0, trajectories=20_000)
    x = torch.zeros(1, 0, dtype=torch.float64)
    score = run(circuit, x, torch.zeros(0), Readout(PauliExpectations.of("Z0")), noise=noise, generator=seeded(2))
    assert abs(score.item()) < 5 / 20_000**0.5


def test_noise_acts_once_at_every_layer_end_also_before_the_first_gate() -> None:
    # <Z> shrinks by 1 - p for each layer end; RZ leaves it alone.
    p, rows = 0.3, 4000
    x, readout = torch.zeros(rows, 0, dtype=torch.float64), Readout(PauliExpectations.of("Z0"))
    circuit = Circuit(1).end_layer()
    for ends in (1, 2, 3):
        noise = NoiseModel(qubit_depolarizing=p, trajectories=1)
        scores = run(circuit, x, torch.zeros(0), readout, noise=noise, generator=seeded(ends))
        assert float(scores.mean()) == pytest.approx((1 - p) ** ends, abs=5 * float(scores.std()) / rows**0.5)
        circuit = circuit.add("RZ", 0, 0.4).end_layer()
    unmarked = Circuit(1).add("RZ", 0, 0.4)
    noise = NoiseModel(qubit_depolarizing=p, trajectories=1)
    assert run(unmarked, x, torch.zeros(0), readout, noise=noise, generator=seeded(0)).min() == 1.0


def test_same_seed_same_scores_and_chunks_keep_samples_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = Circuit(2).add("RY", 0, feature(0)).add("CNOT", (0, 1)).end_layer()
    x = torch.linspace(0, 3, 7, dtype=torch.float64)[:, None]
    noise, readout = NoiseModel(qubit_depolarizing=0.1, trajectories=500), Readout(PauliExpectations.of("Z0", "Z1"))

    def scores(seed: int) -> torch.Tensor:
        return run(circuit, x, torch.zeros(0), readout, noise=noise, generator=seeded(seed))

    assert torch.equal(scores(0), scores(0))
    whole = scores(0)
    # The package hands on the function `run`, which hides the module of that name.
    monkeypatch.setattr(sys.modules["counterspin.simulation.run"], "_AMPLITUDES_AT_ONCE", 3 * 500 * 4)
    assert torch.allclose(scores(0), whole, atol=5 * 2 / 500**0.5)
    expected = torch.cos(x) * torch.tensor([[0.9, 0.9]], dtype=torch.float64)
    assert torch.allclose(whole, expected, atol=5 / 500**0.5)


def test_given_angles_per_sample_stay_with_their_sample() -> None:
    angles = torch.tensor([0.0, 1.0, 3.0], dtype=torch.float64)
    circuit = Circuit(1).add("RX", 0, angles).end_layer()
    noise = NoiseModel(qubit_depolarizing=0.05, trajectories=2000)
    x = torch.zeros(3, 0, dtype=torch.float64)
    scores = run(circuit, x, torch.zeros(0), Readout(PauliExpectations.of("Z0")), noise=noise, generator=seeded(0))
    assert torch.allclose(scores[:, 0], 0.95 * torch.cos(angles), atol=5 / 2000**0.5)


def test_rows_without_errors_are_left_alone() -> None:
    errors = DepolarizingErrors(1e-12, 3, seeded(0))
    state = torch.randn(5, 8, dtype=torch.complex64)
    assert errors(state) is state


def test_trajectories_combine_with_flips_and_shots() -> None:
    circuit = Circuit(1).add("RY", 0, 0.7).end_layer()
    noise = NoiseModel(global_depolarizing=0.2, qubit_depolarizing=0.1, readout_flips=(0.02, 0.1), trajectories=50)
    x = torch.zeros(500, 0, dtype=torch.float64)
    readout = Readout(PauliExpectations.of("Z0"))
    scores = run(circuit, x, torch.zeros(0), readout, noise=noise, shots=100, generator=seeded(3))
    expected = (1 - 0.02 - 0.1) * (0.8 * 0.9 * np.cos(0.7)) + 0.1 - 0.02
    assert float(scores.mean()) == pytest.approx(expected, abs=5 * float(scores.std()) / 500**0.5)
