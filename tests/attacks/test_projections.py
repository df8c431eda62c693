"""Projections onto L1 and L0 balls in a box, against independent solvers."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from counterspin.attacks.projections import norm_of, onto_l0, onto_l1


def case(seed, features, *, box=True, rows=6, spread=1.0):
    g = torch.Generator().manual_seed(seed)
    center = torch.rand(rows, features, generator=g, dtype=torch.float64)
    x = center + spread * torch.randn(rows, features, generator=g, dtype=torch.float64)
    edge = 1.0 if box else torch.inf
    lower, upper = torch.full_like(center, 0.0 if box else -edge), torch.full_like(center, edge)
    return x, center, lower, upper


def bisected_l1(x, center, radius, low, high):
    """Bisection on the multiplier of the ball, in numpy."""

    def point(multiplier):
        step = x - center
        return np.clip(center + np.sign(step) * np.maximum(np.abs(step) - multiplier, 0), low, high)

    small, large = 0.0, np.abs(x - center).max()
    if np.abs(point(0.0) - center).sum() <= radius:
        return point(0.0)
    for _ in range(200):
        middle = (small + large) / 2
        small, large = (middle, large) if np.abs(point(middle) - center).sum() > radius else (small, middle)
    return point(large)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    radius=st.sampled_from([1e-3, 0.2, 0.7, 1.5]),
    features=st.integers(2, 30),
    box=st.booleans(),
    spread=st.sampled_from([0.2, 1.0, 20.0]),
)
def test_l1_in_a_box_is_the_nearest_point(seed, radius, features, box, spread):
    x, center, lower, upper = case(seed, features, box=box, spread=spread)
    # Only rows whose clipped point lies outside the ball are asked about.
    outside = (x.clamp(lower, upper) - center).abs().sum(dim=1) > radius
    x, center, lower, upper = x[outside], center[outside], lower[outside], upper[outside]
    z = onto_l1(x, center, torch.full((len(x), 1), radius, dtype=torch.float64), lower, upper)
    for row in range(len(x)):
        expected = bisected_l1(*(v[row].numpy() for v in (x, center)), radius, lower[row].numpy(), upper[row].numpy())
        assert z[row].numpy() == pytest.approx(expected, abs=1e-9)


def test_l1_in_a_box_agrees_with_a_general_solver():
    x, center, lower, upper = case(3, 5)
    radius = 0.6
    z = onto_l1(x, center, torch.full((len(x), 1), radius, dtype=torch.float64), lower, upper)
    for row in range(len(x)):
        c, target = center[row].numpy(), x[row].numpy()
        # delta = up - down with both parts >= 0 makes the ball a linear constraint.
        found = minimize(
            lambda v, c=c, target=target: ((c + v[:5] - v[5:] - target) ** 2).sum(),
            np.zeros(10),
            method="SLSQP",
            bounds=[(0, 1 - e) for e in c] + [(0, e) for e in c],
            constraints={"type": "ineq", "fun": lambda v: radius - v.sum()},
            options={"ftol": 1e-14, "maxiter": 500},
        )
        assert z[row].numpy() == pytest.approx(c + found.x[:5] - found.x[5:], abs=1e-6)


@pytest.mark.parametrize("features", [2, 4, 6])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_l0_in_a_box_is_the_nearest_point(features, count):
    x, center, lower, upper = case(features, features, rows=20)
    z = onto_l0(x, center, torch.full((20, 1), float(count), dtype=torch.float64), lower, upper, None)
    best = torch.full((20,), torch.inf, dtype=torch.float64)
    for chosen in itertools.combinations(range(features), min(count, features)):
        point = center.clone()
        point[:, list(chosen)] = x.clamp(lower, upper)[:, list(chosen)]
        best = torch.minimum(best, (point - x).norm(dim=1))
    assert torch.allclose((z - x).norm(dim=1), best, atol=1e-12)
    assert ((z != center).sum(dim=1) <= count).all()


def test_l0_of_points_whose_squares_overflow():
    center = torch.zeros(1, 3)
    bounds = torch.full((1, 3), -1.0), torch.ones(1, 3)
    z = onto_l0(torch.tensor([[1e30, 2e30, -0.5]]), center, torch.ones(1, 1), *bounds, None)
    assert z.tolist() == [[0.0, 1.0, 0.0]]


def test_norms():
    delta = torch.tensor([[3.0, -4.0, 0.0]])
    assert [norm_of(delta, norm).item() for norm in ("linf", "l2", "l1", "l0")] == [4.0, 5.0, 7.0, 2.0]
