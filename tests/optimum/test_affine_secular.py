"""The inhomogeneous secular equation: roots against brentq, the dual against its definition."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from counterspin.optimum.affine_secular import affine_dual, affine_root, affine_step
from counterspin.optimum.secular import secular_root


def _split(a):
    pole = (-a.amin()).clamp(min=0)
    return (a + pole).clamp(min=0), pole


def _problem(seed, d, *, definite=False):
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(d, generator=generator, dtype=torch.float64)
    if definite:
        a = a.abs()
    g = torch.randn(3, d, generator=generator, dtype=torch.float64)
    value = 2 * torch.rand(3, generator=generator, dtype=torch.float64) + 0.01
    return a, g, value


def _solve(a, g, value):
    gaps, pole = _split(a)
    gaps, pole = gaps.expand_as(g), pole.expand_as(value)
    return affine_root(value, g.square(), gaps, pole), gaps, pole


def _q(a, g, value, delta):
    return value + 2 * (g * delta).sum(dim=1) + (a * delta.square()).sum(dim=1)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), d=st.integers(1, 8))
def test_root_equals_brentq(seed, d):
    a, g, value = _problem(seed, d)
    root, _, _ = _solve(a, g, value)
    for row in range(len(value)):
        an, gn = a.numpy(), g[row].numpy()

        def slope(lam, an=an, gn=gn, q0=float(value[row])):
            delta = -lam * gn / (1 + lam * an)
            return q0 + 2 * gn @ delta + an @ delta**2

        end = 1 / -an.min() * (1 - 1e-13) if an.min() < 0 else 1e9
        if slope(end) < 0:
            expected = brentq(slope, 0, end, xtol=1e-15, rtol=1e-14)
            assert root.multiplier[row].item() == pytest.approx(expected, rel=1e-8)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), d=st.integers(1, 8), definite=st.booleans())
def test_stationary_point_is_on_the_boundary_and_costs_the_dual(seed, d, definite):
    a, g, value = _problem(seed, d, definite=definite)
    root, gaps, pole = _solve(a, g, value)
    delta = affine_step(g, gaps, root.s)
    dual = affine_dual(value, g.square(), gaps, pole, root.s)
    solved = ~root.hard
    torch.testing.assert_close(_q(a, g, value, delta)[solved], 0 * value[solved], rtol=0, atol=1e-7)
    torch.testing.assert_close(dual[solved], delta.square().sum(dim=1)[solved], rtol=1e-7, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), d=st.integers(1, 6), s=st.floats(0, 100))
def test_dual_is_the_minimum_of_the_lagrangian_at_any_multiplier(seed, d, s):
    a, g, value = _problem(seed, d)
    gaps, pole = _split(a)
    odds = torch.full_like(value, s)
    lam = (s / (1 + pole * s)).item()
    dual = affine_dual(value, g.square(), gaps.expand_as(g), pole.expand_as(value), odds)
    at = affine_step(g, gaps.expand_as(g), odds)
    smallest = at.square().sum(dim=1) + lam * _q(a, g, value, at)
    torch.testing.assert_close(dual, smallest, rtol=1e-9, atol=1e-9)
    other = at + torch.randn(at.shape, generator=torch.Generator().manual_seed(seed), dtype=at.dtype)
    assert bool((other.square().sum(dim=1) + lam * _q(a, g, value, other) >= dual - 1e-9).all())


def test_homogeneous_case_is_the_secular_equation():
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(12, generator=generator, dtype=torch.float64)
    c = torch.randn(30, 12, generator=generator, dtype=torch.float64)
    c = c / c.norm(dim=1, keepdim=True)
    standing = ((a * c.square()).sum(dim=1)) > 0
    c = c[standing]
    root, _, _ = _solve(a, a * c, (a * c.square()).sum(dim=1))
    torch.testing.assert_close(root.multiplier, secular_root(a, c.square()).multiplier, rtol=1e-10, atol=0)


def test_rows_inside_stay_at_zero_and_hard_rows_say_so():
    a = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    g = torch.tensor([[0.0, 0.1], [0.3, 0.4]], dtype=torch.float64)
    root, _, _ = _solve(a, g, torch.tensor([1.0, -0.5], dtype=torch.float64))
    assert root.hard.tolist() == [True, False]
    assert root.s[1] == 0
    assert root.multiplier[0].item() == pytest.approx(1.0, rel=1e-12)  # the pole, 1 / |a_min|


def test_function_without_a_negative_value_is_hard():
    # q = 1 + δ²: nowhere <= 0.
    a, g = torch.ones(1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    root, _, _ = _solve(a, g, torch.ones(1, dtype=torch.float64))
    assert root.hard.all()


@pytest.mark.parametrize("ratio", [1e-3, 1e-6, 1e-9])
def test_few_iterations_near_the_pole(ratio):
    a = torch.tensor([-1.0, 0.5, 1.0], dtype=torch.float64)
    g = torch.tensor([[ratio, 0.3, 0.5]], dtype=torch.float64)
    root, gaps, _ = _solve(a, g, torch.ones(1, dtype=torch.float64))
    assert root.iterations <= 40  # the step halves 1 - λ/λ̄ until it is of the order of the ratio
    assert np.isclose(_q(a, g, torch.ones(1), affine_step(g, gaps, root.s)).item(), 0, atol=1e-9)
