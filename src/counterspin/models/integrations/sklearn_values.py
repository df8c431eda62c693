"""What a fitted scikit-learn classifier says of a batch, by the best of its methods that agrees with `predict`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from counterspin.errors import MissingExtraError
from counterspin.models.integrations.reading import Values
from counterspin.models.integrations.sklearn_names import inherits

__all__ = ["EstimatorValues", "values_of"]

Array = np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class EstimatorValues:
    """Raw values of an estimator; class k is `estimator.classes_[k]`.

    Args:
        compute: samples `(batch, features)` float64 -> raw values `(batch, values)`.
        values: what they are.
        source: how they are called, for messages.
    """

    compute: Callable[[Array], Array]
    values: Values
    source: str


def values_of(estimator: Any, x: Array) -> EstimatorValues:
    """How to ask a fitted classifier, the most telling way that decides as its `predict` on the samples `x`.

    In this order: the activations before a neural network's last step, the votes of a one-against-one machine, decision
    functions, probabilities. Where none decides as `predict` does (a tuned threshold, say), labels are all there is;
    they come as one score per class, 1 for the label and 0 for the others.

    Args:
        estimator: a fitted classifier with `classes_`.
        x: samples `(samples, features)` float64.

    Example:
        >>> from sklearn.linear_model import LogisticRegression
        >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
        >>> values_of(LogisticRegression().fit(x, [0, 0, 1, 1]), x).source
        'decision function'
    """
    if inherits(estimator, "BaseSearchCV"):
        return values_of(estimator.best_estimator_, x)
    if inherits(estimator, "Pipeline") and len(estimator.steps) > 1:
        front = estimator[:-1]
        last = values_of(estimator.steps[-1][1], front.transform(_table(estimator, x)))
        return replace(last, compute=lambda x: last.compute(front.transform(_table(estimator, x))))
    labels = _labels(estimator, x)
    for candidate in _candidates(estimator):
        if np.array_equal(_decided(candidate.compute(x)), labels):
            return candidate
    classes = len(estimator.classes_)
    return EstimatorValues(compute=lambda x: np.eye(classes)[_labels(estimator, x)], values="logits", source="labels")


def _candidates(estimator: Any) -> list[EstimatorValues]:
    found = []
    if inherits(estimator, "MLPClassifier"):
        found.append(EstimatorValues(compute=_activations(estimator), values="logits", source="last activations"))
    if inherits(estimator, "BaseSVC") and len(estimator.classes_) > 2 and not estimator.break_ties:
        found.append(
            EstimatorValues(compute=_votes(estimator), values="logits", source="votes between pairs of classes")
        )
    if hasattr(estimator, "decision_function"):
        found.append(_method(estimator, "decision_function", "logits", "decision function"))
    if hasattr(estimator, "predict_proba"):
        found.append(_method(estimator, "predict_proba", "probabilities", "probabilities"))
    return found


def _method(estimator: Any, name: str, values: Values, source: str) -> EstimatorValues:
    method = getattr(estimator, name)
    return EstimatorValues(compute=lambda x: _columns(method(_table(estimator, x))), values=values, source=source)


def _activations(estimator: Any) -> Callable[[Array], Array]:
    """What a network computes before its softmax or logistic function, which rounds to 0 and 1 far from a boundary."""
    raw = copy.copy(estimator)
    raw.out_activation_ = "identity"

    def compute(x: Array) -> Array:
        outputs = np.asarray(raw.predict_proba(_table(estimator, x)))
        return outputs[:, 1:] if raw.n_outputs_ == 1 else outputs

    return compute


def _votes(estimator: Any) -> Callable[[Array], Array]:
    """The votes `predict` counts, its rule for ties (the first class) and, below both, how sure the votes are.

    The decision function breaks ties by confidence instead, so that its largest value is not always the prediction.
    """
    pairwise = copy.copy(estimator)
    pairwise.decision_function_shape = "ovo"
    classes = len(estimator.classes_)

    def compute(x: Array) -> Array:
        decisions = np.asarray(pairwise.decision_function(_table(estimator, x)))
        votes, sure = np.zeros((2, len(decisions), classes))
        for column, (first, second) in enumerate(combinations(range(classes), 2)):
            won = decisions[:, column] > 0
            votes[:, first] += won
            votes[:, second] += ~won
            sure[:, first] += decisions[:, column]
            sure[:, second] -= decisions[:, column]
        # A vote is worth 1, a place in the order of classes 1/(2K), confidence less than that.
        return votes + (sure / (1 + np.abs(sure)) / 4 - np.arange(classes)) / (2 * classes)

    return compute


def _decided(raw: Array) -> Array:
    """The class each row of raw values stands for."""
    return (raw[:, 0] > 0).astype(int) if raw.shape[1] == 1 else raw.argmax(axis=1)


def _labels(estimator: Any, x: Array) -> Array:
    classes = np.asarray(estimator.classes_)
    order = np.argsort(classes)
    predicted = np.asarray(estimator.predict(_table(estimator, x)))
    return order[np.searchsorted(classes, predicted, sorter=order)]


def _table(estimator: Any, x: Array) -> Any:
    """Samples as the estimator saw them when it was fitted: with names, where it knows names."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        return x
    try:
        import pandas as pd
    except ImportError:
        raise MissingExtraError(
            f"model ({type(estimator).__name__}) was fitted on a table with named columns; pip install pandas."
        ) from None
    return pd.DataFrame(x, columns=names)


def _columns(values: Any) -> Array:
    array = np.asarray(values, dtype=float)
    return array[:, None] if array.ndim == 1 else array
