"""From the arrays of a source to a `Dataset`; shared by the loaders."""

import numpy as np
import torch

from counterspin.datasets.constraints import FeatureConstraints
from counterspin.datasets.dataset import Dataset, Split
from counterspin.datasets.splits import stratified_splits
from counterspin.types import Box

__all__ = ["build", "pixel_names"]


def build(
    x: np.ndarray,
    y: np.ndarray,
    *,
    name: str,
    test: int,
    seed: int,
    bounds: Box,
    class_names: tuple[str, ...],
    feature_names: tuple[str, ...],
    source: str,
    licence: str,
    image_shape: tuple[int, int] | None = None,
    constraints: FeatureConstraints | None = None,
    quantum: bool = False,
) -> Dataset:
    """Split the rows of `x` `(samples, features)` and `y` `(samples,)` with `seed` and name the parts."""
    rows = stratified_splits(y, test=test, seed=seed)
    features = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float64))
    labels = torch.from_numpy(np.ascontiguousarray(y, dtype=np.int64))
    return Dataset(
        name=name,
        train=Split(features[rows.train], labels[rows.train]),
        validation=Split(features[rows.validation], labels[rows.validation]),
        test=Split(features[rows.test], labels[rows.test]),
        bounds=bounds,
        class_names=class_names,
        feature_names=feature_names,
        image_shape=image_shape,
        constraints=constraints,
        quantum=quantum,
        source=source,
        licence=licence,
    )


def pixel_names(height: int, width: int) -> tuple[str, ...]:
    """`pixel row,column` of each feature of a flattened image."""
    return tuple(f"pixel {row},{column}" for row in range(height) for column in range(width))
