"""scikit-learn's transformers as affine maps, against their own `transform` on real data."""

import numpy as np
import pytest
import torch
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from counterspin.errors import ModelError
from counterspin.models.integrations.transformers import NotAffineError, affine_map_of, changes_nothing, steps_of
from counterspin.optimum.affine_map import AffineMap

X, Y = load_breast_cancer(return_X_y=True)
SHIFTED = X - 3.0  # some features change their sign

TRANSFORMERS = [
    StandardScaler(),
    StandardScaler(with_mean=False),
    StandardScaler(with_std=False),
    MinMaxScaler(),
    MinMaxScaler((-1.0, np.pi)),
    MaxAbsScaler(),
    RobustScaler(),
    RobustScaler(with_centering=False, unit_variance=True, quantile_range=(10.0, 80.0)),
    RobustScaler(with_scaling=False),
    PCA(4),
    PCA(4, whiten=True),
    IncrementalPCA(3, whiten=True),
    TruncatedSVD(5, random_state=0),
    SelectKBest(k=4),
    VarianceThreshold(0.5),
    FunctionTransformer(),
    make_pipeline(StandardScaler(), "passthrough", PCA(3), make_pipeline(MinMaxScaler((0.0, np.pi)))),
    ColumnTransformer([("a", StandardScaler(), [3, 1]), ("b", "drop", [0]), ("c", MinMaxScaler(), slice(5, 9))]),
    ColumnTransformer(
        [("a", make_pipeline(StandardScaler(), PCA(2)), [0, -1, 4]), ("none", StandardScaler(), [])],
        remainder="passthrough",
    ),
    ColumnTransformer([("mask", MinMaxScaler(), np.arange(30) % 7 == 0)], remainder=MaxAbsScaler()),
]


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=lambda t: repr(t)[:40])
def test_is_what_the_transformer_does(transformer) -> None:
    transformer.fit(SHIFTED, Y)
    found = affine_map_of(transformer, features=30)
    for data in (SHIFTED, -2 * X):  # far from what it was fitted on, too
        expected = transformer.transform(data)
        error = np.abs(found(torch.from_numpy(data)).numpy() - expected).max()
        assert error <= 1e-12 * max(1.0, np.abs(expected).max())


def test_columns_by_name() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X[:, :5], columns=list("abcde"))
    columns = ColumnTransformer(
        [("one", StandardScaler(), ["d", "a"]), ("range", MinMaxScaler(), slice("b", "c"))], remainder="passthrough"
    ).fit(frame)
    found = affine_map_of(columns, features=5)(torch.from_numpy(X[:, :5])).numpy()
    np.testing.assert_allclose(found, columns.transform(frame), rtol=1e-12, atol=1e-12)


def test_constant_features_are_left_alone_as_scikit_learn_does() -> None:
    data = np.column_stack([X[:, 0], np.full(len(X), 7.0)])
    for scaler in (StandardScaler(), MinMaxScaler(), RobustScaler(), MaxAbsScaler()):
        expected = scaler.fit_transform(data)
        found = affine_map_of(scaler, features=2)(torch.from_numpy(data)).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


class Doubled(StandardScaler):
    def transform(self, X, copy=None):
        return 2 * super().transform(X, copy)


@pytest.mark.parametrize(
    ("transformer", "message"),
    [
        (MinMaxScaler(clip=True), r"preprocessing MinMaxScaler clips \(clip=True\), which is not affine"),
        (PolynomialFeatures(), "preprocessing PolynomialFeatures is not known to be affine"),
        (FunctionTransformer(np.log1p), "FunctionTransformer is not known"),
        (Normalizer(), "Normalizer is not known"),
        (Doubled(), "Doubled is not known"),
        (
            make_pipeline(StandardScaler(), QuantileTransformer(n_quantiles=9)),
            r"step 'quantiletransformer' \(QuantileTransformer\) is not known.*apply it to the data beforehand.*space=",
        ),
        (ColumnTransformer([("log", FunctionTransformer(np.log1p), [0])]), r"step 'log' \(FunctionTransformer\)"),
    ],
)
def test_what_is_not_affine_is_refused_with_what_to_do(transformer, message) -> None:
    with pytest.raises(NotAffineError, match=message):
        affine_map_of(transformer.fit(X, Y), features=30)


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(ModelError, match=r"preprocessing \(PCA\) is not fitted; call its fit first"):
        affine_map_of(PCA(2), features=30)
    with pytest.raises(ModelError, match=r"step 'scale' \(StandardScaler\) takes 30 features; it is given 4"):
        affine_map_of(StandardScaler().fit(X), features=4, name="scale")
    with pytest.raises(ModelError, match="preprocessing AffineMap takes 3 features; it is given 4"):
        affine_map_of(AffineMap.identity(3), features=4)
    with pytest.raises(ModelError, match=r"preprocessing is 3; give a fitted scikit-learn transformer"):
        affine_map_of(3, features=4)
    with pytest.raises(ModelError, match="drops every column"):
        affine_map_of(ColumnTransformer([("a", "drop", [0])]).fit(X), features=30)


def test_steps_of_nested_pipelines_in_their_order() -> None:
    pipeline = make_pipeline(StandardScaler(), make_pipeline(FunctionTransformer(), PCA(2), None), "passthrough")
    assert [name for name, _ in steps_of(pipeline)] == ["standardscaler", "pca"]
    assert changes_nothing("passthrough")
    assert not changes_nothing("drop")
    assert not changes_nothing(StandardScaler())
