"""Linear models in random directions, for ratios of attack to closed form."""

import pytest
import torch


@pytest.fixture
def linear_case(linear):
    """`(model, x, y)` with 30 samples of 8 features, no boundary nearer than 1e-3."""

    def make(seed=0, dtype=torch.float64):
        g = torch.Generator().manual_seed(seed)
        model = linear(torch.randn(8, generator=g, dtype=torch.float64), 0.2)
        x = torch.randn(30, 8, generator=g, dtype=dtype)
        x = x[model.distance(x, "linf") > 1e-3]
        return model, x, model.labels(x)

    return make
