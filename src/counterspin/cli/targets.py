"""MODEL on the command line: a recipe, a saved model or a registered one, with the samples to audit it on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from counterspin import recipes
from counterspin.cli.samples import read_samples
from counterspin.errors import UsageError
from counterspin.models import load_model
from counterspin.models.plugins import model_of, registered
from counterspin.threats import ThreatModel
from counterspin.types import Classifier

__all__ = ["SAMPLES", "Target", "audit_target", "model_called"]

# Samples beside a saved model, used where `--data` names none; `counterspin train` writes them.
SAMPLES = "test.npz"


@dataclass(frozen=True, kw_only=True, eq=False)
class Target:
    """A model, its samples, and how to name them; `threat` is the recipe's own where there is one."""

    name: str
    model: Classifier
    x: Tensor
    y: Any
    threat: ThreatModel | None
    dataset_card: dict[str, Any]
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    image_shape: tuple[int, ...] | None


def audit_target(model: str, data: Path | None) -> Target:
    """What MODEL and `--data` name.

    A recipe goes before a directory of the same name (`./name` is the directory), and a directory before a model that
    another distribution registers in `counterspin.models`.

    Raises:
        UsageError: none of the three, a model without data, or a recipe with data.
        InputError: a data file that cannot be read.
        ModelError: a saved model that cannot be read.
    """
    path = Path(model)
    if _is_recipe(model):
        return _recipe(model, data)
    if data is None:
        data = path / SAMPLES
        if not data.is_file():
            kind = "saved" if path.is_dir() else "registered"
            raise UsageError(
                f"{model} is a {kind} model without {SAMPLES} beside it; give the samples to audit it on with "
                "--data FILE.npz (arrays x and y)."
            )
    classifier, samples = model_called(model), read_samples(data)
    return Target(
        name=model,
        model=classifier,
        x=samples.x,
        y=samples.y,
        threat=None,
        dataset_card={"name": str(data), "split": "given", "source": "file"},
        class_names=samples.class_names,
        feature_names=samples.feature_names,
        image_shape=samples.image_shape,
    )


def model_called(name: str) -> Classifier:
    """The model MODEL names, without samples.

    Raises:
        UsageError: neither a recipe nor a saved or registered model, or a registered one that is broken.
        ModelError: a saved model that cannot be read.
    """
    if _is_recipe(name):
        return _get(name).model()
    return load_model(Path(name)) if Path(name).is_dir() else model_of(registered()[name])


def _is_recipe(model: str) -> bool:
    """Whether MODEL means a recipe, also one that does not exist: its error lists what does."""
    return model in recipes.names() or not model or not (Path(model).is_dir() or model in registered())


def _get(name: str) -> recipes.Recipe:
    try:
        return recipes.get(name)
    except UsageError as error:
        raise UsageError(f"{name!r} is no directory of a saved model, and {error}") from None


def _recipe(name: str, data: Path | None) -> Target:
    recipe = _get(name)
    if data is not None:
        raise UsageError("--data goes with a saved model; a recipe brings its own data.")
    dataset = recipe.dataset()
    return Target(
        name=recipe.name,
        model=recipe.model(),
        x=dataset.test.x,
        y=dataset.test.y,
        threat=recipe.threat,
        dataset_card={
            "name": dataset.name,
            "split": "test",
            "source": dataset.source,
            "licence": dataset.licence,
            "sha256": dataset.sha256,
        },
        class_names=dataset.class_names,
        feature_names=dataset.feature_names,
        image_shape=dataset.image_shape,
    )
