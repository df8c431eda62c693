"""MODEL on the command line: a recipe, a saved or registered model, or a user's own, with samples to audit it on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from counterspin import recipes
from counterspin.cli.own_models import NEEDED as _NEEDED
from counterspin.cli.own_models import brought, is_own
from counterspin.cli.samples import Samples, read_samples
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
    """A model, its samples, and how to name them; `threat` and training samples are a recipe's own, or None.

    `quantum`: the samples are states.
    """

    name: str
    model: Classifier
    x: Tensor
    y: Any
    threat: ThreatModel | None
    dataset_card: dict[str, Any]
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    image_shape: tuple[int, ...] | None
    train_x: Tensor | None = None
    quantum: bool = False


def audit_target(
    model: str,
    data: Path | None,
    *,
    bounds: tuple[float, float] | None = None,
    above: int | None = None,
    gradient: str = "auto",
) -> Target:
    """What MODEL, `--data` and `--bounds` name.

    A recipe goes before a directory of the same name (`./name` is the directory), and a directory before a model that
    another distribution registers in `counterspin.models`.

    Args:
        model: a recipe, a saved model's directory, a registered name, `file.py:object` or a .qasm file.
        data: samples and labels, for all but recipes.
        bounds: lowest and highest value of a feature, for a user's own model.
        above: the class that a single output above the threshold stands for, for a user's own model.
        gradient: `"none"`: a user's own model is a black box.

    Raises:
        UsageError: none of these, a model without data, or a recipe with data.
        InputError: a data file that cannot be read.
        ModelError: a saved model that cannot be read, or a user's model that cannot be used.
    """
    if is_own(model):
        found = brought(model, data, bounds=bounds, above=above, gradient=gradient)
        if found.samples is None:
            raise UsageError(f"{model} comes without samples; {_NEEDED}.")
        return _with_samples(model, found.adopted.model, found.samples, found.source)
    if bounds is not None or above is not None:
        option = "--bounds" if bounds is not None else "--above"
        raise UsageError(f"{option} goes with a model of your own (file.py:object or .qasm); {model} has its own.")
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
    return _with_samples(model, model_called(model), read_samples(data), str(data))


def _with_samples(name: str, model: Classifier, samples: Samples, source: str) -> Target:
    return Target(
        name=name,
        model=model,
        x=samples.x,
        y=samples.y,
        threat=None,
        # The samples of a model's own file need no `--data` to be found again.
        dataset_card={"name": source, "split": "given", "source": "file"}
        if source != name
        else {"name": "x and y of the model's file", "split": "given", "source": "model file"},
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
        train_x=dataset.train.x,
        quantum=dataset.quantum,
    )
