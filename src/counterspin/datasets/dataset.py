"""What a data set is: three splits, the box their features live in, names, origin and a hash of all of it."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from counterspin.datasets.constraints import FeatureConstraints
from counterspin.errors import InputError
from counterspin.types import Box
from counterspin.validation import as_features, as_labels

__all__ = ["Dataset", "Split"]


@dataclass(frozen=True, eq=False)
class Split:
    """Samples and their labels.

    Args:
        x: features `(samples, features)`, float64.
        y: class labels `(samples,)`, int64.

    Raises:
        InputError: another dtype, or another number of labels than samples.

    Example:
        >>> split = Split(torch.zeros(3, 2, dtype=torch.float64), torch.tensor([0, 1, 0]))
        >>> len(split), split.features
        (3, 2)
    """

    x: Tensor
    y: Tensor

    def __post_init__(self) -> None:
        """Refuse what is not a table of samples with one label each."""
        if self.x.ndim != 2 or self.x.dtype != torch.float64:
            raise InputError(
                f"x is {self.x.dtype} of shape {tuple(self.x.shape)}; a split holds float64 (samples, features)."
            )
        if self.y.shape != self.x.shape[:1] or self.y.dtype != torch.int64:
            raise InputError(
                f"y is {self.y.dtype} of shape {tuple(self.y.shape)}; "
                f"a split holds one int64 label per sample, ({len(self.x)},)."
            )

    def __len__(self) -> int:
        return len(self.y)

    @property
    def features(self) -> int:
        """Number of features."""
        return self.x.shape[1]

    def joined(self, other: "Split") -> "Split":
        """The samples of this split followed by those of `other`."""
        return Split(torch.cat([self.x, other.x]), torch.cat([self.y, other.y]))


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset:
    """Data as every recipe, attack and audit receives it.

    Args:
        name: short name, part of the hash.
        train: what a model is fitted on while choosing; empty, with `validation`, in a set for testing only.
        validation: what choices are made on, carved from the training part.
        test: what figures are reported on; nothing is chosen or fitted on it.
        bounds: the box the features live in.
        class_names: one name per class.
        feature_names: one name per feature.
        image_shape: `(height, width)` where a sample is an image, else None.
        groups: group of each test sample for fairness metrics, None where the source names none.
        constraints: what an attacker can do to each feature; None where nothing is known of it.
        quantum: whether the samples are quantum states, given by their amplitudes: an attacker moves the state, and no
            box or single feature means anything to it.
        source: where the data come from.
        licence: terms of the source.

    Raises:
        InputError: a split with another number of features, values that are not finite, outside the box or not among
            the listed ones, labels out of range, names that do not fit.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    bounds: Box
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    image_shape: tuple[int, int] | None = None
    groups: tuple[str, ...] | None = None
    constraints: FeatureConstraints | None = None
    quantum: bool = False
    source: str
    licence: str

    def __post_init__(self) -> None:
        """Refuse parts that do not belong together."""
        for name, split in self._splits():
            if len(split) == 0 and name != "test" and split.features == self.features:
                continue
            as_features(split.x, self.bounds, name=f"{self.name}: {name}.x")
            as_labels(split.y, self.classes, len(split), name=f"{self.name}: {name}.y")
        if len(self.feature_names) != self.features:
            raise InputError(f"feature_names holds {len(self.feature_names)} names for {self.features} features.")
        if self.image_shape is not None and self.image_shape[0] * self.image_shape[1] != self.features:
            raise InputError(f"image_shape is {self.image_shape}; it does not hold {self.features} features.")
        if self.groups is not None and len(self.groups) != len(self.test):
            raise InputError(f"groups holds {len(self.groups)} entries for {len(self.test)} test samples.")
        if self.constraints is not None:
            self._check(self.constraints)

    def _check(self, constraints: FeatureConstraints) -> None:
        if len(constraints.controlled) != self.features:
            raise InputError(f"constraints describe {len(constraints.controlled)} of {self.features} features.")
        for name, split in self._splits():
            wrong = (~constraints.admits(split.x)).nonzero()[:, 0]
            if len(wrong):
                raise InputError(
                    f"{self.name}: {name}.x holds values its constraints do not list in {len(wrong)} samples (first: "
                    f"sample {int(wrong[0])}); list every value a discrete feature takes."
                )

    @property
    def features(self) -> int:
        """Number of features."""
        return self.bounds.features

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def training_part(self) -> Split:
        """Everything but the test split: train followed by validation. Feature maps are fitted on it."""
        return self.train.joined(self.validation)

    @cached_property
    def repeated_share(self) -> float:
        """Share of the test samples whose features also occur in the training part: they measure memory as well."""
        seen = {row.tobytes() for row in self.training_part.x.numpy()}
        return sum(row.tobytes() in seen for row in self.test.x.numpy()) / len(self.test)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 over the names, then the shape, float64 features and int64 labels of each split (little-endian)."""
        digest = hashlib.sha256("\n".join((self.name, *self.class_names, *self.feature_names)).encode())
        for _, split in self._splits():
            digest.update(np.asarray(split.x.shape, dtype="<i8").tobytes())
            digest.update(split.x.numpy().astype("<f8").tobytes())
            digest.update(split.y.numpy().astype("<i8").tobytes())
        return digest.hexdigest()

    def _splits(self) -> tuple[tuple[str, Split], ...]:
        return (("train", self.train), ("validation", self.validation), ("test", self.test))
