"""What can be trained, from where it starts, and how samples of one's own are carved."""

import pytest
import torch
from torch import nn

from counterspin import recipes
from counterspin.circuits import PauliExpectations, reuploading
from counterspin.errors import CapabilityError, InputError, UsageError
from counterspin.evaluation.hardening.trainee import (
    carved,
    check_trainable,
    given_trainee,
    logit_scale,
    recipe_trainee,
)
from counterspin.models import MLP, QuantumClassifier, save_model
from counterspin.types import Box

BOX = Box.uniform(0.0, 1.0, features=2)


def samples(count: int = 60):
    x = torch.rand(count, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return x, (x[:, 0] > x[:, 1]).long()


class Elsewhere(nn.Module):
    """A trainable model of another library, which counterspin cannot save."""

    classes, outputs, stochastic, differentiable, bounds = 2, "logits", False, True, BOX

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x):
        return self.layer(x)


def test_a_recipe_starts_with_the_frozen_scale_of_the_undefended_model(tmp_path) -> None:
    trainee = recipe_trainee("digits-amplitude", seed=0)
    undefended = trainee.undefended(tmp_path)
    scale = recipes.get("digits-amplitude").card()["seeds"][0]["logit_scale"]
    assert logit_scale(undefended) == pytest.approx(scale, rel=1e-6)
    start = trainee.start(undefended, torch.Generator().manual_seed(0), warm=False)
    assert logit_scale(start) == logit_scale(undefended)
    again = recipes.get("digits-amplitude").architecture(torch.Generator().manual_seed(0), scale)
    assert torch.equal(start.get_parameter("weights"), again.get_parameter("weights"))
    # Linear heads and classical models have none.
    assert logit_scale(recipes.get("cancer-angle").model()) is None
    assert logit_scale(MLP(BOX, classes=2, hidden=(3,))) is None


def test_another_seed_has_other_data_and_no_committed_model() -> None:
    zero, one = recipe_trainee("cancer-angle", seed=0), recipe_trainee("cancer-angle", seed=1)
    assert zero.committed
    assert not one.committed
    assert zero.dataset.sha256 != one.dataset.sha256


def test_the_undefended_model_of_another_seed_is_trained_once(tmp_path, monkeypatch) -> None:
    made = []

    def train(name, *, seed, out, progress):
        made.append((name, seed, progress))
        save_model(recipes.get(name).architecture(torch.Generator().manual_seed(seed), None), out)

    monkeypatch.setattr(recipes, "train", train)
    trainee = recipe_trainee("cancer-angle", seed=3)
    first, second = trainee.undefended(tmp_path / "u"), trainee.undefended(tmp_path / "u")
    assert made == [("cancer-angle", 3, False)]
    assert torch.equal(first.weights, second.weights)


def test_a_given_model_is_fine_tuned_and_left_alone() -> None:
    model = QuantumClassifier(reuploading(2, 2), PauliExpectations.of("Z0", "Z1"), BOX)
    data = carved(model, samples(), None, seed=0, name="mine")
    trainee = given_trainee(model, data, name="mine", seed=0)
    start = trainee.start(trainee.stand_in, torch.Generator(), warm=False)
    assert torch.equal(start.get_parameter("weights"), model.weights)
    assert start.get_parameter("weights") is not model.weights
    assert model.weights.requires_grad
    assert not trainee.stand_in.get_parameter("weights").requires_grad
    assert start.get_parameter("weights").requires_grad


def test_samples_of_ones_own_are_carved() -> None:
    model = MLP(BOX, classes=2, hidden=(3,))
    x, y = samples(60)
    data = carved(model, (x, y), None, seed=0, name="mine")
    assert (len(data.test), len(data.train) + len(data.validation)) == (18, 42)
    rows = torch.cat([data.train.x, data.validation.x, data.test.x])
    assert torch.equal(rows[rows[:, 0].argsort()], x[x[:, 0].argsort()])
    tested = samples(10)
    beside = carved(model, (x, y), tested, seed=0, name="mine", class_names=("no", "yes"))
    assert torch.equal(beside.test.x, tested[0])
    assert (len(beside.validation), len(beside.train)) == (9, 51)
    assert beside.class_names == ("no", "yes")
    assert carved(model, (x, y), None, seed=1, name="mine").sha256 != data.sha256


@pytest.mark.parametrize(
    ("train", "error", "sentence"),
    [
        ((samples()[0], None), UsageError, "give samples and labels, train="),
        ((samples()[0], samples()[1] + 5), InputError, "train y holds label"),
        ((samples()[0] * 3, samples()[1]), InputError, "train x leaves the box"),
    ],
)
def test_data_that_cannot_be_trained_on_are_refused(train, error, sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        carved(MLP(BOX, classes=2, hidden=(3,)), train, None, seed=0, name="mine")


def test_what_cannot_be_trained_is_refused() -> None:
    class BlackBox:
        classes, outputs, stochastic, bounds = 2, "logits", False, BOX

        def __call__(self, x):
            return x

    with pytest.raises(CapabilityError, match=r"\(BlackBox\) has no weights that counterspin can train"):
        check_trainable(BlackBox())
    with pytest.raises(CapabilityError, match=r"\(Elsewhere\) is computed by another library and cannot be saved"):
        check_trainable(Elsewhere())
    jumping = Elsewhere()
    jumping.differentiable = False
    with pytest.raises(CapabilityError, match="is not differentiable and cannot be trained by gradients"):
        check_trainable(jumping)
    random = Elsewhere()
    random.stochastic = True
    with pytest.raises(CapabilityError, match="is stochastic"):
        check_trainable(random)
    check_trainable(MLP(BOX, classes=2, hidden=(3,)))
