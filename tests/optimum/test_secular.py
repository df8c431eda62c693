"""The secular root against brentq, closed forms and its own duality."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from counterspin.errors import InputError
from counterspin.optimum import dual_value, secular_root, stationary_point


def _problem(seed: int, d: int, rows: int = 20, spread: float = 0.0):
    generator = torch.Generator().manual_seed(seed)
    eigenvalues = torch.randn(d, generator=generator, dtype=torch.float64)
    eigenvalues = eigenvalues * 10.0 ** (spread * torch.rand(d, generator=generator, dtype=torch.float64))
    eigenvalues[0] = -eigenvalues.abs().min() - 0.1
    c = torch.randn(rows, d, generator=generator, dtype=torch.float64)
    return eigenvalues.sort().values, c / c.norm(dim=1, keepdim=True)


def _reference(a: np.ndarray, w: np.ndarray) -> float:
    # One row at a time, on g itself, by bisection-secant: nothing shared with the implementation.
    if (a * w).sum() <= 0:
        return 0.0
    pole = -1 / a.min()
    return brentq(lambda t: float((a * w / (1 + t * a) ** 2).sum()), 0.0, pole * (1 - 1e-13), xtol=1e-16, rtol=1e-14)


@pytest.mark.parametrize(("d", "spread"), [(2, 0.0), (5, 3.0), (64, 0.0), (64, 6.0)])
def test_equals_an_unvectorised_root_finder(d, spread):
    eigenvalues, c = _problem(d, d, spread=spread)
    root = secular_root(eigenvalues, c.square())
    expected = [_reference(eigenvalues.numpy(), row) for row in c.square().numpy()]
    np.testing.assert_allclose(root.multiplier.numpy(), expected, rtol=1e-9, atol=1e-12)


def test_two_dimensions_closed_form():
    # A = diag(-1, 1): the cone |z_1| <= |z_0|, at angle pi/4; x at angle phi is sin(phi - pi/4) away.
    phi = torch.linspace(0.8, 1.5, 15, dtype=torch.float64)
    c = torch.stack([phi.cos(), phi.sin()], dim=1)
    eigenvalues = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    odds = secular_root(eigenvalues, c.square()).odds
    torch.testing.assert_close(
        dual_value(eigenvalues, c.square(), odds), (phi - torch.pi / 4).sin().square(), rtol=0, atol=1e-14
    )
    z = stationary_point(eigenvalues, c, odds)
    torch.testing.assert_close(z[:, 0], z[:, 1], rtol=1e-11, atol=0)


def test_iterations_stay_few():
    eigenvalues, c = _problem(3, 64, rows=2000)
    assert secular_root(eigenvalues, c.square()).iterations <= 15


def test_rows_inside_the_cone_stay_at_zero():
    eigenvalues = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    weights = torch.tensor([[0.5, 0.5], [0.9, 0.1], [0.4, 0.6]], dtype=torch.float64)
    root = secular_root(eigenvalues, weights)
    assert root.odds[0] == 0
    assert root.odds[1] == 0
    assert root.odds[2] > 0


@pytest.mark.parametrize("weight", [0.0, 1e-40, 1e-30])
def test_hard_case_has_its_root_at_the_pole(weight):
    eigenvalues = torch.tensor([-1.0, -1.0, 0.5, 2.0], dtype=torch.float64)
    weights = torch.tensor([[weight, weight, 0.5, 0.5]], dtype=torch.float64)
    root = secular_root(eigenvalues, weights)
    assert bool(root.hard)
    assert root.multiplier.item() == pytest.approx(1.0, rel=1e-12)
    limit = 0.5 * 0.5 / 1.5 + 2.0 * 0.5 / 3.0
    assert dual_value(eigenvalues, weights, root.odds).item() == pytest.approx(limit, rel=1e-12)


@pytest.mark.parametrize("weight", [1e-26, 1e-20, 1e-12])
def test_nearly_hard_case_keeps_relative_precision(weight):
    # h = -w + sum alpha w / (1 + s gamma)^2 with one other eigenvalue 1 (gamma 2): (1 + 2s)^2 = 1 / w.
    eigenvalues = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    root = secular_root(eigenvalues, torch.tensor([[weight, 1.0]], dtype=torch.float64))
    assert root.odds.item() == pytest.approx((weight**-0.5 - 1) / 2, rel=1e-9)
    assert not bool(root.hard)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), d=st.integers(2, 12), odds=st.floats(0, 1e6))
def test_no_multiplier_beats_the_root(seed, d, odds):
    eigenvalues, c = _problem(seed, d, rows=5)
    weights = c.square()
    best = dual_value(eigenvalues, weights, secular_root(eigenvalues, weights).odds)
    other = dual_value(eigenvalues, weights, torch.full_like(best, odds))
    assert bool((other <= best + 1e-13 * (1 + best.abs() + other.abs())).all())


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), d=st.integers(2, 12), scale=st.floats(1e-8, 1e8))
def test_scale_of_the_form_only_scales_the_multiplier(seed, d, scale):
    eigenvalues, c = _problem(seed, d, rows=5)
    one, other = secular_root(eigenvalues, c.square()), secular_root(scale * eigenvalues, c.square())
    torch.testing.assert_close(other.multiplier * scale, one.multiplier, rtol=1e-9, atol=1e-14)


def test_no_negative_eigenvalue_is_refused():
    with pytest.raises(InputError, match="needs one below 0"):
        secular_root(torch.tensor([0.0, 1.0]).double(), torch.tensor([[0.5, 0.5]]).double())
