"""Margins as functions of the step, and the relaxation that bounds them from below."""

import numpy as np
import pytest
import torch

from counterspin.optimum.linf_problem import PairShift, pair_form, pair_shift, problem_of
from counterspin.types import Box


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(1)
    form = torch.randn(5, 5, generator=generator, dtype=torch.float64)
    form = form + form.mT
    x = torch.rand(4, 5, generator=generator, dtype=torch.float64)
    movable = torch.tensor([0, 2, 3])
    pair = pair_form(form, movable, pair_shift(form[movable][:, movable]))
    return form, x, movable, problem_of(pair, x, Box.uniform(0, 1, features=5)), generator


def test_margin_is_the_quadratic_form(case):
    form, x, movable, problem, generator = case
    v = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    z = x.clone()
    z[:, movable] += v
    torch.testing.assert_close(problem.margin(v), torch.einsum("ri,ij,rj->r", z, form, z), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(problem.height, torch.einsum("ri,ij,rj->r", x, form, x), rtol=1e-12, atol=0)


def test_ball_and_reach(case):
    _, x, movable, problem, _ = case
    low, high = problem.ball(torch.full((4,), 0.3, dtype=torch.float64))
    torch.testing.assert_close(low, (-x[:, movable]).clamp(min=-0.3))
    torch.testing.assert_close(high, (1 - x[:, movable]).clamp(max=0.3))
    torch.testing.assert_close(problem.reach(), torch.maximum(x, 1 - x)[:, movable].amax(dim=1))


def test_spectrum_holds_the_eigenvalues_and_turns_round():
    form = torch.diag(torch.tensor([-3.0, 1.0, 2.0]).double())
    shift = pair_shift(form)
    assert shift.spectrum[0] <= -3 <= shift.spectrum[0] + 1e-9
    assert shift.spectrum[1] - 1e-9 <= 2 <= shift.spectrum[1]
    assert shift.shift == pytest.approx(3)
    assert shift.reversed() == pair_shift(-form)
    assert PairShift(spectrum=(1.0, 2.0), shift=0.0).reversed() == PairShift(spectrum=(-2.0, -1.0), shift=2.0)


def test_relaxed_minimum_is_below_the_margin_and_tight_for_its_shift(case):
    form, _, movable, problem, _ = case
    radius = torch.full((4,), 0.4, dtype=torch.float64)
    low, high = problem.ball(radius)
    enough = torch.full_like(radius, 1e-10)
    found = problem.relaxed_minimum(low, high, torch.zeros_like(low), enough, 100)
    # Dense grid of the box for the margin itself and for the relaxed one.
    axis = torch.linspace(0, 1, 41, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis, axis)
    shift = -np.linalg.eigvalsh(form[movable][:, movable].numpy())[0]
    for row in range(4):
        v = low[row] + grid * (high[row] - low[row])
        margin = problem.take(torch.full((len(v),), row)).margin(v)
        relaxed = margin + shift * ((v - low[row]) * (v - high[row])).sum(dim=1)
        assert found.lower[row] <= margin.min()
        assert found.lower[row] <= relaxed.min()
        assert found.lower[row].item() == pytest.approx(relaxed.min().item(), abs=0.02 * abs(margin.max().item()))
        assert found.values[row] - found.lower[row] <= 1e-8


def test_a_bad_start_without_effort_is_still_sound(case):
    _, _, _, problem, generator = case
    low, high = problem.ball(torch.full((4,), 0.4, dtype=torch.float64))
    start = low + torch.rand(low.shape, generator=generator, dtype=torch.float64) * (high - low)
    enough = torch.full((4,), 1e-10, dtype=torch.float64)
    rough = problem.relaxed_minimum(low, high, start, enough, 0)
    fine = problem.relaxed_minimum(low, high, start, enough, 100)
    assert bool((rough.lower <= fine.values).all())
    assert bool((rough.lower < fine.lower).any())


def test_convex_form_is_positive_on_an_infinite_box():
    # m = 0.5^2 * 2 + z_0^2 >= 0.5 for all z_0; with a third feature of negative weight held at 1 it is negative.
    form = torch.diag(torch.tensor([1.0, 2.0, -1.0]).double())
    movable = torch.tensor([0])
    pair = pair_form(form, movable, pair_shift(form[:1, :1]))
    x = torch.tensor([[2.0, 0.5, 0.0], [2.0, 0.5, 1.0]]).double()
    assert problem_of(pair, x, Box.unbounded(3)).always_positive().tolist() == [True, False]
