"""The majority vote over noisy copies: its distribution, its stream, and its refusals."""

import pytest
import torch
from scipy.stats import binom, norm
from small_models import one_qubit

from counterspin.errors import ModelError, UsageError
from counterspin.models import LogisticRegression, SampledModel
from counterspin.models.smoothed import SmoothedClassifier
from counterspin.types import Box


def linear(weight=(3.0, -4.0), bias=0.5):
    model = LogisticRegression(Box.uniform(-5, 5, features=2), classes=2)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([weight, (0.0, 0.0)]))
        model.bias.copy_(torch.tensor([bias, 0.0]))
    return model.requires_grad_(False)


def test_votes_of_a_linear_model_have_the_normal_share():
    # P(w·(x + ση) + b > 0) = Φ((w·x + b) / (σ‖w‖)).
    x = torch.tensor([[0.0, 0.0], [0.3, 0.1], [-0.2, 0.4]], dtype=torch.float64)
    draws, sigma = 40_000, 0.3
    model = SmoothedClassifier(linear(), sigma=sigma)
    counts = model.votes(x, draws=draws, generator=torch.Generator().manual_seed(0))
    assert counts.sum(dim=1).tolist() == [draws] * 3
    margins = x @ torch.tensor([3.0, -4.0]).double() + 0.5
    for hits, margin in zip(counts[:, 0].tolist(), margins.tolist(), strict=True):
        share = norm.cdf(margin / (sigma * 5))
        assert binom.ppf(1e-5, draws, share) <= hits <= binom.ppf(1 - 1e-5, draws, share)


def test_rows_get_noise_of_their_own():
    x = torch.zeros(50, 2, dtype=torch.float64)
    shares = SmoothedClassifier(linear(bias=0.0), sigma=1.0, draws=11)(x)
    assert len(shares[:, 0].unique()) > 3
    assert shares.dtype == torch.float64
    assert SmoothedClassifier(linear(), sigma=1.0, draws=11)(x.float()).dtype == torch.float32


@pytest.mark.parametrize(("rows", "draws"), [(1, 20_000), (20_000, 2), (3, 1)])
def test_all_copies_are_counted_in_chunks(rows, draws):
    counts = SmoothedClassifier(linear(), sigma=0.1).votes(
        torch.zeros(rows, 2), draws=draws, generator=torch.Generator().manual_seed(0)
    )
    assert counts.shape == (rows, 2)
    assert bool((counts.sum(dim=1) == draws).all())


def test_one_stream_per_object():
    x = torch.full((4, 1), 0.45, dtype=torch.float64)
    model = SmoothedClassifier(one_qubit(), sigma=0.3, draws=50, seed=1)
    first, second = model(x), model(x)
    assert not torch.equal(first, second)
    assert torch.equal(model.seeded(1)(x), first)
    assert not torch.equal(model.seeded(2)(x), first)
    assert (model.stochastic, model.differentiable, model.outputs, model.classes) == (True, False, "probabilities", 2)
    assert repr(model) != repr(model.seeded(2))


def test_a_stochastic_body_is_smoothed_too():
    x = torch.full((1, 1), 0.2, dtype=torch.float64)
    model = SmoothedClassifier(SampledModel(one_qubit(), shots=1), sigma=0.1, draws=100)
    assert model(x).sum().item() == 1.0


@pytest.mark.parametrize("sigma", [0.0, -1.0, float("nan"), float("inf")])
def test_sigma_is_above_zero(sigma):
    with pytest.raises(UsageError, match="sigma is"):
        SmoothedClassifier(linear(), sigma=sigma)


@pytest.mark.parametrize("draws", [0, 1.5])
def test_draws_are_counts(draws):
    with pytest.raises(UsageError, match="draws is"):
        SmoothedClassifier(linear(), sigma=1.0, draws=draws)


def test_the_body_is_a_classifier():
    with pytest.raises(ModelError, match="lacks"):
        SmoothedClassifier(torch.nn.Linear(2, 2), sigma=1.0)
