"""Training the committed weights again, with the seeds the bars are stated for."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from counterspin.models import save_model
from counterspin.models.files import write_atomically
from counterspin.recipes.registry import get
from counterspin.recipes.training import train

__all__ = ["SEEDS", "commit"]

SEEDS = (0, 1, 2)


def commit(name: str, *, work: Path, seeds: tuple[int, ...] = SEEDS, progress: bool = True) -> dict[str, Any]:
    """Train the recipe with every seed, then write the weights of the first seed and the card into the package.

    Args:
        name: the recipe.
        work: where finished epochs are kept; interrupted, the same call resumes. Emptied at the end.
        seeds: what to train with; the recorded accuracy is the mean over them.
        progress: show progress bars.

    Returns:
        The card: per seed T, validation and test accuracy, the share of test rows that also occur in training, time
        and data hash, and the mean test accuracy.
    """
    recipe = get(name)
    runs = [train(name, seed=seed, out=work / name / str(seed), progress=progress) for seed in seeds]
    card = {
        "recipe": name,
        "bar": recipe.bar,
        "mean_test_accuracy": sum(run.test_accuracy for run in runs) / len(runs),
        "seeds": [
            {
                "seed": run.seed,
                "logit_scale": run.logit_scale,
                "validation_accuracy": run.validation_accuracy,
                "test_accuracy": run.test_accuracy,
                "repeated_share": recipe.dataset(run.seed).repeated_share,
                "seconds": round(run.seconds, 1),
                "data_sha256": run.data_sha256,
            }
            for run in runs
        ],
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
    save_model(runs[0].model, recipe.directory)
    write_atomically(recipe.directory / "card.json", (json.dumps(card, indent=1) + "\n").encode())
    shutil.rmtree(work / name)
    return card
