"""The committed weights reach their bars and give the accuracy their cards record."""

from pathlib import Path

import pytest
import torch

from counterspin import recipes
from counterspin.errors import ModelError
from counterspin.recipes import Recipe
from counterspin.training import accuracy

MNIST = [name for name in recipes.names() if name.startswith("mnist")]
OTHERS = [name for name in recipes.names() if not name.startswith("mnist")]
# The source of the images parses 5000 rows of text, 4 s.
ALL = [*OTHERS, *(pytest.param(name, marks=pytest.mark.slow) for name in MNIST)]


@pytest.mark.parametrize("name", recipes.names())
def test_the_recorded_mean_reaches_the_bar(name: str) -> None:
    recipe, card = recipes.get(name), recipes.get(name).card()
    accuracies = [row["test_accuracy"] for row in card["seeds"]]
    assert [row["seed"] for row in card["seeds"]] == [0, 1, 2]
    assert card["mean_test_accuracy"] == pytest.approx(sum(accuracies) / 3, abs=1e-12)
    assert card["bar"] == recipe.bar
    assert recipe.bar is None or card["mean_test_accuracy"] >= recipe.bar


@pytest.mark.one_fast
@pytest.mark.parametrize("name", ALL)
def test_the_model_gives_the_recorded_accuracy(name: str) -> None:
    recipe = recipes.get(name)
    model, data, row = recipe.model(), recipe.dataset(), recipe.card()["seeds"][0]
    assert data.sha256 == row["data_sha256"]
    assert accuracy(model, data.test) == row["test_accuracy"]
    assert model.classes == data.classes
    assert torch.equal(model.bounds.lower, data.bounds.lower)
    assert torch.equal(model.bounds.upper, data.bounds.upper)
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("name", ["digits-amplitude", "mnist-amplitude"])
def test_the_scale_is_frozen_at_the_printed_value(name: str) -> None:
    recipe = recipes.get(name)
    recorded = recipe.card()["seeds"][0]["logit_scale"]
    assert float(recipe.model().state_dict()["scale"]) == pytest.approx(recorded, rel=1e-7)
    assert recorded != 10.0  # learned, not the initial value


@pytest.mark.parametrize("name", recipes.names())
def test_files_are_small(name: str) -> None:
    assert sum(file.stat().st_size for file in recipes.get(name).directory.iterdir()) < 200_000


def test_missing_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recipe, "directory", property(lambda self: tmp_path / self.name))
    recipe = recipes.get("cancer-angle")
    with pytest.raises(ModelError, match="is not a directory"):
        recipe.model()
    with pytest.raises(ModelError, match=r"python -m counterspin\.recipes cancer-angle"):
        recipe.card()
