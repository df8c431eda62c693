"""Fitted estimators as models: imported or asked as black boxes, in the user's units, labels by name."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC

from counterspin.circuits import PauliExpectations, angle_encoding
from counterspin.errors import ModelError
from counterspin.models.integrations import sklearn_estimators
from counterspin.models.integrations.adopt import adopt
from counterspin.models.integrations.preprocessing import preprocessing_of
from counterspin.models.integrations.reading import Candidate, CircuitReading, Options
from counterspin.models.integrations.sklearn_estimators import claims, read
from counterspin.models.pipeline import Pipeline
from counterspin.optimum.affine_map import AffineMap
from counterspin.types import HasAffineInputs

CANCER, BENIGN = load_breast_cancer(return_X_y=True)
DIGITS, NUMBERS = (part[:500] for part in load_digits(return_X_y=True))
IRIS, KINDS = load_iris(return_X_y=True)


def network() -> MLPClassifier:
    return MLPClassifier((8,), solver="lbfgs", max_iter=2000, alpha=1.0, random_state=0)


MODELS = [
    (make_pipeline(StandardScaler(), PCA(4), LogisticRegression()), "imported", "features before StandardScaler, PCA"),
    (make_pipeline(MinMaxScaler(), network()), "imported", "features before MinMaxScaler"),
    (make_pipeline(StandardScaler(), SVC()), "wrapped", "features before StandardScaler"),
    (make_pipeline(StandardScaler(), PolynomialFeatures(), PCA(3), SVC()), "wrapped", "features before StandardScaler"),
    (make_pipeline(make_pipeline(MinMaxScaler()), make_pipeline(PCA(3), SVC(kernel="linear"))), None, None),
    (GridSearchCV(make_pipeline(MinMaxScaler(), SVC(kernel="linear")), {"svc__C": [1.0]}), None, None),
    (RandomForestClassifier(10, random_state=0), "wrapped", "features as given"),
    (KNeighborsClassifier(), "wrapped", "features as given"),
    (SVC(kernel=rbf_kernel), "wrapped", "features as given"),
]


@pytest.mark.one_fast
@pytest.mark.parametrize(("model", "route", "space"), MODELS, ids=lambda value: repr(value)[:30])
@pytest.mark.parametrize(("x", "y"), [(CANCER, BENIGN), (IRIS, KINDS)], ids=["cancer", "iris"])
def test_adopted_models_predict_what_they_predicted(model, route, space, x: np.ndarray, y: np.ndarray) -> None:
    model.fit(x, y)
    found = adopt(model, x, bounds=(0.0, float(x.max())))
    samples = torch.from_numpy(x)
    np.testing.assert_array_equal(found.model(samples).argmax(dim=1).numpy(), model.predict(x))
    assert found.route.route == route if route else found.route.route in ("imported", "wrapped")
    assert found.route.space == space if space else found.route.space.startswith("features before MinMaxScaler")
    assert found.route.kind == f"sklearn.{type(model).__name__}"
    imported = found.route.route == "imported"
    assert found.route.gradient_check is not None
    assert found.route.gradient_check.passed is (True if imported else None)
    assert found.model.differentiable is imported
    assert float(found.model.bounds.upper.max()) == float(x.max())
    assert found.route.home is not None
    torch.testing.assert_close(found.model(samples), found.route.home(samples), rtol=1e-9, atol=1e-9)


def test_budgets_are_in_the_users_units() -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(CANCER, BENIGN)
    found = adopt(model, CANCER).model
    assert isinstance(found, Pipeline)
    assert isinstance(found, HasAffineInputs)
    # The distance to a plane: |f| over the norm of its slope, in features before the scaler.
    slope = model[-1].coef_[0] / model[0].scale_
    decision = model.decision_function(CANCER[:20])
    nearest = torch.from_numpy(CANCER[:20] - np.outer(decision, slope) / (slope @ slope))
    scores = found(nearest)
    assert float((scores[:, 1] - scores[:, 0]).abs().max()) < 1e-9


def test_the_largest_decision_is_the_class_and_two_classes_have_one() -> None:
    x = torch.from_numpy(CANCER)
    two = read(LogisticRegression(max_iter=5000).fit(CANCER / CANCER.max(axis=0), BENIGN), Options(x=x))
    assert two.above == 1
    assert two.home(x).shape == (569, 1)
    assert two.home(x.float()).dtype == torch.float32
    many = read(SVC().fit(DIGITS, NUMBERS), Options(x=torch.from_numpy(DIGITS)))
    assert many.above is None
    assert many.home(torch.from_numpy(DIGITS)).shape == (500, 10)
    assert not many.home_differentiable
    assert "SVC is a black box: its votes between pairs of classes can be asked" in many.reason


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (KINDS, None),
        (KINDS + 1, r"its labels 1…3 instead of 0…2 count as classes 0…2: give y - 1"),
        (2 * KINDS, r"its labels 0, 2, 4 count as classes 0…2: give numpy.searchsorted(model.classes_, y)"),
        (np.array(["b", "c", "a"])[KINDS], r"its labels 'a', 'b', 'c' count as classes 0…2: give numpy.searchsorted"),
        (KINDS > 0, None),
    ],
)
def test_other_labels_are_said(labels: np.ndarray, sentence: str | None) -> None:
    model = LogisticRegression(max_iter=1000).fit(IRIS, labels)
    found = adopt(model, IRIS)
    assert found.route.repairs == () if sentence is None else found.route.repairs[0].startswith(sentence)
    predicted = found.model(torch.from_numpy(IRIS)).argmax(dim=1).numpy()
    np.testing.assert_array_equal(model.classes_[predicted], model.predict(IRIS))


def test_many_labels_are_shortened() -> None:
    found = read(DummyClassifier().fit(DIGITS, NUMBERS * 3), Options(x=torch.from_numpy(DIGITS)))
    assert "its labels 0, 3, 6, …, 27 count as classes 0…9" in found.repairs[0]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (SVC(), r"model \(SVC\) is not fitted; call its fit first"),
        (make_pipeline(StandardScaler(), SVC()), r"step 'standardscaler' \(StandardScaler\) is not fitted"),
        (GridSearchCV(SVC(), {"C": [1]}), r"model \(GridSearchCV\) is not fitted"),
        (KMeans(2, n_init=1).fit(IRIS), r"model \(KMeans\) has no classes_; give a fitted classifier, or a function"),
        (LinearRegression().fit(IRIS, KINDS), "LinearRegression.* has no classes_"),
        (StandardScaler().fit(IRIS), "StandardScaler.* has no classes_"),
        (
            MultiOutputClassifier(LogisticRegression()).fit(IRIS, np.stack([KINDS > 0, KINDS > 1], axis=1)),
            "gives several labels per sample",
        ),
        (KNeighborsClassifier().fit(IRIS, np.stack([KINDS, KINDS], axis=1)), "gives several labels per sample"),
        (DummyClassifier().fit(IRIS, np.zeros(150)), "was fitted on one class"),
        (LogisticRegression(max_iter=1000).fit(IRIS[:, :2], KINDS), "was fitted on 2 features; x has 4"),
        (SVC(kernel="precomputed").fit(rbf_kernel(IRIS), KINDS), "takes no features; say which kernel"),
    ],
)
def test_what_is_no_usable_classifier_is_refused(model, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read(model, Options(x=torch.from_numpy(IRIS)))


def test_claims_estimators_and_what_inherits_from_them() -> None:
    class Mine(SVC):
        pass

    assert claims(Mine())
    assert claims(make_pipeline(SVC()))
    assert not claims(SVC)
    assert not claims(lambda x: x)


@pytest.mark.parametrize("front", [None, AffineMap.identity(3), torch.sin], ids=["none", "affine", "any"])
def test_a_circuit_behind_scalers_takes_the_users_features(front) -> None:
    scalers = make_pipeline(StandardScaler(), PCA(3)).fit(CANCER)
    reading = CircuitReading(
        circuit=angle_encoding(3),
        weights=torch.zeros(0, dtype=torch.float64),
        front=front,
        measurement=PauliExpectations.of("Z0", "Z1"),
        head=None,
    )
    inner = Candidate(
        kind="library.Model",
        home=lambda x: x[:, :2].cos(),
        values="expectations",
        home_differentiable=True,
        stochastic=False,
        imported=reading,
        reason="read",
        features=3,
    )
    found = sklearn_estimators._behind(preprocessing_of(scalers, features=30), inner, 30)
    assert (found.kind, found.features) == ("sklearn.Pipeline of library.Model", 30)
    assert found.space == "features before StandardScaler, PCA"
    x, mapped = torch.from_numpy(CANCER), torch.from_numpy(scalers.transform(CANCER))
    torch.testing.assert_close(found.home(x), mapped[:, :2].cos(), rtol=0, atol=1e-10)
    assert isinstance(found.imported, CircuitReading)
    assert found.imported.front is not None
    expected = mapped if front is None else front(mapped)
    torch.testing.assert_close(found.imported.front(x), expected, rtol=0, atol=1e-10)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:qiskit")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:qiskit_machine_learning")
def test_the_last_step_may_be_another_librarys() -> None:
    pytest.importorskip("qiskit_machine_learning")
    from qiskit.circuit.library import zz_feature_map
    from qiskit_machine_learning.algorithms import QSVC
    from qiskit_machine_learning.kernels import FidelityStatevectorKernel

    x, y = CANCER[:60], BENIGN[:60]
    kernel = FidelityStatevectorKernel(feature_map=zz_feature_map(2, reps=1))
    model = make_pipeline(StandardScaler(), PCA(2), QSVC(quantum_kernel=kernel)).fit(x, y)
    found = adopt(model, x)
    assert (found.route.kind, found.route.route) == ("sklearn.Pipeline of qiskit.QSVC", "imported")
    assert found.route.space == "features before StandardScaler, PCA"
    assert found.route.gradient_check is not None
    assert found.route.gradient_check.passed
    scores = found.model(torch.from_numpy(CANCER))
    np.testing.assert_allclose(scores[:, 1] - scores[:, 0], model.decision_function(CANCER), rtol=0, atol=1e-6)
