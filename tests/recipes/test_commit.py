"""What the maintainers' command writes: weights of the first seed and a card of all seeds."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from counterspin import recipes
from counterspin.models import load_model
from counterspin.recipes import Recipe, registry
from counterspin.recipes.commit import commit
from counterspin.training import TrainingSettings

NAME = "cancer-angle-classical"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package's weights directory, moved to a temporary place."""
    monkeypatch.setattr(Recipe, "directory", property(lambda self: tmp_path / "weights" / self.name))
    quick = replace(recipes.get(NAME), settings=TrainingSettings(epochs=2, batch_size=64))
    monkeypatch.setitem(registry._RECIPES, NAME, quick)
    return tmp_path / "weights" / NAME


@pytest.mark.slow
def test_writes_the_first_seed_and_a_card_of_all(home: Path, tmp_path: Path) -> None:
    card = commit(NAME, work=tmp_path / "work", seeds=(0, 1), progress=False)
    expected = [recipes.train(NAME, seed=seed, progress=False) for seed in (0, 1)]
    assert json.loads((home / "card.json").read_text()) == card == recipes.get(NAME).card()
    assert [row["test_accuracy"] for row in card["seeds"]] == [run.test_accuracy for run in expected]
    assert card["mean_test_accuracy"] == pytest.approx(sum(run.test_accuracy for run in expected) / 2)
    assert torch.equal(load_model(home).matrices[0], expected[0].model.matrices[0])
    assert not (tmp_path / "work" / NAME).exists()


@pytest.mark.slow
def test_the_command_names_an_unknown_recipe() -> None:
    command = [sys.executable, "-m", "counterspin.recipes", "cancer-angel"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "Did you mean cancer-angle" in result.stderr
    assert "Traceback" not in result.stderr
