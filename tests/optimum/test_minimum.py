"""Global minima against roots of the derivative (companion matrix) and dense grids."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterspin.optimum.minimum import lowest
from counterspin.optimum.trigonometric import basis


def random_case(seed, rows, curves, count, harmonic=True):
    g = torch.Generator().manual_seed(seed)
    omega = torch.arange(1, count + 1, dtype=torch.float64)
    if not harmonic:
        omega = (3 * torch.rand(count, generator=g, dtype=torch.float64)).sort().values + 0.05
    coefficients = torch.randn(rows, curves, 2 * count + 1, generator=g, dtype=torch.float64)
    low = -2 * torch.rand(rows, generator=g, dtype=torch.float64)
    return omega, coefficients, low, low + 4 * torch.rand(rows, generator=g, dtype=torch.float64)


def by_roots(coefficients, low, high):
    """The minimum of one polynomial with frequencies 1 ... R: its derivative is a polynomial of degree 2R in e^{it}."""
    count = (len(coefficients) - 1) // 2
    a, b = coefficients[1 : count + 1].numpy(), coefficients[count + 1 :].numpy()
    k = np.arange(1, count + 1)
    positive = 0.5j * k * (a - 1j * b)
    roots = np.roots(np.concatenate([positive[::-1], [0.0], positive.conj()]))
    angles = np.angle(roots[np.abs(np.abs(roots) - 1) < 1e-4])
    turns = 2 * math.pi * np.arange(-2, 3)
    candidates = (angles[:, None] + turns).ravel()
    candidates = np.concatenate([[low, high], candidates[(candidates >= low) & (candidates <= high)]])
    t = torch.tensor(candidates)
    return float((basis(torch.tensor(k, dtype=torch.float64), t) @ coefficients).min())


@pytest.mark.slow
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_it_is_the_lowest_of_the_stationary_points_and_the_ends(seed, count):
    omega, coefficients, low, high = random_case(seed, 4, 1, count)
    found = lowest(omega, coefficients, low, high)
    expected = [by_roots(*row) for row in zip(coefficients[:, 0], low.tolist(), high.tolist(), strict=True)]
    assert found.value.tolist() == pytest.approx(expected, abs=1e-9)
    assert ((found.point >= low) & (found.point <= high)).all()


@pytest.mark.one_fast
@pytest.mark.parametrize("rule", ["min", "max"])
@pytest.mark.parametrize("curves", [1, 3, 9])
@pytest.mark.parametrize("harmonic", [True, False])
def test_no_point_of_a_dense_grid_lies_lower_and_the_value_is_attained(rule, curves, harmonic):
    omega, coefficients, low, high = random_case(3, 25, curves, 5, harmonic)
    found = lowest(omega, coefficients, low, high, rule=rule)

    def value(t):
        curve = torch.einsum("rpk,rtk->rpt", coefficients, basis(omega, t))
        return curve.amin(dim=1) if rule == "min" else curve.amax(dim=1)

    grid = low[:, None] + (high - low)[:, None] * torch.linspace(0, 1, 20001, dtype=torch.float64)
    dense = value(grid).amin(dim=1)
    assert (found.value <= dense + 1e-12 * coefficients.abs().sum(dim=2).amax(dim=1)).all()
    assert torch.allclose(value(found.point[:, None])[:, 0], found.value, rtol=0.0, atol=1e-12)
    # A grid of step 2e-4 is no more than M h²/8 (min) or L h (max) above the truth.
    assert (found.value >= dense - 0.05).all()


def test_a_narrow_well_between_grid_points_is_found():
    # Fejér kernel of degree 12 with its peak at 0.777, turned down: the well is 0.3 wide.
    k = torch.arange(1, 13, dtype=torch.float64)
    weights = -2 * (1 - k / 13)
    coefficients = torch.cat([torch.tensor([-1.0]).double(), weights * (0.777 * k).cos(), weights * (0.777 * k).sin()])
    found = lowest(k, coefficients[None, None], torch.tensor([-3.0]), torch.tensor([3.0]))
    assert found.point.item() == pytest.approx(0.777, abs=1e-5)
    assert found.value.item() == pytest.approx(-13.0, abs=1e-10)


def test_where_the_highest_of_two_is_lowest_they_cross():
    # max(cos t, sin t) is lowest at -3π/4, where both are -1/√2.
    coefficients = torch.tensor([[[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]]).double()
    one = torch.ones(1, dtype=torch.float64)
    found = lowest(one, coefficients, -math.pi * one, math.pi * one, rule="max")
    assert found.point.item() == pytest.approx(-0.75 * math.pi, abs=1e-9)
    assert found.value.item() == pytest.approx(-math.sqrt(0.5), abs=1e-11)


def test_constants_and_empty_intervals_are_served():
    omega = torch.ones(1, dtype=torch.float64)
    flat = torch.tensor([[[2.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]]]).double()
    low = torch.tensor([-1.0, 0.5], dtype=torch.float64)
    found = lowest(omega, flat, low, torch.tensor([1.0, 0.5], dtype=torch.float64))
    assert found.value.tolist() == pytest.approx([2.0, math.cos(0.5)])
    assert found.point[1].item() == 0.5
