"""Finite shots of one qubit behind RY(pi x): P(1) = sin^2(pi x / 2), so every prediction is a binomial tail."""

import math

import pytest
import torch
from scipy.stats import binom, chisquare
from small_models import one_qubit

from counterspin.circuits import PauliExpectations, reuploading
from counterspin.errors import CapabilityError, ModelError, UsageError
from counterspin.models import QuantumClassifier
from counterspin.models.sampled import SampledModel
from counterspin.noise import NoiseModel
from counterspin.types import Box, Classifier, CountsShots, Differentiable, Freezable, HasCircuit, HasTwin, Reseedable


class WithoutCircuit:
    """A user's model that can be sampled and shows nothing else: one coin per row."""

    bounds, classes, outputs, stochastic = Box.uniform(0.0, 1.0, 1), 2, "probabilities", False

    def __call__(self, x):
        return torch.cat([x, 1 - x], dim=1)

    def sample(self, x, *, shots, generator, noise=None):
        if shots is None:
            return self(x)
        hits = torch.binomial(torch.full_like(x, shots), x, generator=generator) / shots
        return torch.cat([hits, 1 - hits], dim=1)


@pytest.fixture
def exact():
    return one_qubit()


def points(*values, dtype=torch.float64):
    return torch.tensor([[v] for v in values], dtype=dtype)


@pytest.mark.parametrize("shots", [1, 4, 25])
@pytest.mark.parametrize("x", [0.2, 0.45, 0.6])
def test_predictions_are_a_binomial_tail(exact, shots, x):
    rows = 4000
    scores = SampledModel(exact, shots=shots, seed=shots)(points(x).expand(rows, 1))
    zeros = (scores[:, 0] > scores[:, 1]).sum()
    # Class 0 wins iff outcome 0 was seen in more than half of the shots.
    p = binom.sf(math.floor(shots / 2), shots, math.cos(math.pi * x / 2) ** 2)
    assert abs(int(zeros) / rows - p) < 5 * math.sqrt(p * (1 - p) / rows) + 1e-9


def test_it_is_a_stochastic_classifier_that_counts_its_shots(exact):
    model = SampledModel(exact, shots=7)
    for protocol in (Classifier, CountsShots, Reseedable, Freezable, HasTwin):
        assert isinstance(model, protocol)
    assert model.stochastic
    assert isinstance(model, Differentiable)
    assert not model.differentiable
    # Certificates and exact attacks read circuits; a sampled model must not look like one.
    assert not isinstance(model, HasCircuit)
    assert (model.classes, model.outputs, model.bounds, model.shots_per_call) == (2, "probabilities", exact.bounds, 7)


def test_every_setting_of_the_readout_takes_its_own_shots():
    model = QuantumClassifier(reuploading(2, 1), PauliExpectations.of("Z0", "X0", "Y1"), Box.uniform(0.0, 1.0, 2))
    assert SampledModel(model, shots=10).shots_per_call == 20


def test_calls_differ_and_seeds_repeat(exact):
    x = points(0.3, 0.5, 0.7)
    model = SampledModel(exact, shots=50, seed=3)
    first, second = model(x), model(x)
    again = model.seeded(3)
    assert not torch.equal(first, second)
    assert torch.equal(again(x), first)
    assert torch.equal(again(x), second)
    assert not torch.equal(model.seeded(4)(x), first)
    assert again.model is exact


def test_the_twin_is_the_model_itself_without_noise(exact):
    assert SampledModel(exact, shots=5).twin is exact
    assert SampledModel(exact, shots=5).frozen(0).twin is exact
    assert SampledModel(exact, shots=5, noise=NoiseModel()).twin is exact


