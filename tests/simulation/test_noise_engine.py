"""Which method runs a noisy circuit, and that all of them agree."""

import numpy as np
import pytest
import torch
from random_circuits import random_circuit, random_groups, random_paulis

from counterspin.circuits import Amplitudes, Circuit, PauliExpectations, Readout, feature, reuploading
from counterspin.errors import UsageError
from counterspin.noise import (
    GateRule,
    NoiseModel,
    Placed,
    ReadoutErrors,
    amplitude_damping,
    depolarizing,
    phase_damping,
)
from counterspin.simulation import noise_engine, outcome_distributions, run
from counterspin.simulation.transfer import TRANSFER_QUBITS

PER_LAYER = NoiseModel(qubit_depolarizing=0.1)


def everything(qubits: int) -> NoiseModel:
    """Noise of every sort at once, readout errors included."""
    return NoiseModel(
        global_depolarizing=0.05,
        qubit_depolarizing=0.1,
        rules=(
            GateRule(channel=amplitude_damping(0.1), targets="each"),
            GateRule(channel=phase_damping(0.05), kinds=("RX", "CNOT"), targets="each"),
        ),
        placed=(Placed(after=-1, qubits=(qubits - 1,), channel=depolarizing(0.2)),),
        readout=ReadoutErrors(flips=tuple((0.02 + 0.01 * q, 0.1) for q in range(qubits))),
    )


def test_the_size_decides_and_the_reason_is_said() -> None:
    narrow, wide = (Circuit(q).end_layer() for q in (TRANSFER_QUBITS, TRANSFER_QUBITS + 1))
    assert noise_engine(narrow, PER_LAYER).name == "transfer"
    assert noise_engine(narrow, PER_LAYER).exact
    found = noise_engine(wide, PER_LAYER, "torch")
    assert (found.name, found.exact) == ("trajectories", False)
    assert found.reason.startswith("9 qubits are beyond the 8")
    assert "64 runs with drawn errors" in found.reason


@pytest.mark.parametrize("noise", [None, NoiseModel(), NoiseModel(global_depolarizing=0.2, readout_flips=(0.1, 0.1))])
@pytest.mark.parametrize("engine", ["auto", "transfer", "trajectories", "density"])
def test_without_channels_states_stay_pure(noise: NoiseModel | None, engine: str) -> None:
    assert noise_engine(Circuit(12).add("H", 0), noise, engine).name == "statevector"


@pytest.mark.parametrize("engine", ["transfer", "trajectories", "density"])
def test_a_method_by_name_is_taken(engine: str) -> None:
    assert noise_engine(Circuit(2).end_layer(), PER_LAYER, engine).name == engine


def test_methods_that_cannot_serve_are_refused() -> None:
    wide = Circuit(9).end_layer()
    for engine in ("transfer", "density"):
        with pytest.raises(UsageError, match=f"engine is '{engine}', which takes at most 8 qubits, .* has 9; use"):
            noise_engine(wide, PER_LAYER, engine)
    with pytest.raises(UsageError, match="engine is 'kraus'; allowed: auto, compiled, torch, transfer, traj"):
        noise_engine(wide, None, "kraus")


@pytest.mark.one_fast
@pytest.mark.parametrize("seed", range(4))
def test_transfer_equals_density_with_gradients(seed: int) -> None:
    rng = np.random.default_rng(seed)
    qubits = 1 + seed % 3
    circuit = random_circuit(rng, qubits, amplitudes=Amplitudes(2**qubits - seed % 2) if seed > 1 else None)
    x, w = torch.tensor(rng.normal(size=(3, circuit.inputs))), torch.tensor(rng.normal(size=circuit.weights))
    x, w, noise = x.requires_grad_(), w.requires_grad_(), everything(qubits)
    for measurement in (random_paulis(rng, qubits), random_groups(rng, qubits)):
        readout = Readout(measurement)
        found = []
        for engine in ("auto", "torch", "density"):
            scores = run(circuit, x, w, readout, noise=noise, engine=engine)
            found.append([scores, *torch.autograd.grad(scores.square().sum(), (x, w))])
        for other in found[:2]:
            for ours, theirs in zip(other, found[2], strict=True):
                torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=0)
        exact, dense = (
            outcome_distributions(circuit, x, w, readout, noise=noise, engine=engine) for engine in ("auto", "density")
        )
        for ours, theirs in zip(exact, dense, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=0)


