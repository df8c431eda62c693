"""Descents to the nearest flip, and the cut at the first zero."""

import pytest
import torch

from counterspin.optimum.linf_descent import descend, shortened, starts
from counterspin.optimum.linf_problem import pair_form, pair_shift, problem_of
from counterspin.types import Box

X = torch.tensor([[0.9, 0.3]], dtype=torch.float64)


def problem(form, x=X, box=None):
    pair = pair_form(form, torch.arange(len(form)), pair_shift(form))
    return problem_of(pair, x, Box.unbounded(len(form)) if box is None else box)


@pytest.fixture
def opposed():
    """diag(1, -1): flips where |z_0| <= |z_1|, 0.3 away from (0.9, 0.3)."""
    return problem(torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64)))


def test_shortened_ends_right_behind_the_zero(opposed):
    v = torch.tensor([[-0.6, 0.6]], dtype=torch.float64)
    torch.testing.assert_close(shortened(opposed, v), v / 2, rtol=1e-8, atol=0)
    assert opposed.margin(shortened(opposed, v)).item() <= 0
    short = torch.tensor([[-0.1, 0.1]], dtype=torch.float64)
    assert torch.equal(shortened(opposed, short), short)
    level = torch.tensor([[0.0, 0.0]], dtype=torch.float64)
    assert torch.equal(shortened(opposed, level), level)


@pytest.mark.parametrize("first", [0.05, 0.3, 2.0])
def test_descent_finds_the_nearest_flip_from_any_radius(opposed, first):
    radius = torch.tensor([first], dtype=torch.float64)
    found = descend(opposed, torch.zeros_like(X), radius)
    assert found.radius.item() == pytest.approx(0.3, rel=1e-6)
    assert found.radius.item() >= 0.3
    torch.testing.assert_close(found.steps, torch.tensor([[-0.3, 0.3]], dtype=torch.float64), rtol=1e-6, atol=0)


def test_without_growth_a_ball_without_flips_is_given_up(opposed):
    found = descend(opposed, torch.zeros_like(X), torch.tensor([0.25], dtype=torch.float64), grow=False)
    assert found.radius.item() == torch.inf
    assert torch.equal(found.steps, torch.zeros_like(X))


def test_starts_hold_the_lowest_corner(opposed):
    radius = torch.tensor([0.5], dtype=torch.float64)
    found = starts(opposed, radius, 3, torch.Generator().manual_seed(0))
    assert len(found) == 5
    low, high = opposed.ball(radius)
    assert all(bool(((start >= low) & (start <= high)).all()) for start in found)
    torch.testing.assert_close(found[1], torch.tensor([[-0.5, 0.5]], dtype=torch.float64))
    assert float(opposed.margin(found[1])) == pytest.approx(0.16 - 0.64)
