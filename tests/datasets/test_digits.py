"""Digits against the arrays of scikit-learn."""

import numpy as np
import torch
from sklearn.datasets import load_digits

from counterspin.datasets import digits


def test_every_sample_once_and_exact() -> None:
    data = digits()
    whole = data.training_part.joined(data.test)
    bunch = load_digits()
    ours = np.column_stack([whole.x.numpy() * 16, whole.y.numpy()])
    theirs = np.column_stack([bunch["data"], bunch["target"]])
    assert np.array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])
    assert (len(data.train), len(data.validation), len(data.test)) == (1221, 216, 360)
    assert data.image_shape == (8, 8)


def test_seed_changes_the_split_and_the_hash_is_the_recorded_one() -> None:
    # Pixels are exact sixteenths: the hash is the same on every machine. A change here is a change of the data.
    assert digits(0).sha256 == "b3927228c9c180206b57a71db42b1757b4776d55f55d3fd41bc55d333a029076"
    assert digits(0).sha256 == digits().sha256 != digits(1).sha256


def test_pixels_lie_where_their_names_say() -> None:
    data = digits()
    assert data.feature_names[8 * 3 + 5] == "pixel 3,5"
    # Column 0 of an 8x8 digit is almost never inked, the middle columns are.
    image = data.train.x.mean(dim=0).reshape(8, 8)
    assert float(image[:, 0].max()) < 0.02
    assert float(image[:, 3].mean()) > 0.4
    assert data.train.x.dtype == torch.float64
