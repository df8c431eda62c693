"""Roots against numpy and brentq; proved first crossings against dense grids."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from counterspin.optimum.multivariate import fitted, product_nodes
from counterspin.optimum.races import race_of
from counterspin.optimum.roots import first_crossing, nearest_crossing, real_roots
from counterspin.optimum.trigonometric import basis


def random_polynomial(seed, count, whole):
    generator = torch.Generator().manual_seed(seed)
    rates = torch.arange(1, count + 1).double() * 0.7
    if not whole:
        rates = 0.3 + torch.rand(count, generator=generator, dtype=torch.float64).cumsum(0)
    return rates, torch.randn(2 * count + 1, generator=generator, dtype=torch.float64)


def by_brentq(rates, coefficients, high):
    def value(t):
        return float(basis(rates, torch.tensor(t, dtype=torch.float64)) @ coefficients)

    grid = np.linspace(0.0, high, 4001)
    values = [value(t) for t in grid]
    pairs = zip(grid, grid[1:], values, values[1:], strict=False)
    return [brentq(value, a, b, xtol=1e-14) for a, b, va, vb in pairs if va * vb < 0]


@pytest.mark.one_fast
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_roots_against_brentq(seed, whole):
    rates, coefficients = random_polynomial(seed, 3, whole)
    found = real_roots(rates, coefficients, 0.0, 9.0)
    np.testing.assert_allclose(found.numpy(), by_brentq(rates, coefficients, 9.0), atol=1e-10)


def test_companion_matrix_against_numpy_on_a_chebyshev_polynomial():
    # 4 cos^3 t - 2 cos t + 0.3 in c = cos t, by numpy.roots in c.
    coefficients = torch.tensor([0.3, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    cosines = np.roots([4.0, 0.0, -2.0, 0.3])
    expected = sorted(math.acos(c.real) for c in cosines if abs(c.imag) < 1e-9 and abs(c.real) <= 1)
    found = real_roots(torch.tensor([1.0, 2.0, 3.0]).double(), coefficients, 0.0, math.pi)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)


def test_a_constant_has_no_roots():
    assert len(real_roots(torch.zeros(0).double(), torch.ones(1).double(), 0.0, 5.0)) == 0
    assert len(real_roots(torch.ones(1).double(), torch.tensor([1.0, 0.0, 0.0]).double(), 0.0, 5.0)) == 0


@pytest.mark.slow
@given(seed=st.integers(0, 10**6), count=st.integers(1, 5), whole=st.booleans(), rule=st.sampled_from(["min", "max"]))
@settings(max_examples=60, deadline=None)
def test_nothing_is_lost_before_the_proved_place(seed, count, whole, rule):
    rates, one = random_polynomial(seed, count, whole)
    _, other = random_polynomial(seed + 1, count, whole)
    coefficients = torch.stack([one, other])
    coefficients[:, 0] += 1.5 * count**0.5
    t = torch.linspace(0.0, 6.0, 20001, dtype=torch.float64)
    values = basis(rates, t) @ coefficients.T
    values = values.amin(dim=1) if rule == "min" else values.amax(dim=1)
    if values[0] <= 0:
        return
    reach, rounding = torch.tensor([6.0]).double(), torch.full((1, 2), 1e-13).double()
    found = first_crossing(rates, coefficients[None], reach, rule=rule, rounding=rounding)
    lost = (values <= 0).nonzero()
    if not len(lost):
        assert torch.isinf(found.lower) or float(values[t >= found.lower][:1].min()) < 1e-3 or torch.isinf(found.upper)
        return
    assert found.lower.item() <= found.upper.item() <= t[lost[0, 0]].item() + 1e-9
    assert found.upper.item() - found.lower.item() <= 1e-6
    place = found.upper[None]
    at = basis(rates, place) @ coefficients.T
    assert float(at.amin() if rule == "min" else at.amax()) <= 1e-9


def test_a_tangent_root_is_proved_up_to_and_seen_behind():
    # 1 + cos t touches 0 at pi and never crosses; 0.5 - 0.5 cos 2t does so at 0 and pi.
    rates, reach = torch.ones(1).double(), torch.tensor([6.0]).double()
    touching = torch.tensor([[[1.0, 1.0, 0.0]]]).double()
    found = first_crossing(rates, touching, reach, rounding=torch.full((1, 1), 1e-12).double(), beyond=1e-11)
    assert found.lower.item() == pytest.approx(math.pi, abs=1e-4)
    assert found.lower.item() <= math.pi
    assert torch.isinf(found.upper)


def test_nothing_to_lose():
    rates, reach = torch.ones(1).double(), torch.tensor([50.0]).double()
    high = torch.tensor([[[1.5, 1.0, 0.0]]]).double()
    found = first_crossing(rates, high, reach, rounding=torch.zeros(1, 1).double())
    assert torch.isinf(found.lower).all()
    assert torch.isinf(found.upper).all()


@pytest.mark.parametrize("start", [0.3, -0.9, 1.1])
def test_nearest_crossing_looks_both_ways(start):
    # Scores cos x and sin(x)/2: class 0 leads between the crossings of tan x = 2.
    nodes = product_nodes([(1.0,)], at_most=3)
    t = nodes[0]
    scores = fitted([(1.0,)], nodes, torch.stack([t.cos(), t.sin() / 2], dim=1))
    race = race_of(torch.tensor([0]), None, 2)
    far = torch.full((1, 1), 3.0).double()
    x = torch.tensor([[start]], dtype=torch.float64)
    lower, upper, step = nearest_crossing(scores, x, race, -far, far, beyond=1e-12)
    crossings = [math.atan(2.0), math.atan(2.0) - math.pi]
    nearest = min((c - start for c in crossings), key=abs)
    assert lower.item() == pytest.approx(abs(nearest), rel=1e-9)
    assert upper.item() == pytest.approx(abs(nearest), rel=1e-9)
    assert lower.item() <= upper.item()
    assert step.item() == pytest.approx(nearest, rel=1e-9)


@pytest.mark.parametrize("height", [1e-8, 1e-14, 1e-17, 1e-30])
def test_a_proof_that_starts_uphill_from_a_hair_above_zero(height):
    # height + sin t vanishes behind pi, by as much as the height: the way there must not cancel.
    coefficients = torch.tensor([[[height, 0.0, 1.0]]], dtype=torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    found = first_crossing(one, coefficients, 4 * one, rounding=0 * one[None])
    assert math.pi * (1 - 1e-9) <= found.lower.item() <= (math.pi + height) * (1 + 1e-12)
