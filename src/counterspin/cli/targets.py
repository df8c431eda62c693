"""MODEL on the command line: a recipe or a saved model, with the samples to audit it on."""

import io
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from counterspin import recipes
from counterspin.errors import InputError, UsageError
from counterspin.models import load_model
from counterspin.threats import ThreatModel
from counterspin.types import Classifier

__all__ = ["Target", "audit_target"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Target:
    """A model, its samples, and how to name them; `threat` is the recipe's own where there is one."""

    name: str
    model: Classifier
    x: Tensor
    y: Tensor
    threat: ThreatModel | None
    dataset_card: dict[str, Any]
    class_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    image_shape: tuple[int, int] | None = field(default=None)


def audit_target(model: str, data: Path | None) -> Target:
    """What MODEL and `--data` name.

    Raises:
        UsageError: neither a recipe nor a saved model, or a saved model without data.
        InputError: a data file that cannot be read.
        ModelError: a saved model that cannot be read.
    """
    path = Path(model)
    if not path.is_dir():
        return _recipe(model, data)
    if data is None:
        raise UsageError(
            f"{model} is a saved model; give the samples to audit it on with --data FILE.npz (arrays x and y)."
        )
    x, y = _samples(data)
    card = {"name": data.name, "split": "given", "source": "file"}
    return Target(
        name=path.name, model=load_model(path).requires_grad_(False).eval(), x=x, y=y, threat=None, dataset_card=card
    )


def _recipe(name: str, data: Path | None) -> Target:
    recipe = recipes.get(name)
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
        class_names=tuple(dataset.class_names),
        feature_names=tuple(dataset.feature_names),
        image_shape=dataset.image_shape,
    )


def _samples(path: Path) -> tuple[Tensor, Tensor]:
    try:
        # Read first: a damaged archive would leave numpy's own file handle open. allow_pickle stays off: a data file
        # must not be able to run code.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            x, y = arrays["x"], arrays["y"]
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(
            f"--data {path} cannot be read ({error}); give a .npz file with arrays x (samples, features) and "
            "y (samples,)."
        ) from None
    try:
        return torch.as_tensor(x), torch.as_tensor(y)
    except TypeError as error:
        raise InputError(f"--data {path} holds arrays that are no numbers ({error}).") from None
