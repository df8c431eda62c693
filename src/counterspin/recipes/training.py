"""Training a recipe: two stages, resumable, the test split read once at the end."""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from counterspin.circuits import Scale
from counterspin.datasets import Dataset, Split
from counterspin.errors import StorageError, UsageError
from counterspin.models import QuantumClassifier, save_model, set_engine
from counterspin.recipes.recipe import Recipe
from counterspin.recipes.registry import get
from counterspin.training import CrossEntropyObjective, TrainingResult, accuracy, fit

__all__ = ["TrainedRecipe", "train"]


@dataclass(frozen=True, kw_only=True)
class TrainedRecipe:
    """A recipe trained with one seed.

    Args:
        recipe: what was trained.
        seed: decides split, initial weights and order of the samples.
        model: the model of stage 2, frozen and in evaluation mode.
        logit_scale: T learned in stage 1 and frozen in stage 2; None where the recipe learns none.
        validation_accuracy: of stage 1, at its best epoch.
        test_accuracy: clean accuracy of the model on the test split, in float64.
        seconds: time of both stages; epochs resumed from a checkpoint cost nothing.
        data_sha256: hash of the data.
    """

    recipe: Recipe
    seed: int
    model: Any
    logit_scale: float | None
    validation_accuracy: float
    test_accuracy: float
    seconds: float
    data_sha256: str


def train(
    name: str, *, seed: int = 0, out: Path | None = None, engine: str = "auto", progress: bool = True
) -> TrainedRecipe:
    """Train the recipe `name` with `seed`.

    With `out`, the model is saved there and every finished epoch in `out`/checkpoints: the same call resumes after an
    interrupt and ends with bit-identical weights. `engine` runs the circuit, see `simulation.run`; the two engines
    differ in the last bits of float32, and so do the weights they lead to.

    Raises:
        UsageError: no such recipe, an engine that cannot serve, `out` is a file or holds the checkpoints of another
            run.
        StorageError: `out` cannot be made.
        InterruptedRunError: Ctrl-C.
    """
    recipe = get(name)
    # Refused before anything is made.
    set_engine(recipe.architecture(torch.Generator(), None), engine)
    if out is not None:
        _make(out)
    dataset = recipe.dataset(seed)
    checkpoints = None if out is None else out / "checkpoints"
    started = time.perf_counter()
    first, second = (None if checkpoints is None else checkpoints / f"stage-{k}.safetensors" for k in (1, 2))
    stage = partial(_stage, recipe, seed=seed, engine=engine, progress=progress)
    chosen, result = stage(dataset.train, dataset.validation, None, checkpoint=first)
    scale = _learned_scale(chosen)
    model, _ = stage(dataset.training_part, None, scale, checkpoint=second)
    seconds = time.perf_counter() - started
    model.requires_grad_(False).eval()
    if out is not None:
        save_model(model, out)
    return TrainedRecipe(
        recipe=recipe,
        seed=seed,
        model=model,
        logit_scale=scale,
        validation_accuracy=result.best.validation_accuracy or 0.0,
        test_accuracy=_test_accuracy(model, dataset),
        seconds=seconds,
        data_sha256=dataset.sha256,
    )


def _make(out: Path) -> None:
    """Make the directory before anything is trained."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"out is {out}, a file; a model is saved as a directory, choose another name.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"out {out} cannot be made ({error.strerror}); choose a place that can be written."
        ) from error


def _stage(
    recipe: Recipe,
    split: Split,
    validation: Split | None,
    scale: float | None,
    *,
    seed: int,
    engine: str,
    checkpoint: Path | None,
    progress: bool,
) -> tuple[nn.Module, TrainingResult]:
    """A fresh model of `seed` trained on `split`."""
    generator = torch.Generator().manual_seed(seed)
    model = recipe.architecture(generator, scale)
    set_engine(model, engine)
    result = fit(
        model,
        CrossEntropyObjective(),
        split,
        validation,
        recipe.settings,
        generator=generator,
        checkpoint=checkpoint,
        progress=progress,
    )
    return model, result


def _learned_scale(model: nn.Module) -> float | None:
    """T, where it was trained."""
    if not (isinstance(model, QuantumClassifier) and model.trainable_head):
        return None
    head = model.readout.head
    return float(head.value.detach()) if isinstance(head, Scale) else None


def _test_accuracy(model: Any, dataset: Dataset) -> float:
    return accuracy(model, dataset.test)
