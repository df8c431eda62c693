"""Fitted scikit-learn classifiers, and those of libraries built on it, as models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from counterspin.errors import ModelError
from counterspin.models.classical import MLP
from counterspin.models.integrations.preprocessing import Preprocessing, leading_preprocessing
from counterspin.models.integrations.reading import Candidate, CircuitReading, Options
from counterspin.models.integrations.sklearn_imports import imported_estimator
from counterspin.models.integrations.sklearn_kernels import is_precomputed, kernel_of
from counterspin.models.integrations.sklearn_names import check_fitted, inherits
from counterspin.models.integrations.sklearn_values import EstimatorValues, values_of
from counterspin.optimum.affine_map import AffineMap
from counterspin.types import Box

__all__ = ["claims", "read"]


def claims(model: Any) -> bool:
    """Whether `model` is a scikit-learn estimator or inherits from one; libraries built on it are asked before.

    Example:
        >>> from sklearn.svm import SVC
        >>> claims(SVC()), claims(SVC), claims(print)
        (True, False, False)
    """
    return inherits(model, "BaseEstimator")


def read(model: Any, options: Options) -> Candidate:
    """What a fitted classifier is: a black box, unless its numbers are those of one of our models.

    Leading scalers and principal components of a `sklearn.pipeline.Pipeline` belong to the model, so that a budget is
    in the user's units, and what follows may be of another library. Class k is `model.classes_[k]`. A machine fitted on
    a precomputed kernel matrix needs `weights=`, see `kernel_of`.

    Raises:
        ModelError: not fitted, no classifier of one label per sample, or a precomputed kernel without the kernel.

    Example:
        >>> from sklearn.linear_model import LogisticRegression
        >>> x = torch.tensor([[0.0], [1.0], [2.0], [3.0]], dtype=torch.float64)
        >>> found = read(LogisticRegression().fit(x, [0, 0, 1, 1]), Options(x=x))
        >>> found.values, type(found.imported).__name__
        ('logits', 'LogisticRegression')
    """
    features = options.x.shape[1]
    before, last = _taken_apart(model, features)
    foreign = _reader_of(last)
    if foreign is not None and not before.steps:
        return foreign.read(last, options)
    if foreign is not None:
        seen = replace(options, x=before(options.x), box=None)
        return _behind(before, foreign.read(last, seen), features)
    check_fitted("model", last)
    _check_classifier(last)
    if is_precomputed(model):
        return _read_machine(model, options)
    taken = int(getattr(model, "n_features_in_", features))
    if taken != features:
        raise ModelError(f"model ({type(model).__name__}) was fitted on {taken} features; x has {features}.")
    asked = values_of(model, options.x.numpy())
    scores = asked.values == "logits" and asked.source != "labels"
    imported = imported_estimator(last) if scores else None
    if imported is None:
        reason = f"{type(last).__name__} is a black box: its {asked.source} can be asked, and carry no gradient"
    else:
        what = f"a perceptron with {imported.activation}" if isinstance(imported, MLP) else "a linear map"
        reason = f"{type(last).__name__} is {what}, read number by number"
        imported = before.before(imported, Box.unbounded(features)) if before.steps else imported
    return _candidate(model, asked, asked.compute, imported, reason, options, before)


def _read_machine(model: Any, options: Options) -> Candidate:
    """A machine on a precomputed kernel: its home is the kernel's rows, then the machine."""
    kernel = kernel_of(model, options.weights)
    features = options.x.shape[1]
    if kernel.training.shape[1] != features:
        raise ModelError(
            f"weights['x'] has {kernel.training.shape[1]} features and x has {features}; give samples of one kind."
        )
    asked = values_of(model, kernel.compute(options.x.numpy()))
    imported, reason = kernel.imported(model)
    given = Preprocessing(input_map=AffineMap.identity(features), steps=())
    return _candidate(model, asked, lambda x: asked.compute(kernel.compute(x)), imported, reason, options, given)


