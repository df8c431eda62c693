"""Breast cancer against the arrays of scikit-learn."""

import numpy as np
from sklearn.datasets import load_breast_cancer

from counterspin.datasets import breast_cancer


def test_every_sample_once_and_raw() -> None:
    data = breast_cancer(seed=1)
    whole = data.training_part.joined(data.test)
    bunch = load_breast_cancer()
    ours = np.column_stack([whole.x.numpy(), whole.y.numpy()])
    theirs = np.column_stack([bunch["data"], bunch["target"]])
    assert np.array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])
    assert (len(data.train), len(data.validation), len(data.test)) == (229, 40, 300)


def test_names_follow_the_source() -> None:
    data = breast_cancer()
    assert data.class_names == ("malignant", "benign")
    assert data.feature_names[0] == "mean radius"
    assert int((data.training_part.joined(data.test).y == 0).sum()) == 212
    assert data.bounds.lower.tolist() == [0.0] * 30
    assert data.image_shape is None


def test_seed_decides() -> None:
    assert breast_cancer(0).sha256 == breast_cancer(0).sha256 != breast_cancer(1).sha256
