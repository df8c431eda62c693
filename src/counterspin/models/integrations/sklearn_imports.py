"""scikit-learn classifiers that are one of our models: linear ones and perceptrons, number by number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from counterspin.models.classical import MLP, LogisticRegression
from counterspin.models.integrations.sklearn_names import inherits, own_class
from counterspin.types import Box

__all__ = ["imported_estimator"]


def imported_estimator(estimator: Any) -> LogisticRegression | MLP | None:
    """The fitted classifier as a float64 torch model with the same scores, without bounds; None: it is none of ours.

    Linear classifiers (`LogisticRegression`, `LinearSVC`, `RidgeClassifier`, `SGDClassifier`, …), a two-class
    `SVC(kernel="linear")`, and `MLPClassifier`. A decision function f of two classes becomes the scores `(-f/2, f/2)`.

    Args:
        estimator: fitted.

    Example:
        >>> from sklearn.svm import LinearSVC
        >>> machine = LinearSVC().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
        >>> scores = imported_estimator(machine)(torch.tensor([[2.5]], dtype=torch.float64))[0].detach().numpy()
        >>> bool(abs(scores[1] - scores[0] - machine.decision_function([[2.5]])[0]) < 1e-12)
        True
    """
    if inherits(estimator, "LinearClassifierMixin") or _is_linear_machine(estimator):
        weight, bias = np.atleast_2d(np.asarray(estimator.coef_)), np.asarray(estimator.intercept_)
        if not np.issubdtype(weight.dtype, np.floating):  # made sparse by the user
            return None
        return _network([weight], [np.broadcast_to(bias, len(weight))], "linear")
    if own_class(estimator) == "MLPClassifier":
        weights = [np.asarray(matrix).T for matrix in estimator.coefs_]
        biases = [np.asarray(bias) for bias in estimator.intercepts_]
        return _network(weights, biases, estimator.activation)
    return None


def _network(weights: Sequence[np.ndarray], biases: Sequence[np.ndarray], activation: str) -> Any:
    *inner, last = [
        (torch.tensor(w, dtype=torch.float64), torch.tensor(b, dtype=torch.float64))
        for w, b in zip(weights, biases, strict=True)
    ]
    matrix, bias = last
    if len(matrix) == 1:
        half = torch.tensor([[-0.5], [0.5]], dtype=torch.float64)
        matrix, bias = half @ matrix, half[:, 0] * bias
    if activation == "identity":
        for before, shift in reversed(inner):
            matrix, bias = matrix @ before, matrix @ shift + bias
        inner = []
    box = Box.unbounded((inner[0][0] if inner else matrix).shape[1])
    if not inner:
        model = LogisticRegression(box, classes=len(matrix))
        model.weight, model.bias = nn.Parameter(matrix), nn.Parameter(bias)
        return model
    model = MLP(box, classes=len(matrix), hidden=[len(w) for w, _ in inner], activation=activation)
    model.matrices = nn.ParameterList([w for w, _ in inner] + [matrix])
    model.biases = nn.ParameterList([b for _, b in inner] + [bias])
    return model


def _is_linear_machine(estimator: Any) -> bool:
    """A two-class support vector machine with a linear kernel; with more classes it votes."""
    return inherits(estimator, "BaseSVC") and estimator.kernel == "linear" and len(estimator.classes_) == 2
