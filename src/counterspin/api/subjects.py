"""What a user hands over, checked at the door: model, samples, labels, and how to name them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from counterspin.attacks.verdict import margins
from counterspin.errors import InputError, ModelError, UsageError
from counterspin.evaluation.audit import Subject
from counterspin.evaluation.cards import model_card
from counterspin.evaluation.fingerprints import run_key
from counterspin.models.conditioned import conditioned
from counterspin.models.conditions import Conditions
from counterspin.threats import ThreatModel
from counterspin.types import Box, Classifier, Outputs, PricesCalls
from counterspin.validation import check_classifier_interface

__all__ = ["checked_subject", "run_name", "silent"]


def checked_subject(
    model: Any,
    x: Any,
    y: Any,
    threat: ThreatModel,
    *,
    name: str | None,
    dataset: dict[str, Any] | None,
    bounds: Box | tuple[float, float] | None = None,
    class_names: Sequence[str] = (),
    feature_names: Sequence[str] = (),
    image_shape: Sequence[int] | None = None,
    conditions: Conditions | None = None,
    seed: int = 0,
) -> Subject:
    """Model and samples with their names, refused before any compute where they do not fit.

    A model of another library becomes a classifier between `bounds`, see `counterspin.models.integrations.adopt`; under
    `conditions` the subject is the model as it would be run there.

    Raises:
        InputError: data that cannot be used, or names that do not fit them.
        ModelError: a model that cannot be used.
        UsageError: bounds for a classifier that has its own, or none for a model without and a threat with a box; an
            unknown device, noise or mitigation.
        CapabilityError: conditions that the model cannot be run under.
    """
    model = _classifier(model, x, bounds, threat)
    subject = Subject.checked(
        model,
        x,
        y,
        threat,
        model_card=model_card(model, name),
        dataset_card=_json("dataset", dataset or {"name": "data given in Python"}),
        class_names=tuple(class_names),
        feature_names=tuple(feature_names),
        image_shape=None if image_shape is None else _rows_and_columns(image_shape),
    )
    if conditions is not None:
        subject = _under(subject, conditions, seed)
    _check_names(subject)
    _check_scores(subject)
    return subject


def _under(subject: Subject, conditions: Conditions, seed: int) -> Subject:
    """The subject run under `conditions`; its card says what they came to."""
    found = conditioned(subject.model, conditions, subject.x, seed=seed)
    card = {**subject.model_card, "outputs": found.model.outputs, "conditions": found.asked}
    if found.notes:
        card["assumes"] = list(found.notes)
    return replace(subject, model=found.model, model_card=card, conditioned=found)


def _classifier(model: Any, x: Any, bounds: Box | tuple[float, float] | None, threat: ThreatModel) -> Classifier:
    if isinstance(model, Classifier):
        if bounds is not None:
            raise UsageError("bounds go with a model of another library; this classifier has bounds of its own.")
        return model
    if not callable(model) and isinstance(model, str | bytes | int | float | None):
        return check_classifier_interface(model)
    if bounds is None and threat.box == "data":
        raise UsageError(
            "bounds are missing: give the lowest and highest value a feature may take, for example bounds=(0, 1), or "
            'a threat with box="none".'
        )
    # Here: a classifier of ours needs no integration.
    from counterspin.models.integrations import adopt

    return adopt(model, x, bounds=bounds).model


def run_name(name: str, config: Mapping[str, Any]) -> str:
    """Name of a run's own directory, from the model's name and what keys the run.

    Example:
        >>> run_name("models/mine.py:net", {"seed": 0})
        'mine.py-net-bd0488843468'
    """
    # Of a name that is a path the last part: a run must not leave `runs`. Some file systems know no colon.
    return f"{Path(name).name.replace(':', '-')}-{run_key(config)[:12]}"


def silent(label: str, finished: int, total: int) -> None:
    """No progress display."""


def _rows_and_columns(shape: Sequence[int]) -> tuple[int, int]:
    if len(shape) != 2:
        raise InputError(f"image_shape is {tuple(shape)}; give the number of rows and the number of columns.")
    return int(shape[0]), int(shape[1])


def _check_names(subject: Subject) -> None:
    """Refuse before any compute what the report could not draw after it."""
    features = subject.x.shape[1]
    for argument, names, expected in (
        ("class_names", subject.class_names, subject.model.classes),
        ("feature_names", subject.feature_names, features),
    ):
        if names and len(names) != expected:
            raise InputError(f"{argument} holds {len(names)} names; the model has {expected} of them.")
    shape = subject.image_shape
    if shape is not None and math.prod(shape) != features:
        raise InputError(f"image_shape is {shape}; rows x columns must be the number of features, {features}.")


def _check_scores(subject: Subject) -> None:
    """Refuse a model that fails on the first sample, in the precision of verdicts."""
    if subject.model.classes < 2:
        raise ModelError(f"model.classes is {subject.model.classes}; a classifier has at least 2.")
    if subject.model.outputs not in get_args(Outputs):
        raise ModelError(f"model.outputs is {subject.model.outputs!r}; allowed: {', '.join(get_args(Outputs))}.")
    # A device is asked nothing that no budget pays for; its first predictions are checked all the same.
    if not isinstance(subject.model, PricesCalls):
        margins(subject.model, subject.x[:1], subject.y[:1])


def _json(argument: str, value: dict[str, Any]) -> dict[str, Any]:
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(f"{argument} cannot be stored as JSON ({error}); give texts and finite numbers.") from None
