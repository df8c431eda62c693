"""A recipe: data, model, training and threat as one frozen value."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import nn

from counterspin.datasets import Dataset
from counterspin.errors import ModelError
from counterspin.models import load_model
from counterspin.threats import ThreatModel
from counterspin.training import TrainingSettings

__all__ = ["Architecture", "Recipe"]

Architecture = Callable[[torch.Generator, float | None], nn.Module]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a reference model came to be and how it is attacked.

    Training has two stages. Stage 1 trains on the train split and chooses on the validation split: the weights of the
    best epoch tell the logit scale T, where the recipe learns one. Stage 2 trains a fresh model, from the same seed, on
    train and validation together for all epochs with T frozen. The test split is read once, for the recorded accuracy.

    Args:
        name: what users type.
        summary: one line on data, map and readout.
        load: the data set of a seed.
        architecture: an untrained model from a generator (initial weights) and a logit scale to freeze; None: the
            scale is learned. Recipes without a learned scale ignore the second argument.
        settings: epochs, batch size, learning rate, decay; the same in both stages.
        threat: the default threat.
        bar: least mean clean test accuracy over the seeds 0, 1, 2; None where the accuracy is measured, not demanded.
    """

    name: str
    summary: str
    load: Callable[[int], Dataset]
    architecture: Architecture
    settings: TrainingSettings
    threat: ThreatModel
    bar: float | None = None

    @property
    def directory(self) -> Path:
        """Where the committed weights and the card lie."""
        return Path(str(resources.files("counterspin.recipes"))) / "weights" / self.name

    def dataset(self, seed: int = 0) -> Dataset:
        """The data of `seed`; the committed weights were trained on those of seed 0 and must be tested on them."""
        return self.load(seed)

    def model(self) -> Any:
        """The committed model of seed 0, frozen and in evaluation mode.

        Raises:
            ModelError: the committed files are missing or damaged.
        """
        return load_model(self.directory)

    def card(self) -> dict[str, Any]:
        """What was measured when the committed weights were trained: per seed T, validation and test accuracy.

        Raises:
            ModelError: the committed file is missing or damaged.
        """
        path = self.directory / "card.json"
        try:
            return json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise ModelError(
                f"{path} cannot be read ({error}); reinstall counterspin, or train again: "
                f"python -m counterspin.recipes {self.name}"
            ) from error
