"""The largest radius the relaxation proves."""

import pytest
import torch

from counterspin.optimum.linf_problem import pair_form, pair_shift, problem_of
from counterspin.optimum.linf_root import relaxed_radius
from counterspin.types import Box

X = torch.tensor([[0.9, 0.3]], dtype=torch.float64)


def problem(form, x=X, box=None):
    pair = pair_form(form, torch.arange(len(form)), pair_shift(form))
    return problem_of(pair, x, Box.unbounded(len(form)) if box is None else box)


@pytest.fixture
def opposed():
    """diag(1, -1): flips where |z_0| <= |z_1|, 0.3 away from (0.9, 0.3)."""
    return problem(torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64)))


def test_relaxed_root_of_a_convex_form_is_the_distance():
    # z_0^2 + z_1^2 - z_2^2 / 4 with the third feature fixed at 1: a disc of radius 1/2 about 0.
    form = torch.diag(torch.tensor([1.0, 1.0, -0.25], dtype=torch.float64))
    pair = pair_form(form, torch.tensor([0, 1]), pair_shift(form[:2, :2]))
    x = torch.tensor([[1.0, 0.0, 1.0], [0.8, 0.8, 1.0]], dtype=torch.float64)
    disc = problem_of(pair, x, Box.unbounded(3))
    ceiling = torch.tensor([5.0, 5.0], dtype=torch.float64)
    found = relaxed_radius(disc, ceiling, torch.zeros(2, 2).double(), tolerance=1e-6, effort=100)
    truth = torch.tensor([0.5, 0.8 - 0.5 / 2**0.5], dtype=torch.float64)
    torch.testing.assert_close(found.lower, truth, rtol=3e-6, atol=0)
    assert bool((found.lower <= truth).all())


def test_relaxed_root_stops_at_its_ceiling(opposed):
    ceiling = torch.tensor([0.05], dtype=torch.float64)
    assert relaxed_radius(opposed, ceiling, torch.zeros_like(X)).lower.item() == 0.05
