"""Preprocessing as part of a model: the map, the names, what an amplitude encoding absorbs, and where it stops."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression as SklearnLogistic
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, Normalizer, PolynomialFeatures, StandardScaler

from counterspin.circuits import OutcomeGroups, amplitude_encoding, angle_encoding, strongly_entangling
from counterspin.errors import ModelError
from counterspin.models import AffineInputs, LogisticRegression, QuantumClassifier
from counterspin.models.integrations.preprocessing import leading_preprocessing, preprocessing_of
from counterspin.models.pipeline import Pipeline
from counterspin.optimum.affine_map import AffineMap
from counterspin.types import Box

X, Y = load_digits(n_class=3, return_X_y=True)
TENSOR = torch.from_numpy(X)
PIXELS = Box.uniform(0, 16, features=64)
BIT = OutcomeGroups((0,), ((0,), (1,)))


def amplitudes(values: int = 8) -> QuantumClassifier:
    qubits = amplitude_encoding(values).qubits
    circuit = amplitude_encoding(values) + strongly_entangling(qubits, 2)
    return QuantumClassifier(circuit, BIT, Box.unbounded(values)).requires_grad_(False)


def test_a_pipeline_of_transformers_is_one_map() -> None:
    transformers = make_pipeline(MinMaxScaler(), PCA(5), FunctionTransformer()).fit(X)
    found = preprocessing_of(transformers, features=64)
    np.testing.assert_allclose(found(TENSOR).numpy(), transformers.transform(X), rtol=0, atol=1e-12)
    assert found.steps == ("MinMaxScaler", "PCA")
    assert found.space == "features before MinMaxScaler, PCA"
    assert not found.normalises
    assert found(TENSOR.float()).dtype == torch.float32


def test_affine_maps_and_nothing() -> None:
    double = AffineMap(2 * torch.eye(64, dtype=torch.float64), torch.zeros(64, dtype=torch.float64))
    assert torch.equal(preprocessing_of(double, features=64)(TENSOR), 2 * TENSOR)
    nothing = preprocessing_of("passthrough", features=64)
    assert nothing.input_map.is_identity
    assert nothing.space == "features as given"


@pytest.mark.parametrize("norm", ["l2", "l1", "max"])
def test_dividing_by_the_norm_is_absorbed_by_amplitudes_alone(norm: str) -> None:
    transformers = make_pipeline(MinMaxScaler(), PCA(8), Normalizer(norm)).fit(X)
    if norm != "l2":
        with pytest.raises(ModelError, match=r"step 'normalizer' \(Normalizer\) is not known to be affine"):
            preprocessing_of(transformers, features=64)
        return
    found = preprocessing_of(transformers, features=64)
    assert found.normalises
    assert found.space == "features before MinMaxScaler, PCA, Normalizer"
    np.testing.assert_allclose(found(TENSOR).numpy(), transformers.transform(X), rtol=0, atol=1e-12)
    body = amplitudes()
    model = found.before(body, PIXELS)
    assert type(model) is AffineInputs
    expected = body(torch.from_numpy(transformers.transform(X)))
    torch.testing.assert_close(model(TENSOR), expected, rtol=0, atol=1e-12)
    with pytest.raises(ModelError, match=r"Normalizer divides each sample by its norm.*LogisticRegression.*space="):
        found.before(LogisticRegression(Box.unbounded(8), classes=2), PIXELS)
    angles = QuantumClassifier(angle_encoding(8), BIT, Box.unbounded(8))
    with pytest.raises(ModelError, match="QuantumClassifier"):
        found.before(angles, PIXELS)


def test_a_vector_of_zeros_has_no_direction() -> None:
    found = preprocessing_of(Normalizer().fit(X), features=64)
    zeros = torch.zeros(1, 64, dtype=torch.float64)
    assert torch.equal(found(zeros), zeros)


def test_other_models_become_pipelines() -> None:
    scaler = StandardScaler().fit(X)
    body = LogisticRegression(Box.unbounded(64), classes=3)
    torch.nn.init.normal_(body.weight, generator=torch.Generator().manual_seed(0))
    model = preprocessing_of(scaler, features=64).before(body, PIXELS)
    assert type(model) is Pipeline
    assert model.bounds is PIXELS
    torch.testing.assert_close(model(TENSOR), body(torch.from_numpy(scaler.transform(X))), rtol=0, atol=1e-12)


def test_a_pipeline_is_taken_apart_at_its_first_step_that_is_not_affine() -> None:
    whole = make_pipeline(StandardScaler(), PCA(3), SklearnLogistic()).fit(X, Y)
    before, last = leading_preprocessing(whole, features=64)
    assert before.steps == ("StandardScaler", "PCA")
    assert last is whole[-1]
    np.testing.assert_allclose(last.decision_function(before(TENSOR).numpy()), whole.decision_function(X), atol=1e-10)

    middle = make_pipeline(PCA(3), StandardScaler(), PolynomialFeatures(), SklearnLogistic(max_iter=500)).fit(X, Y)
    before, rest = leading_preprocessing(middle, features=64)
    assert before.steps == ("PCA", "StandardScaler")
    assert [name for name, _ in rest.steps] == ["polynomialfeatures", "logisticregression"]
    np.testing.assert_allclose(rest.decision_function(before(TENSOR).numpy()), middle.decision_function(X), atol=1e-9)

    first = make_pipeline(Normalizer(), SklearnLogistic()).fit(X, Y)
    before, rest = leading_preprocessing(first, features=64)
    assert rest is first
    assert before.steps == ()


def test_wrong_numbers_of_features_and_unfitted_steps_are_refused() -> None:
    whole = make_pipeline(StandardScaler(), SklearnLogistic()).fit(X, Y)
    with pytest.raises(ModelError, match=r"step 'standardscaler' \(StandardScaler\) takes 64 features; it is given 5"):
        leading_preprocessing(whole, features=5)
    with pytest.raises(ModelError, match=r"^step 'pca' \(PCA\) is not fitted; call its fit first"):
        leading_preprocessing(make_pipeline(PCA(2), SklearnLogistic()), features=64)
