"""The contract of `run`: what it refuses and what it gives."""

import math

import pytest
import torch
from compiled_engine import each_engine

from counterspin.circuits import (
    Amplitudes,
    Circuit,
    Linear,
    OutcomeGroups,
    PauliExpectations,
    Readout,
    Scale,
    feature,
    weight,
)
from counterspin.errors import InputError, UsageError
from counterspin.noise import NoiseModel
from counterspin.simulation import final_states, outcome_distributions, run, sample_scores

CIRCUIT = Circuit(2).add("RX", 0, feature(0)).add("CRY", (0, 1), weight(0))
READOUT = Readout(PauliExpectations.of("Z0", "Z1"))
X, W = torch.tensor([[0.3], [1.2]], dtype=torch.float64), torch.tensor([0.7], dtype=torch.float64)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@each_engine
def test_one_qubit_expectation_is_the_cosine(engine: str) -> None:
    circuit = Circuit(1).add("RX", 0, 2.0 * feature(0) + 0.25)
    x = torch.linspace(-3, 3, 50, dtype=torch.float64)[:, None]
    scores = run(circuit, x, torch.zeros(0), Readout(PauliExpectations.of("Z0", "Y0")), engine=engine)
    assert torch.allclose(scores[:, 0], torch.cos(2 * x[:, 0] + 0.25), atol=1e-15)
    assert torch.allclose(scores[:, 1], -torch.sin(2 * x[:, 0] + 0.25), atol=1e-15)


@each_engine
def test_heads_scale_and_combine_the_values(engine: str) -> None:
    values = run(CIRCUIT, X, W, READOUT, engine=engine)
    weight_matrix, bias = torch.tensor([[1.0, -2.0], [0.5, 0.0], [0.0, 3.0]]), torch.tensor([0.1, 0.2, 0.3])
    scaled = run(CIRCUIT, X, W, Readout(READOUT.measurement, Scale(torch.tensor(4.0))), engine=engine)
    mapped = run(CIRCUIT, X, W, Readout(READOUT.measurement, Linear(weight_matrix, bias)), engine=engine)
    assert torch.allclose(scaled, 4 * values)
    assert torch.allclose(mapped, values @ weight_matrix.double().T + bias.double())


@each_engine
def test_gradients_reach_the_head(engine: str) -> None:
    head = Linear(torch.ones(3, 2, requires_grad=True), torch.zeros(3, requires_grad=True))
    scores = run(CIRCUIT, X, W, Readout(READOUT.measurement, head), engine=engine)
    by_weight, by_bias = torch.autograd.grad(scores[:, 1].sum(), (head.weight, head.bias))
    assert by_bias.tolist() == [0.0, 2.0, 0.0]
    assert torch.allclose(by_weight[1].double(), run(CIRCUIT, X, W, READOUT).sum(0))


