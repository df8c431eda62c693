"""Steps to half-spaces, ray crossings and linearised flips against closed forms."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from counterspin.optimum.boxed_start import (
    first_crossing,
    flip_margin,
    linearised_flips,
    nearest_in_halfspace,
    negative_points,
)


def uniform(seed, *shape, low=0.0, high=1.0):
    g = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand(*shape, generator=g, dtype=torch.float64)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), d=st.integers(1, 6), share=st.floats(0.01, 0.99))
def test_step_is_the_clipped_line_search_root(seed, d, share):
    low, high = uniform(seed, 1, d, low=-1), uniform(seed + 1, 1, d, low=1, high=2)
    x = low + uniform(seed + 2, 1, d) * (high - low)
    normal = uniform(seed + 3, 1, d, low=-1)
    reach = float((normal.abs() * torch.where(normal > 0, x - low, high - x)).sum())
    needed = share * reach
    step, tau = nearest_in_halfspace(x, low, high, normal, torch.tensor([needed], dtype=torch.float64))
    assert -float((normal * step).sum()) == pytest.approx(needed, rel=1e-9)

    def excess(t):
        moved = torch.minimum(torch.maximum(x - t * normal, low), high)
        return -float((normal * (moved - x)).sum()) - needed

    expected = brentq(excess, 0, 1e9 * (1 + needed), xtol=1e-14, rtol=1e-14, maxiter=500)
    torch.testing.assert_close(
        step, torch.minimum(torch.maximum(x - expected * normal, low), high) - x, rtol=0, atol=1e-8
    )
    assert tau.item() >= 0


def test_an_unreachable_half_space_gives_the_longest_useful_step():
    x = torch.tensor([[0.5, 0.5, 0.5]]).double()
    normal = torch.tensor([[1.0, -2.0, 0.0]]).double()
    step, _ = nearest_in_halfspace(x, 0 * x, 1 + 0 * x, normal, torch.tensor([100.0]).double())
    assert step.tolist() == [[-0.5, 0.5, 0.0]]


def test_an_infinite_side_is_used_once_the_finite_ones_are_spent():
    x = torch.zeros(1, 2).double()
    low, high = torch.tensor([[-1.0, -torch.inf]]).double(), torch.zeros(1, 2).double()
    step, _ = nearest_in_halfspace(x, low, high, torch.ones(1, 2).double(), torch.tensor([5.0]).double())
    assert step.tolist() == [[-1.0, -4.0]]


@pytest.mark.parametrize(
    ("x", "step", "expected"),
    [
        ((1.0, 0.5), (0.0, 1.0), 0.5),
        ((1.0, 0.5), (-1.0, 0.0), 0.5),
        ((1.0, 0.5), (1.0, 0.0), math.inf),
        ((1.0, 0.5), (0.0, -1.0), 1.5),
        ((0.5, 1.0), (0.0, 1.0), 0.0),
    ],
)
def test_rays_meet_the_diagonals_where_they_must(x, step, expected):
    form = torch.diag(torch.tensor([1.0, -1.0])).double()
    reach = first_crossing(form, torch.tensor([x]).double(), torch.tensor([step]).double(), torch.zeros(1).double())
    assert reach.item() == pytest.approx(expected, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), d=st.integers(2, 6))
def test_linearised_flips_are_flips_of_the_box(seed, d):
    g = torch.Generator().manual_seed(seed)
    raw = torch.randn(d, d, generator=g, dtype=torch.float64)
    form = (raw + raw.T) / 2
    x = uniform(seed, 8, d)
    x = x[((x @ form) * x).sum(dim=1) > 0]
    low, high = torch.zeros_like(x), torch.ones_like(x)
    flips = linearised_flips(form, x, low, high)
    found = torch.isfinite(flips.distance)
    z = flips.points[found]
    assert bool((((z @ form) * z).sum(dim=1) <= -flip_margin(form, x)[found]).all())
    assert bool((z >= 0).all() & (z <= 1).all())
    torch.testing.assert_close((z - x[found]).norm(dim=1), flips.distance[found])
    assert torch.equal(flips.points[~found], x[~found])


def test_nearest_flip_of_a_diagonal_form_is_found():
    # Towards the diagonal from (1, 0.25): its foot (0.625, 0.625) lies in the box.
    form = torch.diag(torch.tensor([1.0, -1.0])).double()
    x = torch.tensor([[1.0, 0.25]]).double()
    flips = linearised_flips(form, x, 0 * x, 0 * x + 1)
    assert flips.distance.item() == pytest.approx(0.75 / math.sqrt(2), rel=1e-3)


def test_negative_points_find_what_no_linearisation_from_x_sees():
    # Only along the second axis does the form go below 0, and x lies on the first.
    form = torch.diag(torch.tensor([1.0, -1.0, 5.0])).double()
    x = torch.tensor([[1.0, 0.0, 0.0]]).double()
    assert math.isinf(linearised_flips(form, x, 0 * x, 0 * x + 1).distance.item())
    directions = torch.eye(3).double()[1:2]
    starts = list(negative_points(form, directions, x, 0 * x, 0 * x + 1, x))
    assert len(starts) == 3
    best = min(linearised_flips(form, x, 0 * x, 0 * x + 1, start).distance.item() for start in starts)
    assert best == pytest.approx(math.sqrt(0.5), rel=1e-2)
