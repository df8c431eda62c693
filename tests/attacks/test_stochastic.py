import math

import pytest
import torch
from small_models import Votes, one_qubit

from counterspin.attacks.stochastic import call_cost, mean_scores, reseeded, shots_per_call
from counterspin.errors import ModelError
from counterspin.models.sampled import SampledModel
from counterspin.types import Cost


def test_the_price_of_a_call(linear):
    assert shots_per_call(linear([1.0])) == 0
    assert shots_per_call(SampledModel(one_qubit(), shots=12)) == 12
    assert call_cost(SampledModel(one_qubit(), shots=12), 5) == Cost(forwards=5, circuits=5, shots=60)


def test_a_new_stream_comes_from_the_generator_and_only_where_the_model_offers_one(linear, seeded):
    model, x = SampledModel(one_qubit(), shots=30), torch.tensor([[0.4], [0.6]])
    first, again, other = (reseeded(model, seeded(s))(x) for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert reseeded(model, None) is model
    plain = linear([1.0])
    assert reseeded(plain, seeded(0)) is plain


def test_mean_scores_are_the_mean_of_independent_calls():
    votes = Votes([[0.3, 0.7]] * 500)
    mean = mean_scores(votes, votes.x, 20)
    assert votes.rows == 10_000
    assert mean[:, 0].mean().item() == pytest.approx(0.3, abs=5 * math.sqrt(0.21 / 10_000))
    assert mean[:, 0].var().item() == pytest.approx(0.21 / 20, rel=0.3)


def test_scores_that_are_no_scores_are_refused(rows):
    with pytest.raises(ModelError, match="returned"):
        mean_scores(rows(lambda x: x[:, :1]), torch.zeros(2, 3), 2)
