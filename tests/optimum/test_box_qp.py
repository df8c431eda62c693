"""Box programmes against closed forms and an independent solver; bounds from anywhere stay below the minimum."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from counterspin.optimum.box_programme import BoxProgramme, lower_bound, optimality_gap
from counterspin.optimum.box_qp import free_variables, minimum_over_box, solve_free


def random_programme(seed, d, rows, rank=None, per_row=False):
    g = torch.Generator().manual_seed(seed)
    factor = torch.randn(d, d if rank is None else rank, generator=g, dtype=torch.float64)
    form = factor @ factor.T / d
    linear = torch.randn(rows, d, generator=g, dtype=torch.float64)
    low = -torch.rand(rows, d, generator=g, dtype=torch.float64)
    high = torch.rand(rows, d, generator=g, dtype=torch.float64)
    programme = BoxProgramme.of(form, linear, low, high)
    if not per_row:
        return programme
    scale = torch.rand(rows, generator=g, dtype=torch.float64)
    diagonal = torch.rand(rows, d, generator=g, dtype=torch.float64)
    return BoxProgramme(
        form=form, spectrum=programme.spectrum, linear=linear, low=low, high=high, scale=scale, diagonal=diagonal
    )


def by_scipy(programme, row):
    scale = 1.0 if programme.scale is None else float(programme.scale[row])
    hessian = scale * programme.form.numpy()
    if programme.diagonal is not None:
        hessian = hessian + np.diag(programme.diagonal[row].numpy())
    linear = programme.linear[row].numpy()
    bounds = list(zip(programme.low[row].tolist(), programme.high[row].tolist(), strict=True))
    solved = minimize(
        lambda z: z @ hessian @ z + linear @ z,
        np.zeros(len(linear)),
        jac=lambda z: 2 * hessian @ z + linear,
        bounds=bounds,
        method="L-BFGS-B",
        options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 10000},
    )
    return solved.fun


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), d=st.integers(1, 8), per_row=st.booleans(), deficient=st.booleans())
def test_minimum_agrees_with_an_independent_solver(seed, d, per_row, deficient):
    programme = random_programme(seed, d, rows=3, rank=max(1, d // 2) if deficient else None, per_row=per_row)
    result = minimum_over_box(programme)
    assert bool((result.points >= programme.low).all() & (result.points <= programme.high).all())
    for row in range(3):
        expected = by_scipy(programme, row)
        assert result.lower[row].item() <= expected + 1e-12
        assert result.lower[row].item() == pytest.approx(expected, abs=1e-8)
        assert result.values[row].item() == pytest.approx(expected, abs=1e-8)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), d=st.integers(1, 8), per_row=st.booleans())
def test_the_bound_from_any_point_is_sound(seed, d, per_row):
    programme = random_programme(seed, d, rows=4, per_row=per_row)
    g = torch.Generator().manual_seed(seed)
    share = torch.rand(4, d, generator=g, dtype=torch.float64)
    bound = lower_bound(programme, programme.low + share * (programme.high - programme.low))
    best = minimum_over_box(programme).values
    assert bool((bound <= best + 1e-14).all())
    assert bool(torch.isfinite(bound).all())


def test_many_rows_of_256_converge_to_rounding():
    programme = random_programme(0, 256, rows=24)
    result = minimum_over_box(programme)
    assert bool((result.values - result.lower <= 1e-9).all())
    gradient = 2 * programme.image(result.points) + programme.linear
    free = free_variables(programme, result.points, gradient)
    assert 0 < int(free.sum()) < free.numel()
    assert float(gradient[free].abs().max()) < 1e-5


def test_separable_closed_form_with_infinite_ends():
    # min z^2 - 4 z on z >= -1 and on z >= 3: at 2 and at 3.
    linear = torch.full((2, 1), -4.0, dtype=torch.float64)
    low, high = torch.tensor([[-1.0], [3.0]]).double(), torch.full((2, 1), torch.inf).double()
    result = minimum_over_box(BoxProgramme.of(torch.eye(1).double(), linear, low, high))
    assert result.points[:, 0].tolist() == pytest.approx([2, 3], abs=1e-9)
    assert result.lower.tolist() == pytest.approx([-4, -3], abs=1e-9)


def test_no_bound_along_an_infinite_direction_that_is_flat():
    flat = torch.zeros(1, 1).double()
    programme = BoxProgramme.of(flat, torch.ones(1, 1).double(), flat - torch.inf, flat + 1)
    assert lower_bound(programme, flat).item() == -math.inf
    away = BoxProgramme.of(flat, torch.ones(1, 1).double(), flat, flat + torch.inf)
    assert lower_bound(away, flat).item() == pytest.approx(0.0, abs=1e-12)


def test_an_indefinite_form_has_a_sound_bound_too():
    # min -z^2 on [-1, 2] is -4; from z = 0.5 the curvature bound is what finds the far end.
    one = torch.ones(1, 1).double()
    programme = BoxProgramme.of(-one, 0 * one, -one, 2 * one)
    assert lower_bound(programme, 0.5 * one).item() == pytest.approx(-4, abs=1e-12)
    assert lower_bound(programme, 0.5 * one).item() <= -4


def test_doubt_about_the_linear_term_lowers_the_bound_by_what_it_can_do():
    one = torch.ones(1, 1).double()
    certain = BoxProgramme.of(one, -2 * one, 0 * one, 5 * one)
    doubtful = BoxProgramme(
        form=one, spectrum=certain.spectrum, linear=-2 * one, low=0 * one, high=5 * one, doubt=0.2 * one
    )
    # c in [-2.2, -1.8]: the minimum is -c^2 / 4, at worst -1.21.
    assert lower_bound(certain, one).item() == pytest.approx(-1.0, abs=1e-12)
    assert lower_bound(doubtful, one).item() <= -1.21
    assert lower_bound(doubtful, one).item() > -1.5


def test_gap_is_what_separates_value_and_bound():
    programme = random_programme(3, 6, rows=5)
    z = 0.5 * (programme.low + programme.high)
    gap = optimality_gap(programme, z, 2 * programme.image(z) + programme.linear)
    torch.testing.assert_close(programme.value(z) - gap, lower_bound(programme, z), rtol=0, atol=1e-11)


def test_solve_free_is_the_dense_solution_on_the_free_block():
    programme = random_programme(5, 7, rows=3, per_row=True)
    free = torch.rand(3, 7, generator=torch.Generator().manual_seed(0)) < 0.6
    target = torch.randn(3, 7, generator=torch.Generator().manual_seed(1)).double()
    solution = solve_free(programme, target, free)
    for row in range(3):
        index = free[row].nonzero()[:, 0]
        hessian = programme.scale[row] * programme.form + torch.diag(programme.diagonal[row])
        expected = torch.linalg.solve(hessian[index][:, index], target[row, index])
        torch.testing.assert_close(solution[row, index], expected, rtol=1e-7, atol=1e-9)
        assert bool((solution[row, ~free[row]] == 0).all())


def test_a_start_and_rows_of_different_difficulty():
    programme = random_programme(8, 20, rows=6)
    cold = minimum_over_box(programme)
    warm = minimum_over_box(programme, cold.points, gradient_steps=0, newton_steps=1)
    torch.testing.assert_close(warm.values, cold.values, rtol=0, atol=1e-12)
    part = minimum_over_box(programme.take(torch.tensor([4])))
    assert part.values.item() == pytest.approx(cold.values[4].item(), abs=1e-12)


def test_newton_alone_and_gradients_alone_reach_the_same_minimum():
    programme = random_programme(9, 12, rows=4)
    newton = minimum_over_box(programme, gradient_steps=0)
    gradients = minimum_over_box(programme, gradient_steps=3000, newton_steps=0)
    torch.testing.assert_close(newton.values, gradients.values, rtol=0, atol=1e-9)
