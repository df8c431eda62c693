"""Affine maps: what they do, how they compose, what they refuse."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from counterspin.errors import InputError
from counterspin.optimum.affine_map import AffineMap


def _random(seed, outputs, features):
    generator = torch.Generator().manual_seed(seed)
    return AffineMap(
        torch.randn(outputs, features, generator=generator, dtype=torch.float64),
        torch.randn(outputs, generator=generator, dtype=torch.float64),
    )


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), a=st.integers(1, 5), b=st.integers(1, 5), c=st.integers(1, 5))
def test_composition_is_one_after_the_other(seed, a, b, c):
    first, second = _random(seed, b, a), _random(seed + 1, c, b)
    x = torch.randn(4, a, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    joined = first.then(second)
    torch.testing.assert_close(joined(x), second(first(x)), rtol=1e-12, atol=1e-12)
    assert (joined.features, joined.outputs) == (a, c)


def test_scaler_and_components_of_scikit_learn():
    x = np.random.default_rng(0).normal(2.0, 3.0, size=(40, 6))
    scaler = StandardScaler().fit(x)
    pca = PCA(n_components=3).fit(scaler.transform(x))
    ours = AffineMap.standardisation(torch.as_tensor(scaler.mean_), torch.as_tensor(scaler.scale_)).then(
        AffineMap.projection(torch.as_tensor(pca.components_), torch.as_tensor(pca.mean_))
    )
    theirs = pca.transform(scaler.transform(x))
    np.testing.assert_allclose(ours(torch.as_tensor(x)).numpy(), theirs, rtol=0, atol=1e-12)


def test_only_the_identity_is_the_identity():
    assert AffineMap.identity(3).is_identity
    assert not AffineMap(torch.eye(3), torch.tensor([0.0, 0.0, 1e-30])).is_identity
    assert not AffineMap(2 * torch.eye(3), torch.zeros(3)).is_identity
    assert not AffineMap(torch.eye(3)[:2], torch.zeros(2)).is_identity


def test_it_computes_in_the_precision_of_the_input_and_keeps_the_graph():
    x = torch.ones(2, 3, requires_grad=True)
    out = _random(0, 2, 3)(x)
    assert out.dtype == torch.float32
    out.sum().backward()
    torch.testing.assert_close(x.grad[0], _random(0, 2, 3).weight.sum(dim=0).float())


@pytest.mark.parametrize(
    ("weight", "bias"),
    [
        (torch.zeros(2, 3), torch.zeros(3)),
        (torch.zeros(3), torch.zeros(3)),
        (torch.zeros(0, 3), torch.zeros(0)),
        (torch.full((2, 3), torch.nan), torch.zeros(2)),
        (torch.zeros(2, 3), torch.full((2,), torch.inf)),
        (torch.zeros(2, 3, dtype=torch.complex64), torch.zeros(2)),
    ],
)
def test_what_is_no_affine_map_is_refused(weight, bias):
    with pytest.raises(InputError, match="affine map"):
        AffineMap(weight, bias)


def test_maps_that_do_not_compose_and_constant_features_are_refused():
    with pytest.raises(InputError, match="do not compose"):
        _random(0, 2, 3).then(_random(0, 2, 3))
    with pytest.raises(InputError, match="deviation is 0 for feature 1"):
        AffineMap.standardisation(torch.zeros(2), torch.tensor([1.0, 0.0]))
