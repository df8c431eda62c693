"""MODEL of `counterspin harden`: a recipe, or a model of one's own with samples to train it on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from counterspin import recipes
from counterspin.cli.own_models import brought, is_own
from counterspin.cli.samples import read_samples, write_arrays
from counterspin.cli.targets import SAMPLES, Target, audit_target, model_called
from counterspin.cli.threats import chosen_threat
from counterspin.cli.values import numbers
from counterspin.errors import UsageError
from counterspin.evaluation.run_store import RunStore
from counterspin.threats import ThreatModel, check_words

__all__ = ["TrainingTarget", "training_target", "write_model_samples"]


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingTarget:
    """What is trained: `model` is a recipe's name or a classifier, `options` the arguments that go with it."""

    model: Any
    threat: ThreatModel
    options: dict[str, Any]


def training_target(
    model: str,
    data: Path | None,
    *,
    norm: str | None,
    eps: str | None,
    units: str | None,
    box: str | None,
    bounds: tuple[float, float] | None,
) -> TrainingTarget:
    """The model, its training samples and the threat that the options name.

    Raises:
        UsageError: no such model, a recipe with data, or another model without; words that mean nothing.
        InputError: a data file that cannot be read, or has no labels.
        ModelError: a model that cannot be read or used.
    """
    check_words(norm=norm, units=units, box=box)
    if eps is not None:
        numbers("--eps", eps)
    own = is_own(model)
    if not own and (model in recipes.names() or not Path(model).is_dir()):
        if bounds is not None:
            raise UsageError(f"--bounds goes with a model of your own (file.py:object or .qasm); {model} has its own.")
        found = audit_target(model, data)  # refuses --data and unknown names
        if found.threat is None:
            raise UsageError(f"{model} is a registered model, which comes without weights to train; save it first.")
        return TrainingTarget(model=model, threat=chosen_threat(found, norm, eps, units, box), options={})
    if data is None:
        raise UsageError(f"{model} is no recipe; give the samples to train it on with --data FILE (arrays x and y).")
    given = read_samples(data)
    classifier = brought(model, data, bounds=bounds).adopted.model if own else model_called(model)
    beside = None if own else Path(model) / SAMPLES
    # The samples beside a saved model are those it was tested on.
    test = None if beside is None or not beside.is_file() else read_samples(beside)
    target = Target(
        name=model,
        model=classifier,
        x=given.x,
        y=given.y,
        threat=None,
        dataset_card={},
        class_names=given.class_names,
        feature_names=given.feature_names,
        image_shape=given.image_shape,
    )
    options = {
        "train": (given.x, given.y),
        "test": None if test is None else (test.x, test.y),
        "name": model,
        "dataset": {
            "name": str(data if test is None else beside),
            "split": "held out" if test is None else "given",
            "trained on": str(data),
        },
        "class_names": given.class_names,
        "feature_names": given.feature_names,
        "image_shape": given.image_shape,
    }
    return TrainingTarget(model=classifier, threat=chosen_threat(target, norm, eps, units, box), options=options)


def write_model_samples(directory: Path) -> None:
    """Put the audited samples beside every model of a hardening, so that `counterspin audit` finds them there."""
    with RunStore(directory / "after", None) as store:
        inputs, subject = store.tensors("inputs") or {}, store.stage("subject") or {}
    arrays = {
        "x": inputs["x"].numpy(),
        "y": inputs["y"].numpy(),
        "class_names": np.array(subject["class_names"], dtype=str),
        "feature_names": np.array(subject["feature_names"], dtype=str),
    }
    if subject.get("image_shape"):
        arrays["image_shape"] = np.array(subject["image_shape"])
    for place in (directory / "model", *sorted((directory / "models").glob("*"))):
        if (place / "model.json").is_file() and not (place / SAMPLES).is_file():
            write_arrays(arrays, place / SAMPLES)