@pytest.mark.slow
def test_trajectories_average_to_the_exact_scores_under_everything() -> None:
    rng, repeats = np.random.default_rng(8), 25
    circuit = random_circuit(rng, 2, extra=2)
    x, w = torch.tensor(rng.normal(size=(2, circuit.inputs))), torch.tensor(rng.normal(size=circuit.weights))
    readout, noise = Readout(random_paulis(rng, 2)), everything(2)
    exact = run(circuit, x, w, readout, noise=noise, engine="density")
    drawn = torch.stack(
        [
            run(circuit, x, w, readout, noise=noise, engine="trajectories", generator=torch.Generator().manual_seed(s))
            for s in range(repeats)
        ]
    )
    error = drawn.std(0) / repeats**0.5
    assert bool(((drawn.mean(0) - exact).abs() < 5 * error + 1e-12).all())
    assert float(error.max()) < 0.02


def test_single_precision_and_empty_batches() -> None:
    circuit, readout = reuploading(2, 1), Readout(PauliExpectations.of("Z0", "X1"))
    w, noise = torch.linspace(-1, 1, circuit.weights), everything(2)
    x = torch.rand(3, 2, generator=torch.Generator().manual_seed(0))
    for engine in ("auto", "density"):
        single = run(circuit, x, w, readout, noise=noise, engine=engine)
        double = run(circuit, x.double(), w.double(), readout, noise=noise, engine=engine)
        assert single.dtype == torch.float32
        torch.testing.assert_close(single.double(), double, atol=1e-5, rtol=0)
        assert run(circuit, x[:0], w, readout, noise=noise, engine=engine).shape == (0, 2)


@pytest.mark.parametrize("qubits", [2, 9])
def test_rows_do_not_depend_on_their_batch(qubits: int) -> None:
    circuit = reuploading(qubits, 1, trainable_scale=False)
    noise = NoiseModel(rules=(GateRule(channel=depolarizing(0.05), targets="each"),), readout_flips=(0.1, 0.0))
    w, readout = torch.linspace(-1, 1, circuit.weights).double(), Readout(PauliExpectations.of("Z0", "X1"))
    x = torch.rand(5, qubits, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def scores(rows: torch.Tensor) -> torch.Tensor:
        return run(circuit, rows, w, readout, noise=noise, generator=torch.Generator().manual_seed(3))

    whole = scores(x)
    torch.testing.assert_close(torch.cat([scores(row) for row in x.split(1)]), whole, atol=1e-12, rtol=0)
    torch.testing.assert_close(scores(x.flip(0)).flip(0), whole, atol=1e-12, rtol=0)


@pytest.mark.parametrize("shots", [None, 400])
def test_shots_are_drawn_from_the_misread_noisy_distribution(shots: int | None) -> None:
    # RY(x), decay γ, then asymmetric readout: P(read 1) = up + (1 - up - down)(1 - γ) sin²(x/2).
    gamma, up, down, rows, x = 0.3, 0.05, 0.2, 500, 1.1
    circuit = Circuit(1).add("RY", 0, feature(0))
    rules = (GateRule(channel=amplitude_damping(gamma), targets="each"),)
    noise = NoiseModel(rules=rules, readout_flips=(up, down))
    inputs = torch.full((rows, 1), x, dtype=torch.float64)
    seed = torch.Generator().manual_seed(1)
    readout = Readout(PauliExpectations.of("Z0"))
    scores = run(circuit, inputs, torch.zeros(0), readout, noise=noise, shots=shots, generator=seed)
    one = up + (1 - up - down) * (1 - gamma) * np.sin(x / 2) ** 2
    spread = 0.0 if shots is None else 2 * (one * (1 - one) / (shots * rows)) ** 0.5
    assert scores.mean().item() == pytest.approx(1 - 2 * one, abs=5 * spread + 1e-12)
    if shots is not None:
        assert scores.std().item() == pytest.approx(spread * rows**0.5, rel=0.2)