def _candidate(
    model: Any,
    asked: EstimatorValues,
    compute: Callable[[np.ndarray], np.ndarray],
    imported: Any,
    reason: str,
    options: Options,
    before: Preprocessing,
) -> Candidate:
    def home(x: Tensor) -> Tensor:
        return torch.from_numpy(compute(x.detach().cpu().double().numpy())).to(x)

    return Candidate(
        kind=f"{type(model).__module__.split('.')[0]}.{type(model).__name__}",
        home=home,
        values=asked.values,
        home_differentiable=False,
        stochastic=False,
        imported=None if imported is None else imported.requires_grad_(False).eval(),
        reason=reason,
        repairs=_renumbered(model),
        features=options.x.shape[1],
        above=1 if home(options.x[:1]).shape[1] == 1 else None,
        space=before.space if before.steps else None,
    )


def _taken_apart(model: Any, features: int) -> tuple[Preprocessing, Any]:
    """The affine steps at the start of a model, and what is behind them."""
    before = Preprocessing(input_map=AffineMap.identity(features), steps=())
    while True:
        if inherits(model, "BaseSearchCV"):
            check_fitted("model", model)
            model = model.best_estimator_
            continue
        if not inherits(model, "Pipeline"):
            return before, model
        more, rest = leading_preprocessing(model, features=before.input_map.outputs)
        before = replace(before, input_map=before.input_map.then(more.input_map), steps=(*before.steps, *more.steps))
        if rest is model:
            return before, rest
        model = rest


def _reader_of(estimator: Any) -> Any:
    """The integration of another library that reads the last step of a pipeline; None: it is scikit-learn's."""
    # Here: the list of integrations names this module.
    from counterspin.models.integrations.detect import integration_of

    found: Any = integration_of(estimator)
    return None if found.claims is claims else found


def _behind(before: Preprocessing, inner: Candidate, features: int) -> Candidate:
    """What another integration found out about the last step, as a function of the features before the others."""
    imported = inner.imported
    if isinstance(imported, CircuitReading):
        imported = replace(imported, front=_composed(before.input_map, imported.front))
    elif imported is not None:
        imported = before.before(imported, Box.unbounded(features)).requires_grad_(False).eval()
    return replace(
        inner,
        kind=f"sklearn.Pipeline of {inner.kind}",
        home=lambda x: inner.home(before(x)),
        imported=imported,
        features=features,
        space=before.space,
    )


def _composed(input_map: AffineMap, front: Callable[[Tensor], Tensor] | None) -> Callable[[Tensor], Tensor]:
    """The affine map, then the front of a circuit; one affine map where both are."""
    if front is None:
        return input_map
    return input_map.then(front) if isinstance(front, AffineMap) else lambda x: front(input_map(x))


def _check_classifier(model: Any) -> None:
    classes = getattr(model, "classes_", None)
    if classes is None:
        raise ModelError(
            f"model ({type(model).__name__}) has no classes_; give a fitted classifier, or a function that returns "
            "scores or labels."
        )
    if isinstance(classes, list) or np.ndim(classes) != 1 or getattr(model, "multilabel_", False):
        raise ModelError(
            f"model ({type(model).__name__}) gives several labels per sample; give a function that returns one label "
            "or one score per class."
        )
    if len(classes) < 2:
        raise ModelError(f"model ({type(model).__name__}) was fitted on one class; fit it on at least 2.")


def _renumbered(model: Any) -> tuple[str, ...]:
    """What to know about labels that are not 0 … K-1 already."""
    labels = np.asarray(model.classes_).tolist()
    count = len(labels)
    if labels == list(range(count)):
        return ()
    if labels == list(range(1, count + 1)):
        return (f"its labels 1…{count} instead of 0…{count - 1} count as classes 0…{count - 1}: give y - 1",)
    shown = [repr(label) for label in labels]
    listed = ", ".join(shown if count < 8 else [*shown[:3], "…", shown[-1]])
    return (f"its labels {listed} count as classes 0…{count - 1}: give numpy.searchsorted(model.classes_, y)",)
