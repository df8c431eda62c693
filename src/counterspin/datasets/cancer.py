"""Breast cancer Wisconsin (diagnostic), the copy inside scikit-learn."""

from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer

from counterspin.datasets._build import build
from counterspin.datasets.dataset import Dataset
from counterspin.types import Box

__all__ = ["breast_cancer"]


def breast_cancer(seed: int = 0) -> Dataset:
    """569 tumours, malignant or benign, 30 measurements of cell nuclei in their own units; 300 are tested.

    Each measurement is bounded below by 0 (lengths, areas, ratios) and has no upper bound.

    Args:
        seed: decides the split.

    Example:
        >>> breast_cancer().class_names
        ('malignant', 'benign')
    """
    bunch: Any = load_breast_cancer()
    box = Box.uniform(0.0, np.inf, features=30)
    return build(
        np.asarray(bunch["data"]),
        np.asarray(bunch["target"]),
        name="breast-cancer",
        test=300,
        seed=seed,
        bounds=box,
        class_names=tuple(str(name) for name in bunch["target_names"]),
        feature_names=tuple(str(name) for name in bunch["feature_names"]),
        source="UCI Breast Cancer Wisconsin (Diagnostic), as shipped by scikit-learn (load_breast_cancer)",
        licence="CC BY 4.0",
    )