@pytest.mark.parametrize("noise", [NoiseModel(global_depolarizing=0.2), NoiseModel(readout_flips=(0.1, 0.1))])
def test_the_noisy_twin_is_differentiable_and_what_scores_average_to(exact, noise):
    x = points(0.2, 0.7).requires_grad_()
    model = SampledModel(exact, shots=4000, noise=noise, seed=1)
    twin = model.twin
    # Both channels shrink <Z> by 0.8 here.
    expected = (1 + 0.8 * torch.cos(math.pi * x[:, 0])) / 2
    scores = twin(x)
    assert torch.allclose(scores[:, 0], expected, atol=1e-12)
    (gradient,) = torch.autograd.grad(scores[:, 0].sum(), x)
    assert torch.allclose(gradient, -0.4 * math.pi * torch.sin(math.pi * x), atol=1e-12)
    assert torch.allclose(model(x.detach()), scores.detach(), atol=5 / math.sqrt(4000))
    assert (twin.stochastic, twin.differentiable) == (False, True)


def test_the_twin_under_noise_per_qubit_repeats_its_trajectories(exact):
    twin = SampledModel(exact, shots=5, noise=NoiseModel(qubit_depolarizing=0.3, trajectories=200)).twin
    x = points(0.1, 0.4)
    assert torch.equal(twin(x), twin(x))
    assert torch.allclose(twin(x)[:, 0], (1 + 0.7 * torch.cos(math.pi * x[:, 0])) / 2, atol=0.1)


def test_the_noisy_twin_without_a_circuit_has_no_gradient():
    twin = SampledModel(WithoutCircuit(), shots=5, noise=NoiseModel(global_depolarizing=0.1)).twin
    assert not twin.differentiable
    assert torch.equal(twin(points(0.3)), WithoutCircuit()(points(0.3)))


@pytest.mark.parametrize(
    ("model", "noise"),
    [
        (one_qubit(), None),
        (one_qubit(), NoiseModel(readout_flips=(0.1, 0.2))),
        (one_qubit(), NoiseModel(qubit_depolarizing=0.2, trajectories=4)),
        (WithoutCircuit(), None),
    ],
    ids=["ideal", "flips", "trajectories", "no circuit"],
)
def test_frozen_scores_repeat_and_do_not_depend_on_the_batch(model, noise):
    frozen = SampledModel(model, shots=20, noise=noise).frozen(5)
    x = torch.rand(6, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scores = frozen(x)
    assert not frozen.stochastic
    assert torch.equal(scores, frozen(x))
    assert torch.allclose(scores, frozen(x.flip(0)).flip(0), atol=1e-14)
    assert torch.allclose(scores, torch.cat([frozen(row) for row in x.split(1)]), atol=1e-14)
    assert torch.equal(frozen(x[:1].expand(3, 1)), scores[:1].expand(3, 2))


@pytest.mark.slow
def test_frozen_scores_over_seeds_have_the_distribution_of_shots(exact):
    model, shots, x = SampledModel(exact, shots=3), 3, 0.4
    values = torch.cat([model.frozen(seed)(points(x)) for seed in range(400)])[:, 0]
    zeros = (values * shots).round().long()
    expected = 400 * binom.pmf(range(shots + 1), shots, math.cos(math.pi * x / 2) ** 2)
    assert chisquare(torch.bincount(zeros, minlength=shots + 1).numpy(), expected).pvalue > 1e-3


def test_it_takes_over_the_mode_of_its_model(exact):
    assert not SampledModel(exact.eval(), shots=1).training
    assert SampledModel(exact.train(), shots=1).training


def test_what_cannot_be_sampled_is_refused(exact):
    class Plain:
        bounds, classes, outputs, stochastic = Box.uniform(0.0, 1.0, 1), 2, "logits", False

        def __call__(self, x):
            return x.repeat(1, 2)

    with pytest.raises(CapabilityError, match="no method sample"):
        SampledModel(Plain(), shots=1)
    with pytest.raises(ModelError, match="lacks bounds"):
        SampledModel(object(), shots=1)
    for shots in (0, -1, 1.5, None):
        with pytest.raises(UsageError, match="whole number of at least 1"):
            SampledModel(exact, shots=shots)
