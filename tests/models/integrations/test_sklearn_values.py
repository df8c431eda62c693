"""What estimators say: always the class their `predict` gives, by their most telling method that does."""

import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import SVC, LinearSVC

from counterspin.errors import MissingExtraError
from counterspin.models.integrations.sklearn_values import values_of

IRIS, KINDS = load_iris(return_X_y=True)
DIGITS, NUMBERS = load_digits(return_X_y=True)
TWO = KINDS != 0


def network(**options) -> MLPClassifier:
    return MLPClassifier((6,), solver="lbfgs", max_iter=3000, random_state=0, **options)


@pytest.mark.parametrize(
    ("estimator", "values", "source"),
    [
        (LogisticRegression(max_iter=500), "logits", "decision function"),
        (LinearSVC(max_iter=50_000), "logits", "decision function"),
        (LinearDiscriminantAnalysis(), "logits", "decision function"),
        (SVC(), "logits", "votes between pairs of classes"),
        (SVC(break_ties=True), "logits", "decision function"),
        (RandomForestClassifier(10, random_state=0), "probabilities", "probabilities"),
        (KNeighborsClassifier(), "probabilities", "probabilities"),
        (GaussianNB(), "probabilities", "probabilities"),
        (network(), "logits", "last activations"),
        (make_pipeline(StandardScaler(), PolynomialFeatures(), network()), "logits", "last activations"),
        (GridSearchCV(LogisticRegression(max_iter=500), {"C": [1.0]}), "logits", "decision function"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_the_largest_value_is_the_prediction(estimator, values: str, source: str) -> None:
    rng = np.random.default_rng(0)
    wide = rng.uniform(IRIS.min(axis=0) - 1, IRIS.max(axis=0) + 1, size=(400, 4))
    for classes, labels in ((3, KINDS), (2, (KINDS > 0).astype(int))):
        estimator.fit(IRIS, labels)
        found = values_of(estimator, IRIS)
        assert found.values == values
        if classes == 3:
            assert found.source == source
        raw = found.compute(wide)
        assert raw.shape in ((400, classes), (400, 1))
        decided = raw[:, 0] > 0 if raw.shape[1] == 1 else raw.argmax(axis=1)
        np.testing.assert_array_equal(decided, estimator.predict(wide))


def test_votes_are_counted_as_predict_counts_them() -> None:
    machine = SVC(kernel="poly", degree=2).fit(DIGITS[:500], NUMBERS[:500])
    rng = np.random.default_rng(1)
    noise = rng.uniform(0, 16, size=(4000, 64))  # far from digits, where votes are often tied
    predicted = machine.predict(noise)
    differs = machine.decision_function(noise).argmax(axis=1) != predicted
    assert differs.sum() > 20  # the decision function breaks ties otherwise: what this is about
    np.testing.assert_array_equal(values_of(machine, DIGITS).compute(noise).argmax(axis=1), predicted)
    pairwise = SVC(kernel="poly", degree=2, decision_function_shape="ovo").fit(DIGITS[:500], NUMBERS[:500])
    np.testing.assert_array_equal(values_of(pairwise, DIGITS).compute(noise).argmax(axis=1), predicted)
    assert pairwise.decision_function_shape == "ovo"  # nothing of the user's is changed


def test_votes_grow_with_confidence() -> None:
    machine = SVC(kernel="linear").fit(IRIS, KINDS)
    found = values_of(machine, IRIS)
    start, end = IRIS[KINDS == 1].mean(axis=0), IRIS[KINDS == 2].mean(axis=0)
    line = start + np.linspace(0, 1, 40)[:, None] * (end - start)
    raw = found.compute(line)
    assert (np.diff(raw[:, 2] - raw[:, 1]) > 0).all()


def test_activations_are_the_logarithms_of_probabilities_where_those_are_not_rounded() -> None:
    for labels in (KINDS, TWO.astype(int)):
        estimator = network().fit(IRIS, labels)
        raw, probabilities = values_of(estimator, IRIS).compute(IRIS), estimator.predict_proba(IRIS)
        if raw.shape[1] == 1:
            np.testing.assert_allclose(1 / (1 + np.exp(-raw[:, 0])), probabilities[:, 1], rtol=1e-12)
        else:
            softmax = np.exp(raw - raw.max(axis=1, keepdims=True))
            np.testing.assert_allclose(softmax / softmax.sum(axis=1, keepdims=True), probabilities, rtol=1e-10)
        assert estimator.out_activation_ != "identity"


def test_a_threshold_of_its_own_leaves_labels_alone() -> None:
    tuned = FixedThresholdClassifier(LogisticRegression(), threshold=0.05, response_method="predict_proba")
    tuned.fit(IRIS[TWO], KINDS[TWO])
    found = values_of(tuned, IRIS[TWO])
    assert found.source == "labels"
    np.testing.assert_array_equal(found.compute(IRIS[TWO]), np.eye(2)[tuned.predict(IRIS[TWO]) - 1])


def test_estimators_that_only_predict_and_labels_of_any_kind() -> None:
    names = np.array(["setosa", "versicolor", "virginica"])
    nearest = NearestCentroid().fit(IRIS, names[KINDS])
    raw = values_of(nearest, IRIS).compute(IRIS)
    np.testing.assert_array_equal(names[raw.argmax(axis=1)], nearest.predict(IRIS))


def test_features_with_names_are_given_by_name() -> None:
    frame = load_iris(as_frame=True).data
    estimator = LogisticRegression(max_iter=500).fit(frame, KINDS)
    found = values_of(estimator, IRIS)  # without names scikit-learn would warn, and warnings are errors here
    np.testing.assert_array_equal(found.compute(IRIS), estimator.decision_function(frame))


def test_without_pandas_named_features_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    estimator = LogisticRegression(max_iter=500).fit(load_iris(as_frame=True).data, KINDS)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match="fitted on a table with named columns; pip install pandas"):
        values_of(estimator, IRIS)
