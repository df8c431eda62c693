"""The distance to the part of a box below a plane, against SLSQP and by duality."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

from counterspin.optimum.cuts import cut_distance, nearest_end, norm_of

NORMS = ("linf", "l2", "l1")


def problem(seed, d, rows=1):
    generator = torch.Generator().manual_seed(seed)
    low = 3 * torch.rand(rows, d, generator=generator, dtype=torch.float64) - 2
    high = low + 2 * torch.rand(rows, d, generator=generator, dtype=torch.float64)
    gradient = torch.randn(rows, d, generator=generator, dtype=torch.float64)
    gradient[::5, 0] = 0.0
    lowest, highest = (pick(gradient * low, gradient * high).sum(dim=1) for pick in (torch.minimum, torch.maximum))
    share = 1.2 * torch.rand(rows, generator=generator, dtype=torch.float64) - 0.1
    return low, high, gradient, lowest + share * (highest - lowest)


def by_programming(norm, low, high, gradient, level):
    """The same by a linear programme, or by SLSQP in L2."""
    d = len(low)
    if norm == "l2":
        found = minimize(
            lambda u: u @ u,
            np.clip(np.zeros(d), low, high),
            jac=lambda u: 2 * u,
            bounds=list(zip(low, high, strict=True)),
            constraints={"type": "ineq", "fun": lambda u: level - gradient @ u, "jac": lambda u: -gradient},
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 300},
        )
        feasible = np.minimum(gradient * low, gradient * high).sum() <= level
        return np.sqrt(found.fun) if feasible else np.inf
    count = 1 if norm == "linf" else d
    spread = np.ones((d, 1)) if norm == "linf" else np.eye(d)
    rows = np.block([[np.eye(d), -spread], [-np.eye(d), -spread], [gradient[None], np.zeros((1, count))]])
    bounds = [*zip(low, high, strict=True), *[(0, None)] * count]
    cost = np.concatenate([np.zeros(d), np.ones(count)])
    found = linprog(cost, A_ub=rows, b_ub=np.concatenate([np.zeros(2 * d), [level]]), bounds=bounds)
    return found.fun if found.success else np.inf


@pytest.mark.one_fast(1)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("d", [1, 2, 4])
def test_against_programming(norm, d):
    values = problem(d, d, rows=40)
    distance, _ = cut_distance(norm, *values)
    expected = [by_programming(norm, *(v[row].numpy() for v in values)) for row in range(40)]
    assert np.isinf(expected).any()
    np.testing.assert_allclose(distance.numpy(), expected, rtol=1e-6, atol=1e-7)


@given(seed=st.integers(0, 10**6), norm=st.sampled_from(NORMS), d=st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_the_point_is_feasible_and_the_bound_below_it(seed, norm, d):
    low, high, gradient, level = problem(seed, d, rows=30)
    distance, point = cut_distance(norm, low, high, gradient, level)
    met = torch.isfinite(distance)
    assert bool(((point >= low) & (point <= high)).all())
    assert bool(((point * gradient).sum(dim=1) <= level + 1e-11)[met].all())
    gap = (norm_of(norm, point) - distance)[met]
    assert float(gap.min()) >= 0
    assert float(gap.max()) <= 1e-11


@pytest.mark.parametrize(("norm", "expected"), [("linf", 0.3), ("l2", 1.5 / 5**0.5 * 1.0), ("l1", 0.75)])
def test_closed_forms_of_a_free_plane(norm, expected):
    # -2 u_0 - u_1 <= -b is b / ‖(2, 1)‖_dual away.
    one = 9 * torch.ones(1, 2, dtype=torch.float64)
    gradient = torch.tensor([[-2.0, -1.0]], dtype=torch.float64)
    level = torch.tensor([{"linf": -0.9, "l2": -1.5, "l1": -1.5}[norm]], dtype=torch.float64)
    assert cut_distance(norm, -one, one, gradient, level)[0].item() == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("norm", NORMS)
def test_flat_functions_either_cut_nothing_or_everything(norm):
    low, high = torch.full((1, 2), 0.5).double(), torch.ones(1, 2).double()
    flat = torch.zeros(1, 2).double()
    nearest = norm_of(norm, nearest_end(low, high))
    assert cut_distance(norm, low, high, flat, torch.ones(1).double())[0].item() == pytest.approx(nearest.item())
    assert torch.isinf(cut_distance(norm, low, high, flat, -torch.ones(1).double())[0]).all()