@pytest.mark.parametrize("shape", [(2,), (2, 2), (2, 1, 1), (2, 0)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"inputs have shape .* the circuit takes \(batch, 1\)"):
        run(CIRCUIT, torch.zeros(shape), W, READOUT)
    with pytest.raises(InputError, match="inputs have shape"):
        final_states(CIRCUIT, torch.zeros(shape), W)


@pytest.mark.parametrize("dtype", [torch.int64, torch.float16, torch.bool])
def test_wrong_dtypes_are_refused(dtype: torch.dtype) -> None:
    with pytest.raises(InputError, match="float32 or float64"):
        run(CIRCUIT, torch.zeros(2, 1, dtype=dtype), W, READOUT)


@each_engine
@pytest.mark.parametrize("circuit", [CIRCUIT, Circuit(1, amplitudes=Amplitudes(2))])
def test_complex_data_for_a_real_circuit_is_refused(circuit: Circuit, engine: str) -> None:
    with pytest.raises(InputError, match="inputs are complex"):
        run(circuit, torch.zeros(2, 2, dtype=torch.complex64), W, READOUT, engine=engine)


@each_engine
def test_wrong_weights_and_readouts_are_refused(engine: str) -> None:
    with pytest.raises(InputError, match=r"weights have shape \(3,\); the circuit takes \(1,\)"):
        run(CIRCUIT, X, torch.zeros(3), READOUT, engine=engine)
    with pytest.raises(InputError, match="measures qubit 2; the circuit has 2 qubits"):
        run(CIRCUIT, X, W, Readout(PauliExpectations.of("Z2")), engine=engine)


@pytest.mark.parametrize("shots", [0, -5])
def test_too_few_shots_are_refused(shots: int) -> None:
    with pytest.raises(UsageError, match=f"shots is {shots}; give at least 1"):
        run(CIRCUIT, X, W, READOUT, shots=shots, generator=seeded(0))
    with pytest.raises(UsageError, match="shots is"):
        sample_scores(CIRCUIT, outcome_distributions(CIRCUIT, X, W, READOUT), READOUT, shots=shots)


def test_randomness_needs_a_generator() -> None:
    with pytest.raises(UsageError, match="finite shots are random"):
        run(CIRCUIT, X, W, READOUT, shots=10)
    noise, wide = NoiseModel(qubit_depolarizing=0.1), Circuit(9).end_layer()
    with pytest.raises(UsageError, match="random trajectories"):
        run(wide, torch.zeros(1, 0), torch.zeros(0), READOUT, noise=noise)


@each_engine
def test_global_depolarizing_shrinks_towards_the_maximally_mixed_state(engine: str) -> None:
    noise, groups = NoiseModel(global_depolarizing=0.3), Readout(OutcomeGroups((0, 1), ((0, 1, 2), (3,))))
    for readout, mixed in ((READOUT, [0.0, 0.0]), (groups, [0.75, 0.25])):
        ideal, noisy = (run(CIRCUIT, X, W, readout, noise=n, engine=engine) for n in (None, noise))
        expected = 0.7 * ideal + 0.3 * torch.tensor(mixed, dtype=torch.float64)
        assert torch.allclose(noisy, expected, atol=1e-15)


@each_engine
def test_distributions_are_one_for_each_setting_and_normalised(engine: str) -> None:
    readout = Readout(PauliExpectations.of("Z0 Z1", "X0", "Z1", "Y0"))
    noise = NoiseModel(readout_flips=(0.1, 0.2))
    distributions = outcome_distributions(CIRCUIT, X, W, readout, noise=noise, engine=engine)
    assert len(distributions) == 3
    for d in distributions:
        assert d.shape == (2, 4)
        assert torch.allclose(d.sum(1), torch.ones(2, dtype=torch.float64), atol=1e-15)


@each_engine
def test_sampled_scores_are_deterministic_for_a_seed_and_lie_on_the_grid(engine: str) -> None:
    first, second, other = (
        run(CIRCUIT, X, W, READOUT, shots=100, generator=seeded(s), engine=engine) for s in (3, 3, 4)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.allclose((first + 1) * 50, ((first + 1) * 50).round())


@each_engine
def test_sampled_scores_converge_to_the_exact_ones(engine: str) -> None:
    shots, rows = 400, 2000
    x = X[:1].expand(rows, -1)
    sampled = run(CIRCUIT, x, W, READOUT, shots=shots, generator=seeded(0), engine=engine).mean(0)
    exact = run(CIRCUIT, X[:1], W, READOUT, engine=engine)[0]
    error = torch.sqrt((1 - exact**2) / (shots * rows))
    assert bool(((sampled - exact).abs() < 5 * error).all())


def test_exact_scores_of_a_sure_outcome_survive_sampling() -> None:
    circuit = Circuit(1).add("X", 0)
    readout = Readout(PauliExpectations.of("Z0"))
    assert (
        run(circuit, torch.zeros(4, 0), torch.zeros(0), readout, shots=7, generator=seeded(0)).tolist() == [[-1.0]] * 4
    )


def test_settings_are_sampled_separately() -> None:
    # |+>: X is sure, Z is even; one setting for both would make that impossible.
    circuit = Circuit(1).add("H", 0)
    scores = run(
        circuit,
        torch.zeros(1, 0, dtype=torch.float64),
        torch.zeros(0),
        Readout(PauliExpectations.of("X0", "Z0")),
        shots=10_000,
        generator=seeded(0),
    )
    assert scores[0, 0].item() == pytest.approx(1.0, abs=1e-12)
    assert abs(scores[0, 1].item()) < 5 / math.sqrt(10_000)
