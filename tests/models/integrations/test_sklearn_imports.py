"""Linear classifiers and perceptrons of scikit-learn as torch models: the same scores, and gradients with them."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression as SklearnLogistic
from sklearn.linear_model import Perceptron, RidgeClassifier, SGDClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC, LinearSVC

from counterspin.models import MLP, LogisticRegression
from counterspin.models.integrations.sklearn_imports import imported_estimator
from counterspin.models.integrations.sklearn_values import values_of

DIGITS, NUMBERS = load_digits(return_X_y=True)
CANCER, BENIGN = load_breast_cancer(return_X_y=True)
DIGITS, NUMBERS = DIGITS[:600] / 16, NUMBERS[:600]
CANCER = CANCER / CANCER.max(axis=0)


def network(activation: str, *hidden: int) -> MLPClassifier:
    # Far from converged, which changes nothing here: early stopping ends in silence.
    return MLPClassifier(
        hidden, activation=activation, max_iter=50, early_stopping=True, n_iter_no_change=1, random_state=0
    )


@pytest.mark.parametrize(
    "estimator",
    [
        SklearnLogistic(max_iter=2000),
        LinearSVC(),
        RidgeClassifier(),
        SGDClassifier(random_state=0),
        Perceptron(random_state=0),
        LinearDiscriminantAnalysis(),
        network("relu", 9, 5),
        network("tanh", 7),
        network("logistic", 7),
        network("identity", 9, 5),
    ],
    ids=lambda e: repr(e)[:40],
)
@pytest.mark.parametrize(("data", "labels"), [(DIGITS, NUMBERS), (CANCER, BENIGN)], ids=["digits", "cancer"])
@pytest.mark.filterwarnings("ignore:Variables are collinear:UserWarning")  # digits have constant pixels
def test_scores_are_the_estimators(estimator, data: np.ndarray, labels: np.ndarray) -> None:
    estimator.fit(data, labels)
    model = imported_estimator(estimator)
    assert model is not None
    raw = values_of(estimator, data).compute(data)
    expected = raw * [-0.5, 0.5] if raw.shape[1] == 1 else raw
    scores = model(torch.from_numpy(data)).detach().numpy()
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    assert model.bounds.is_unbounded
    assert type(model) is (MLP if getattr(estimator, "activation", "identity") != "identity" else LogisticRegression)


def test_gradient_of_a_two_class_machine_is_its_normal() -> None:
    machine = SVC(kernel="linear").fit(CANCER, BENIGN)
    model, x = imported_estimator(machine), torch.from_numpy(CANCER[:3]).requires_grad_()
    assert model is not None
    scores = model(x)
    (gradient,) = torch.autograd.grad((scores[:, 1] - scores[:, 0]).sum(), x)
    np.testing.assert_allclose(gradient.numpy(), np.broadcast_to(machine.coef_, (3, 30)), rtol=1e-12)


@pytest.mark.parametrize("estimator", [SVC(), SVC(kernel="linear"), RandomForestClassifier(3)])
def test_others_are_not_imported(estimator) -> None:
    assert imported_estimator(estimator.fit(DIGITS[:300], NUMBERS[:300])) is None


def test_a_sparse_matrix_is_left_where_it_is() -> None:
    assert imported_estimator(SGDClassifier(random_state=0).fit(CANCER, BENIGN).sparsify()) is None
