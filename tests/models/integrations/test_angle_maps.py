"""Affine and quadratic functions are told from others, with their coefficients to the last digits."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.models import PolynomialMap
from counterspin.models.integrations.angle_maps import identify
from counterspin.optimum import AffineMap


def _samples(features, seed=0, scale=1.0):
    return scale * torch.rand(9, features, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), features=st.integers(1, 40), scale=st.sampled_from([1e-3, 1.0, 1e4]))
def test_affine_maps_are_exact(seed, features, scale):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(3, features, generator=generator, dtype=torch.float64)
    weight *= torch.rand(weight.shape, generator=generator) < 0.7
    bias = torch.randn(3, generator=generator, dtype=torch.float64)
    found = identify(lambda x: x @ weight.T + bias, _samples(features, seed, scale))
    assert isinstance(found, AffineMap)
    torch.testing.assert_close(found.weight, weight, rtol=1e-10, atol=1e-12 / scale)
    torch.testing.assert_close(found.bias, bias, rtol=1e-10, atol=1e-10)
    # What does not depend on a feature has a slope of exactly 0 there.
    assert bool((found.weight[weight == 0] == 0).all())


def test_the_identity_is_recognised_to_the_last_bit():
    assert identify(lambda x: x, _samples(5)).is_identity


@pytest.mark.parametrize("features", [2, 5, 64])
def test_products_of_features_are_exact(features):
    # The angles of a ZZ feature map.
    def angles(x):
        pairs = [2 * (math.pi - x[:, i]) * (math.pi - x[:, i + 1]) for i in range(features - 1)]
        return torch.cat([2 * x, torch.stack(pairs, dim=1)], dim=1)

    found = identify(angles, _samples(features))
    assert isinstance(found, PolynomialMap)
    _, linear, hessian = found.quadratic()
    assert float(hessian[features, 0, 1]) == pytest.approx(2.0, rel=1e-12)
    assert float(linear[features, 0]) == pytest.approx(-2 * math.pi, rel=1e-12)
    far = 10 * _samples(features, 1) - 5
    torch.testing.assert_close(found(far), angles(far), rtol=1e-10, atol=1e-10)
    assert len(found.exponents) == 1 + features + (features - 1)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), features=st.integers(1, 6))
def test_random_quadratic_maps(seed, features):
    generator = torch.Generator().manual_seed(seed)
    form = torch.randn(2, features, features, generator=generator, dtype=torch.float64)
    found = identify(lambda x: torch.einsum("bi,oij,bj->bo", x, form, x) + x[:, :1], _samples(features, seed))
    assert isinstance(found, PolynomialMap)
    torch.testing.assert_close(found.quadratic()[2], form + form.mT, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    "function",
    [
        torch.sin,
        torch.relu,
        lambda x: x.clamp(0, 1),
        lambda x: x**3,
        lambda x: torch.remainder(x, 2 * math.pi),
        torch.asin,
        lambda x: x / x.norm(dim=1, keepdim=True),
        lambda x: x + 1e-6 * torch.sin(x),
        lambda x: x.float().double(),
        lambda x: torch.complex(x, x),
    ],
)
def test_everything_else_is_refused(function):
    assert identify(function, _samples(3)) is None


def test_quadratic_maps_of_many_features_are_not_looked_for():
    assert identify(lambda x: x[:, :1] * x[:, 1:2], _samples(65)) is None
