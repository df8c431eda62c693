"""What a user hands over, checked at the door: model, samples, labels, and how to name them."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from typing import Any, get_args

from counterspin.attacks.verdict import margins
from counterspin.errors import InputError, ModelError
from counterspin.evaluation.audit import Subject
from counterspin.evaluation.cards import model_card
from counterspin.threats import ThreatModel
from counterspin.types import Outputs
from counterspin.validation import check_classifier_interface

__all__ = ["checked_subject", "discard", "silent"]


def checked_subject(
    model: Any,
    x: Any,
    y: Any,
    threat: ThreatModel,
    *,
    name: str | None,
    dataset: dict[str, Any] | None,
    class_names: Sequence[str] = (),
    feature_names: Sequence[str] = (),
    image_shape: Sequence[int] | None = None,
) -> Subject:
    """Model and samples with their names, refused before any compute where they do not fit.

    Raises:
        InputError: data that cannot be used, or names that do not fit them.
        ModelError: a model that cannot be used.
    """
    subject = Subject.checked(
        check_classifier_interface(model),
        x,
        y,
        threat,
        model_card=model_card(model, name),
        dataset_card=_json("dataset", dataset or {"name": "data given in Python"}),
        class_names=tuple(class_names),
        feature_names=tuple(feature_names),
        image_shape=None if image_shape is None else _rows_and_columns(image_shape),
    )
    _check_names(subject)
    _check_scores(subject)
    return subject


def discard(temporary: str | None) -> None:
    """Remove a temporary directory, if there is one."""
    if temporary is not None:
        shutil.rmtree(temporary, ignore_errors=True)


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
    margins(subject.model, subject.x[:1], subject.y[:1])


def _json(argument: str, value: dict[str, Any]) -> dict[str, Any]:
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(f"{argument} cannot be stored as JSON ({error}); give texts and finite numbers.") from None
