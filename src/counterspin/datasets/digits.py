"""Handwritten digits of 8×8 pixels (UCI, the copy inside scikit-learn)."""

from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from counterspin.datasets._build import build, pixel_names
from counterspin.datasets.dataset import Dataset
from counterspin.types import Box

__all__ = ["digits"]


def digits(seed: int = 0) -> Dataset:
    """1797 digits, ten classes, 64 pixels in [0, 1]; 360 are tested.

    The source counts ink in 4×4 blocks from 0 to 16; the counts are divided by 16, exact in floating point.

    Args:
        seed: decides the split.

    Example:
        >>> data = digits()
        >>> len(data.train), len(data.validation), len(data.test)
        (1221, 216, 360)
    """
    bunch: Any = load_digits()
    return build(
        np.asarray(bunch["data"]) / 16,
        np.asarray(bunch["target"]),
        name="digits",
        test=360,
        seed=seed,
        bounds=Box.uniform(0.0, 1.0, features=64),
        class_names=tuple(str(digit) for digit in range(10)),
        feature_names=pixel_names(8, 8),
        image_shape=(8, 8),
        source="UCI Optical Recognition of Handwritten Digits, test part, as shipped by scikit-learn (load_digits)",
        licence="CC BY 4.0",
    )
