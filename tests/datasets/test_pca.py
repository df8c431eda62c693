"""Scaled principal components against numpy's singular value decomposition."""

import numpy as np
import pytest
import torch

from counterspin.datasets import ScaledPCA, breast_cancer, digits
from counterspin.errors import InputError, UsageError


def reference(fit: np.ndarray, x: np.ndarray, dimensions: int, standardise: bool) -> np.ndarray:
    mean = fit.mean(axis=0)
    deviation = fit.std(axis=0) if standardise else np.ones(fit.shape[1])
    _, _, rows = np.linalg.svd((fit - mean) / deviation, full_matrices=False)
    projected, fitted = ((part - mean) / deviation @ rows[:dimensions].T for part in (x, fit))
    low, high = fitted.min(axis=0), fitted.max(axis=0)
    return np.clip((projected - low) / (high - low), 0, 1)


@pytest.mark.parametrize("standardise", [False, True])
def test_equals_numpy_up_to_the_sign_of_a_component(standardise: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(60, 6, generator=generator, dtype=torch.float64) * torch.arange(1, 7)
    ours = ScaledPCA.fit(x[:40], 3, standardise=standardise)(x).numpy()
    theirs = reference(x[:40].numpy(), x.numpy(), 3, standardise)
    for k in range(3):
        assert min(np.abs(ours[:, k] - theirs[:, k]).max(), np.abs(ours[:, k] - 1 + theirs[:, k]).max()) < 2e-8


@pytest.mark.parametrize(("data", "dimensions", "standardise"), [(digits(), 8, False), (breast_cancer(), 4, True)])
def test_fitted_on_the_training_part_alone(data, dimensions: int, standardise: bool) -> None:
    mapped = ScaledPCA.apply(data, dimensions, standardise=standardise)
    part = mapped.training_part.x
    assert part.amin(dim=0).tolist() == [0.0] * dimensions
    assert part.amax(dim=0).tolist() == [1.0] * dimensions
    fitted = ScaledPCA.fit(data.training_part.x, dimensions, standardise=standardise)
    assert torch.equal(mapped.test.x, fitted(data.test.x))
    assert torch.equal(mapped.test.y, data.test.y)
    # Some test sample lies beyond the training samples; it is clipped onto the box.
    assert float(mapped.test.x.min()) == 0.0
    assert bool(mapped.bounds.contains(mapped.test.x).all())


def test_apply_names_what_it_made() -> None:
    mapped = ScaledPCA.apply(breast_cancer(), 4, standardise=True)
    assert mapped.name == "breast-cancer-pca4"
    assert mapped.feature_names == ("component 1", "component 2", "component 3", "component 4")
    assert "standardised, 4 principal components" in mapped.source
    assert mapped.sha256 == ScaledPCA.apply(breast_cancer(), 4, standardise=True).sha256


def test_features_sit_on_a_grid_of_1e_8() -> None:
    x = ScaledPCA.apply(digits(), 8).test.x
    assert float((x * 1e8 - (x * 1e8).round()).abs().max()) < 1e-6


def test_refusals() -> None:
    x = torch.ones(5, 3, dtype=torch.float64)
    with pytest.raises(UsageError, match="dimensions is 4"):
        ScaledPCA.fit(x, 4)
    with pytest.raises(InputError, match="feature 0 of x is constant"):
        ScaledPCA.fit(x, 2, standardise=True)
