import json

import pytest
import torch
from small_models import one_qubit

from counterspin.attacks.gradients import Autodiff, TransferGradient, Twin
from counterspin.attacks.losses import CrossEntropy
from counterspin.errors import CapabilityError, UsageError
from counterspin.models import MLP
from counterspin.models.sampled import SampledModel
from counterspin.types import Box, Cost

BOX = Box.uniform(0.0, 1.0, features=1)


def first(scores, outputs=None):
    return scores[:, 0]


def points(n=5):
    return torch.linspace(0.1, 0.9, n, dtype=torch.float64)[:, None]


def test_the_gradient_is_the_twins_and_the_scores_are_the_models():
    model = SampledModel(one_qubit(), shots=11, seed=2)
    found = Twin()(model, points(), first)
    assert torch.equal(found.gradient, Autodiff()(one_qubit(), points(), first).gradient)
    assert torch.equal(found.scores, model.seeded(2)(points()))
    assert torch.equal(found.value, found.scores[:, 0])


def test_the_model_is_asked_once_and_the_twin_differentiated_once():
    found = Twin()(SampledModel(one_qubit(), shots=11), points(), first)
    assert found.cost == Cost(forwards=5, backwards=5, circuits=5, shots=55)


@pytest.mark.slow
def test_more_calls_average_the_scores_and_leave_the_gradient():
    found = Twin(calls=200)(SampledModel(one_qubit(), shots=11), points(), first)
    assert torch.equal(found.gradient, Autodiff()(one_qubit(), points(), first).gradient)
    # The mean of 200 readings of 11 shots: a standard deviation of at most 1 / (2 √2200).
    assert torch.allclose(found.scores, one_qubit()(points()), atol=5 * 0.5 / 2200**0.5)
    assert found.cost == Cost(forwards=1000, backwards=5, circuits=1000, shots=11000)
    assert found.cost == Twin(calls=200).price(SampledModel(one_qubit(), shots=11), 5)
    with pytest.raises(UsageError, match="calls is 0"):
        Twin(calls=0)


def test_a_model_without_a_twin_is_refused(linear):
    with pytest.raises(CapabilityError, match="has no twin"):
        Twin().check(linear([1.0]))
    Twin().check(SampledModel(one_qubit(), shots=1))


def test_a_surrogate_is_read_as_what_its_scores_are(linear, cosine):
    # The target gives probabilities, the surrogate logits; a log link on logits would be nonsense.
    surrogate, target = linear([3.0], bounds=BOX), cosine(2, outputs="probabilities")
    y = torch.zeros(5, dtype=torch.long)

    def objective(scores, outputs="probabilities"):
        return CrossEntropy()(scores, y, outputs=outputs)

    found = TransferGradient(surrogate=surrogate)(target, points(), objective)
    expected = Autodiff()(surrogate, points(), lambda scores: CrossEntropy()(scores, y, outputs="logits"))
    assert torch.allclose(found.gradient, expected.gradient, atol=1e-14)
    assert torch.allclose(found.value, objective(target(points())), atol=1e-14)
    assert found.cost == Cost(forwards=5, backwards=5, circuits=5)


def test_the_weights_of_a_surrogate_gather_no_gradient_and_keep_their_flags():
    surrogate = MLP(BOX, classes=2, hidden=(3,)).train()
    TransferGradient(surrogate=surrogate)(one_qubit(), points(), first)
    assert surrogate.training
    assert all(weight.requires_grad and weight.grad is None for weight in surrogate.parameters())


def test_a_surrogate_of_another_task_is_refused(linear, cosine):
    with pytest.raises(CapabilityError, match="2 features and 2 classes, the model 1 and 2"):
        TransferGradient(surrogate=linear([1.0, 2.0])).check(cosine(2))
    with pytest.raises(CapabilityError, match="the model 1 and 3"):
        TransferGradient(surrogate=linear([1.0])).check(cosine(3))
    blunt = linear([1.0])
    blunt.differentiable = False
    with pytest.raises(CapabilityError, match="without a gradient"):
        TransferGradient(surrogate=blunt).check(cosine(2))


def test_a_surrogate_trained_again_is_another_configuration():
    surrogate = MLP(BOX, classes=2, hidden=(3,))
    source = TransferGradient(surrogate=surrogate, name="mlp")
    before = json.loads(json.dumps(source.config))
    assert {k: before[k] for k in ("kind", "name", "surrogate")} == {
        "kind": "TransferGradient", "name": "mlp", "surrogate": "MLP",
    }  # fmt: skip
    with torch.no_grad():
        next(surrogate.parameters()).add_(1.0)
    assert source.config["sha256"] != before["sha256"]
    assert source.averages
