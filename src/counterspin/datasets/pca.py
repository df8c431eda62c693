"""Principal components scaled to [0, 1]: the features of the angle-encoded recipes."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from counterspin.datasets.dataset import Dataset, Split
from counterspin.errors import InputError, UsageError
from counterspin.types import Box

__all__ = ["ScaledPCA"]


@dataclass(frozen=True, eq=False, kw_only=True)
class ScaledPCA:
    r"""A fitted map from raw features to principal components in [0, 1].

    .. math:: u = \mathrm{clip}_{[0, 1]}\!\left(\frac{V (x - \mu) / \sigma - a}{b - a}\right)

    with the smallest and largest component :math:`a, b` of the samples it was fitted on. It is fitted on the training
    part, train and validation together, i.e. on everything but the test split, so that both training stages of a
    recipe see the same features.

    Args:
        mean: what is subtracted from each raw feature `(features,)`.
        deviation: what each raw feature is divided by `(features,)`; ones where nothing is standardised.
        components: rows of V `(dimensions, features)`.
        low: a, `(dimensions,)`.
        high: b, `(dimensions,)`.
    """

    mean: Tensor
    deviation: Tensor
    components: Tensor
    low: Tensor
    high: Tensor

    @classmethod
    def fit(cls, x: Tensor, dimensions: int, *, standardise: bool = False) -> "ScaledPCA":
        """Fit on samples `x` `(samples, features)`; `standardise` divides each feature by its standard deviation.

        Raises:
            UsageError: more dimensions than features or samples.
            InputError: a constant feature that is to be standardised.
        """
        if not 1 <= dimensions <= min(x.shape):
            raise UsageError(f"dimensions is {dimensions}; x {tuple(x.shape)} allows 1 to {min(x.shape)}.")
        mean = x.mean(dim=0)
        deviation = x.std(dim=0, correction=0) if standardise else torch.ones_like(mean)
        if bool((deviation == 0).any()):
            raise InputError(
                f"feature {int((deviation == 0).nonzero()[0])} of x is constant; drop it before standardising."
            )
        standard = (x - mean) / deviation
        fitted = PCA(n_components=dimensions, svd_solver="full").fit(standard.numpy())
        components = torch.from_numpy(np.ascontiguousarray(fitted.components_))
        projected = standard @ components.T
        return cls(
            mean=mean,
            deviation=deviation,
            components=components,
            low=projected.amin(dim=0),
            high=projected.amax(dim=0),
        )

    @property
    def dimensions(self) -> int:
        """Number of components."""
        return len(self.components)

    def __call__(self, x: Tensor) -> Tensor:
        """Components `(samples, dimensions)` in [0, 1] of raw features `x` `(samples, features)`.

        They are rounded to 1e-8, so that the hash of the data does not hang on the linear-algebra library.
        """
        projected = (x - self.mean) / self.deviation @ self.components.T
        scaled = (projected - self.low) / (self.high - self.low)
        return scaled.clamp(0.0, 1.0).round(decimals=8)

    @classmethod
    def apply(cls, dataset: Dataset, dimensions: int, *, standardise: bool = False) -> Dataset:
        """`dataset` in scaled principal components fitted on its training part, in the box [0, 1].

        Example:
            >>> from counterspin.datasets.digits import digits
            >>> ScaledPCA.apply(digits(), 8).name
            'digits-pca8'
        """
        fitted = cls.fit(dataset.training_part.x, dimensions, standardise=standardise)
        return replace(
            dataset,
            name=f"{dataset.name}-pca{dimensions}",
            train=Split(fitted(dataset.train.x), dataset.train.y),
            validation=Split(fitted(dataset.validation.x), dataset.validation.y),
            test=Split(fitted(dataset.test.x), dataset.test.y),
            bounds=Box.uniform(0.0, 1.0, features=dimensions),
            feature_names=tuple(f"component {k + 1}" for k in range(dimensions)),
            image_shape=None,
            constraints=None,
            source=f"{dataset.source}; {'standardised, ' if standardise else ''}{dimensions} principal components "
            "scaled to [0, 1] on the training part",
        )
