"""What is hardened: a recipe, which is trained anew, or a model with training samples, which is fine-tuned."""

from __future__ import annotations

import copy
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from counterspin import recipes
from counterspin.circuits import Scale
from counterspin.datasets import Dataset, Split
from counterspin.datasets.splits import VALIDATION_SHARE, stratified_splits
from counterspin.errors import CapabilityError, ModelError, UsageError
from counterspin.models import QuantumClassifier, load_model, save_model
from counterspin.recipes.recipe import Architecture
from counterspin.training import TrainingSettings
from counterspin.types import Classifier
from counterspin.validation import as_features, as_labels

__all__ = ["Trainee", "carved", "check_trainable", "given_trainee", "recipe_trainee"]

# Of samples that come without any to audit on, so many are held out.
_HELD_OUT = 0.3

# The settings of a fine-tuning: a third of the recipes' learning rate, as the weights are good already.
_FINE_TUNING = TrainingSettings(epochs=40, batch_size=64, learning_rate=0.01)


@dataclass(frozen=True, kw_only=True, eq=False)
class Trainee:
    """A model that can be trained, and its data.

    Args:
        name: what it is called.
        source: `"recipe"`: trained from fresh weights; `"given"`: fine-tuned from its own.
        dataset: samples to train, choose and audit on.
        settings: epochs, batch size, learning rate, decay.
        stand_in: a model of the same kind as the undefended one, to refuse on before anything is trained.
        fresh: an untrained model from a generator and a logit scale; None: fine-tuned.
        committed: whether `stand_in` is the undefended model itself.
        seed: of the data, and of a recipe's training.
    """

    name: str
    source: Literal["recipe", "given"]
    dataset: Dataset
    settings: TrainingSettings
    stand_in: Any
    fresh: Architecture | None
    committed: bool
    seed: int

    def undefended(self, directory: Path) -> Any:
        """The model without a defence, frozen; a recipe of another seed is trained in `directory`, which resumes."""
        if self.committed:
            return self.stand_in
        if not (directory / "model.json").is_file():
            recipes.train(self.name, seed=self.seed, out=directory, progress=False)
        return load_model(directory)

    def start(self, undefended: nn.Module, generator: torch.Generator, *, warm: bool) -> nn.Module:
        """The model that training starts from: fresh weights with the logit scale of the undefended one, or its own."""
        fresh = None if self.fresh is None else self.fresh(generator, logit_scale(undefended))
        if fresh is not None and not warm:
            return fresh
        own = copy.deepcopy(undefended)
        if fresh is None:
            return own.requires_grad_(True)
        # What the architecture trains is trained, and nothing else.
        wanted = {name for name, parameter in fresh.named_parameters() if parameter.requires_grad}
        for name, parameter in own.named_parameters():
            parameter.requires_grad_(name in wanted)
        return own


def recipe_trainee(name: str, *, seed: int) -> Trainee:
    """A recipe with its data of `seed`; the undefended model of seed 0 is the committed one.

    Raises:
        UsageError: no such recipe, or a negative seed.
    """
    recipe = recipes.get(name)
    return Trainee(
        name=name,
        source="recipe",
        dataset=recipe.dataset(seed),
        settings=recipe.settings,
        stand_in=recipe.model(),
        fresh=recipe.architecture,
        committed=seed == 0,
        seed=seed,
    )


def given_trainee(model: Classifier, dataset: Dataset, *, name: str, seed: int) -> Trainee:
    """A trained model with samples of its own.

    Raises:
        CapabilityError: a model with nothing to train.
    """
    check_trainable(model)
    frozen: Any = copy.deepcopy(model)
    return Trainee(
        name=name,
        source="given",
        dataset=dataset,
        settings=_FINE_TUNING,
        stand_in=frozen.requires_grad_(False).eval(),
        fresh=None,
        committed=True,
        seed=seed,
    )


def logit_scale(model: nn.Module) -> float | None:
    """The frozen logit scale T of a model; None where it has none."""
    if not isinstance(model, QuantumClassifier) or model.trainable_head:
        return None
    head = model.readout.head
    return float(head.value.detach()) if isinstance(head, Scale) and head.value.ndim == 0 else None


def check_trainable(model: Classifier) -> None:
    """Refuse a model that no training can change, or that cannot be saved afterwards.

    Raises:
        CapabilityError: a black box, a stochastic model, one without weights, or one that counterspin cannot save.
    """
    kind = type(model).__name__
    if not isinstance(model, nn.Module) or not any(True for _ in model.parameters()):
        raise CapabilityError(
            f"model ({kind}) has no weights that counterspin can train; harden takes recipes, saved models and models "
            "whose circuit is imported, see `counterspin inspect`."
        )
    if model.stochastic or getattr(model, "differentiable", True) is False:
        what = "stochastic" if model.stochastic else "not differentiable"
        raise CapabilityError(
            f"model ({kind}) is {what} and cannot be trained by gradients; harden its exact twin instead."
        )
    with tempfile.TemporaryDirectory() as workshop:
        try:
            save_model(model, Path(workshop) / "model")
        except ModelError as error:
            raise CapabilityError(
                f"model ({kind}) is computed by another library and cannot be saved once it is trained; harden takes "
                "models whose circuit is imported, see `counterspin inspect`."
            ) from error


def carved(
    model: Classifier, train: tuple[Any, Any], test: tuple[Any, Any] | None, *, seed: int, name: str, **names: Any
) -> Dataset:
    """The samples of a given model as a data set: 15 % of what is trained on are carved off for validation.

    Args:
        model: its box and classes.
        train: samples `(samples, features)` and labels to train on.
        test: samples and labels to audit on; None: 30 % of `train`, which are then not trained on.
        seed: of the draw.
        name: where the samples come from.
        names: `class_names`, `feature_names`, `image_shape`, where known.

    Raises:
        InputError: data that cannot be used.
        UsageError: too few samples.
    """
    given = _split(model, train, "train")
    held = _split(model, test, "test") if test is not None else None
    share = VALIDATION_SHARE if held is not None else _HELD_OUT
    rows = stratified_splits(given.y.numpy(), test=max(1, round(share * len(given))), seed=seed)
    first, second, third = (
        Split(given.x[part], given.y[part])
        for part in (torch.from_numpy(index) for index in (rows.train, rows.validation, rows.test))
    )
    features = model.bounds.features
    return Dataset(
        name=name,
        train=first if held is None else first.joined(second),
        validation=second if held is None else third,
        test=third if held is None else held,
        bounds=model.bounds,
        class_names=tuple(names.get("class_names") or ()) or tuple(str(k) for k in range(model.classes)),
        feature_names=tuple(names.get("feature_names") or ()) or tuple(f"x{i}" for i in range(features)),
        image_shape=names.get("image_shape") or None,
        source="given",
        licence="",
    )


def _split(model: Classifier, pair: tuple[Any, Any], name: str) -> Split:
    if not isinstance(pair, tuple) or len(pair) != 2 or pair[1] is None:
        raise UsageError(f"{name} is {type(pair).__name__}; give samples and labels, {name}=(x, y).")
    x: Tensor = as_features(pair[0], model.bounds, name=f"{name} x").to(torch.float64)
    return Split(x, as_labels(pair[1], model.classes, len(x), name=f"{name} y"))
