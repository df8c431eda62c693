"""A user's own model on the command line, `file.py:object` or a .qasm file, adopted with the samples beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from counterspin.cli.samples import Samples, read_samples, samples_of
from counterspin.cli.user_files import UserModel, is_user_file, load_user_model
from counterspin.errors import ModelError, UsageError
from counterspin.types import Box, Classifier
from counterspin.validation import as_features

if TYPE_CHECKING:
    from counterspin.models.integrations import Adopted

__all__ = ["NEEDED", "Brought", "brought", "is_own"]

NEEDED = "give them with --data FILE (.npz with x and y, or .csv), or define x and y in the model's file"

# Formats that run code when they are read.
_PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt")


@dataclass(frozen=True, kw_only=True, eq=False)
class Brought:
    """A user's model as one of ours.

    Args:
        adopted: the classifier, and how it became one.
        x: samples `(samples, features)`.
        samples: what it is audited on; None: there are no labels.
        source: where the samples come from.
    """

    adopted: Adopted
    x: Tensor
    samples: Samples | None
    source: str


def is_own(model: str) -> bool:
    """Whether MODEL means a user's own model."""
    return is_user_file(model) or Path(model).suffix.lower() in (".qasm", *_PICKLES)


def brought(
    model: str,
    data: Path | None,
    *,
    bounds: tuple[float, float] | None = None,
    above: int | None = None,
    route: str = "auto",
    gradient: str = "auto",
) -> Brought:
    """The classifier a user's model becomes.

    Args:
        model: `file.py:object` or a .qasm file.
        data: samples and labels; None: those of the file.
        bounds: lowest and highest value of a feature; None: those of the file.
        above: the class that a single output above the threshold stands for; None: the library's convention.
        route: `"auto"`, `"import"` or `"wrap"`.
        gradient: `"auto"` or `"none"` (a black box).

    Raises:
        UsageError: no such model, or no samples.
        InputError: a data file that cannot be read, or samples outside the bounds.
        ModelError: a model that cannot be used.
    """
    if Path(model).suffix.lower() in _PICKLES:
        raise ModelError(
            f"{model} is a pickle, which runs code when it is read and says nothing of the model's source; write a "
            "Python file that builds the model and loads its weights, and give file.py:object."
        )
    from counterspin.models.integrations import adopt

    given = None if data is None else read_samples(data)
    if not is_user_file(model):
        from counterspin.models.integrations.qasm_models import qasm_model

        x = _points(qasm_model(Path(model), bounds=bounds).bounds) if given is None else given.x
        return Brought(adopted=adopt(Path(model), x, bounds=bounds), x=x, samples=given, source=str(data))
    user = load_user_model(model)
    samples, source = given, str(data)
    if samples is None and user.y is not None and user.x is not None:
        samples, source = samples_of({"x": user.x, "y": user.y}, model), model
    x: Any = user.x if samples is None else samples.x
    if x is None:
        x = _invented(user, model, bounds)
    if isinstance(user.model, Classifier):  # it says itself what else the file defines
        adopted = adopt(user.model, x, bounds=bounds, above=above, route=route, gradient=gradient)
    else:
        box = user.bounds if bounds is None else bounds
        adopted = adopt(user.model, x, bounds=box, above=above, weights=user.weights, route=route, gradient=gradient)
    return Brought(adopted=adopted, x=as_features(x), samples=samples, source=source)


def _invented(user: UserModel, model: str, bounds: tuple[float, float] | None) -> Tensor:
    """A few points to look at a model without samples: it must say how many features it takes, the user how far."""
    from counterspin.models.integrations.feature_counts import feature_count

    box = user.bounds if bounds is None else bounds
    if isinstance(user.model, Classifier):
        return _points(user.model.bounds)
    features = feature_count(user.model)
    if features is None:
        raise UsageError(f"{model} comes without samples, and does not say how many features it takes; {NEEDED}.")
    if box is None:
        raise UsageError(f"{model} comes without samples; {NEEDED}, or give --bounds LOW HIGH to look at it without.")
    return _points(box if isinstance(box, Box) else Box.uniform(*box, features=features))


def _points(bounds: Box) -> Tensor:
    """A few points between the bounds, to look at a model that comes without samples."""
    low, high = bounds.lower.clamp(min=-1.0), bounds.upper.clamp(max=1.0)
    share = torch.rand(8, bounds.features, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return bounds.clamp(low + share * (high - low))
