"""Shot noise: the covariance of real shots, its gradient, and its draws."""

import numpy as np
import pytest
import torch
from random_circuits import random_circuit, random_groups

from counterspin.circuits import Linear, OutcomeGroups, PauliExpectations, reuploading
from counterspin.defenses.training.noise import NoiseView
from counterspin.defenses.training.shot_noise import ENTRY, ShotNoise, shot_deviations
from counterspin.errors import CapabilityError, UsageError
from counterspin.models import MLP, QuantumClassifier
from counterspin.simulation.measurement import settings
from counterspin.threats import Linf
from counterspin.training import Step
from counterspin.types import Box

THREAT = Linf(0.1)
# Two settings: Z0 and Z0 Z1 are read together, X1 by itself.
STRINGS = PauliExpectations.of("Z0", "Z0 Z1", "X1")


def step(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Step(epoch=1, progress=0.0, rows=torch.arange(1), generator=generator, memory={})


def multinomial_covariance(p, table, shots):
    """Of the mean of `shots` draws: the textbook formula, (diag p - p pᵀ) / N between outcomes."""
    between = (np.diag(p) - np.outer(p, p)) / shots
    return table.T @ between @ table


def deviations(measurement, qubits, draws, shots, seed=0):
    rng = np.random.default_rng(seed)
    chosen = settings(measurement, qubits)
    distributions = [torch.as_tensor(rng.dirichlet(np.full(2**qubits, 0.7)))[None] for _ in chosen]
    many = [d.expand(draws, -1) for d in distributions]
    found = shot_deviations(many, chosen, shots, torch.Generator().manual_seed(seed))
    exact = sum(
        multinomial_covariance(d[0].numpy(), s.table, shots) for d, s in zip(distributions, chosen, strict=True)
    )
    return found.numpy(), exact


@pytest.mark.parametrize(
    "measurement", [STRINGS, OutcomeGroups((0, 1), ((0,), (1, 2), (3,)))], ids=["strings", "groups"]
)
def test_covariance_is_that_of_multinomial_shots(measurement):
    draws, shots = 40000, 50
    found, exact = deviations(measurement, 2, draws, shots)
    scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    # An entry of a sample covariance has a standard error below sqrt(2 / draws) of its scale: 0.7 %, taken four times.
    assert np.abs(np.cov(found.T) - exact).max() < 0.03 * scale.max()
    assert (np.abs(found.mean(0)) < 4.5 * np.sqrt(np.diag(exact) / draws)).all()


def test_deviations_fall_with_the_root_of_the_shots():
    few, _ = deviations(STRINGS, 2, 10, 100)
    many, _ = deviations(STRINGS, 2, 10, 10000)
    np.testing.assert_allclose(few, 10 * many, rtol=1e-12)


def test_the_model_with_shots_has_the_spread_of_sampled_scores():
    generator = torch.Generator().manual_seed(2)
    own = QuantumClassifier(
        reuploading(2, 1),
        STRINGS,
        Box.uniform(0.0, 1.0, 2),
        head=Linear(torch.randn(2, 3, generator=generator), torch.ones(2)),
        generator=generator,
    )
    x = torch.rand(1, 2, generator=generator, dtype=torch.float64).expand(20000, -1)
    with torch.no_grad():
        drawn = ShotNoise(shots=64).apply(own, step())(x)
        sampled = own.sample(x, shots=64, generator=generator)
    # The mean of 20000 has a standard error of 0.7 % of a deviation; deviations themselves 0.5 %.
    deviation = sampled.std(dim=0)
    assert bool(((drawn.mean(0) - own(x[:1])[0].detach()).abs() < 0.03 * deviation).all())
    torch.testing.assert_close(drawn.std(dim=0), deviation, rtol=0.03, atol=0)
    correlation = [np.corrcoef(scores.numpy().T)[0, 1] for scores in (drawn, sampled)]
    assert correlation[0] == pytest.approx(correlation[1], abs=0.03)


def test_gradients_of_weights_and_inputs_are_differences():
    rng = np.random.default_rng(4)
    circuit = random_circuit(rng, 2, inputs=2, weights=3, extra=4)
    own = QuantumClassifier(
        circuit, random_groups(rng, 2), Box.unbounded(circuit.inputs), weights=torch.randn(circuit.weights).double()
    )
    seen = ShotNoise(shots=20).apply(own, step(3))
    x = torch.randn(3, circuit.inputs, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x.requires_grad_()
    mix = torch.randn(3, own.classes, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    weights, points = torch.autograd.grad((seen(x) * mix).sum(), (own.weights, x))
    h = 1e-6
    for tensor, gradient in ((own.weights, weights), (x, points)):
        for place in range(tensor.numel()):
            values = []
            for sign in (1, -1):
                with torch.no_grad():
                    tensor.view(-1)[place] += sign * h
                    values.append(float((seen(x) * mix).sum()))
                    tensor.view(-1)[place] -= sign * h
            assert float(gradient.reshape(-1)[place]) == pytest.approx((values[0] - values[1]) / (2 * h), abs=2e-7)


def test_gradients_are_finite_where_outcomes_are_impossible():
    own = QuantumClassifier(
        reuploading(2, 1), PauliExpectations.of("Z0", "Z1"), Box.uniform(0.0, 1.0, 2), weights=torch.zeros(8)
    )
    x = torch.zeros(2, 2, requires_grad=True)
    seen = ShotNoise(shots=10).apply(own, step())
    seen(x).sum().backward()
    assert bool(own.weights.grad.isfinite().all())
    assert bool(x.grad.isfinite().all())
    torch.testing.assert_close(seen(x).detach(), torch.ones(2, 2), atol=2e-3, rtol=0)


def test_one_step_repeats_its_draws_and_the_next_has_others():
    own = QuantumClassifier(reuploading(2, 1), PauliExpectations.of("Z0", "Z1"), Box.uniform(0.0, 1.0, 2))
    x = torch.rand(4, 2, generator=torch.Generator().manual_seed(1))
    at = step()
    first, second = ShotNoise(shots=30).apply(own, at), ShotNoise(shots=30).apply(own, at)
    torch.testing.assert_close(first(x), first(x), atol=0, rtol=0)
    assert float((first(x) - second(x)).detach().abs().min()) > 1e-4


def test_shots_are_read_under_the_noise_of_the_view_inside():
    own = QuantumClassifier(reuploading(2, 1), PauliExpectations.of("Z0", "Z1"), Box.uniform(0.0, 1.0, 2))
    x = torch.rand(4, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    noisy = NoiseView(sources=("depolarizing:0.2/gate+readout:0.05,0.1",)).apply(own, step())
    read = ShotNoise(shots=10**14).apply(noisy, step())
    torch.testing.assert_close(read(x), noisy(x), atol=1e-5, rtol=0)


def test_refusals_and_entry():
    with pytest.raises(UsageError, match="at least 1"):
        ShotNoise(shots=0)
    with pytest.raises(UsageError, match="empty"):
        shot_deviations([], (), 10, torch.Generator())
    with pytest.raises(CapabilityError, match="shows no circuit"):
        ShotNoise().check(MLP(Box.uniform(0.0, 1.0, features=3), classes=2, hidden=(3,)), THREAT)
    assert ENTRY.build({"shots": "100"}, THREAT) == ShotNoise(shots=100)
    assert ShotNoise(shots=100).to_json() == {"name": "shot-noise", "shots": 100}
