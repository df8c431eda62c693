"""Steepest directions against linear programs, and what ascents along them reach on linear functions."""

import itertools

import pytest
import torch
from scipy.optimize import linprog

from counterspin.attacks.ball import Ball
from counterspin.threats import Constraints, Group
from counterspin.types import Box


def problem(norm, radius, *, features=6, rows=20, box=True, constraints=None, seed=0):
    g = torch.Generator().manual_seed(seed)
    center = torch.rand(rows, features, generator=g, dtype=torch.float64)
    gradient = torch.randn(rows, features, generator=g, dtype=torch.float64)
    bounds = Box.uniform(0.0, 1.0, features) if box else None
    return Ball.around(center, torch.full((rows,), radius), norm, bounds, constraints), gradient


def gain(ball, gradient):
    """What the point `radius` along the steepest direction gains, after it is shown to be admissible."""
    point = ball.center + ball.radius * ball.steepest(gradient)
    assert ((point - ball.project(point)).abs() < 1e-12).all()
    return (gradient * (point - ball.center)).sum(dim=1)


@pytest.mark.one_fast
@pytest.mark.parametrize("box", [True, False])
@pytest.mark.parametrize("radius", [0.2, 1.0, 3.0])
def test_l1_reaches_the_optimum_of_a_linear_program(radius, box):
    ball, gradient = problem("l1", radius, box=box)
    found = gain(ball, gradient)
    for row in range(ball.rows):
        c, w = ball.center[row].numpy(), gradient[row].numpy()
        up = [(0, 1 - e) if box else (0, None) for e in c]
        down = [(0, e) if box else (0, None) for e in c]
        best = linprog([*-w, *w], A_ub=[[1] * 12], b_ub=[ball.radius[row].item()], bounds=up + down)
        assert found[row].item() == pytest.approx(-best.fun, abs=1e-9)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_l0_reaches_the_best_vertex(count):
    ball, gradient = problem("l0", float(count))
    move = torch.where(gradient > 0, 1 - ball.center, -ball.center)
    best = torch.stack(
        [(gradient * move)[:, list(s)].sum(dim=1) for s in itertools.combinations(range(6), count)]
    ).amax(dim=0)
    assert torch.allclose(gain(ball, gradient), best)


def test_l0_with_groups_and_ties_reaches_the_best_vertex():
    one_hot = ((1.0, 0.0), (0.0, 1.0))
    constraints = Constraints(groups=(Group(features=(0, 1), values=one_hot),), tied=((2, 4),))
    ball, gradient = problem("l0", 2.0, constraints=constraints)
    point = ball.center + ball.radius * ball.steepest(gradient)
    assert ball.contains(ball.round(point)).all()
    assert torch.allclose(ball.round(point), point)
    delta = [
        torch.stack([torch.tensor(v, dtype=torch.float64) - ball.center[:, :2] for v in one_hot]),
        torch.stack([ball.lower[:, [2, 4]] - ball.center[:, [2, 4]], ball.upper[:, [2, 4]] - ball.center[:, [2, 4]]]),
        *(torch.stack([-ball.center[:, [i]], 1 - ball.center[:, [i]]]) for i in (3, 5)),
    ]
    single = [
        (d * gradient[:, f]).sum(dim=2).amax(dim=0).clamp_min(0.0)
        for d, f in zip(delta, ([0, 1], [2, 4], [3], [5]), strict=True)
    ]
    best = torch.stack([a + b for a, b in itertools.combinations(single, 2)]).amax(dim=0)
    assert torch.allclose(gain(ball, gradient), best)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_masked_and_tied_features_share_the_direction(norm):
    constraints = Constraints(mask=(True, False, True, True, True, True), tied=((0, 4),))
    ball, gradient = problem(norm, 0.1, box=False, constraints=constraints)
    direction = ball.steepest(gradient)
    assert torch.equal(direction[:, 0], direction[:, 4])
    assert (direction[:, 1] == 0).all()
    mean = (gradient[:, 0] + gradient[:, 4]) / 2
    others = gradient[:, [2, 3, 5]]
    dual = {
        "linf": 2 * mean.abs() + others.abs().sum(dim=1),
        "l2": (2 * mean.square() + others.square().sum(dim=1)).sqrt(),
        "l1": torch.maximum(mean.abs(), others.abs().amax(dim=1)),
    }[norm]
    assert torch.allclose((direction * gradient).sum(dim=1), dual)


def test_an_l1_ascent_is_told_to_leave_features_at_their_bounds():
    ball = Ball.around(torch.tensor([[0.5, 0.5, 0.5]]), torch.tensor([1.0]), "l1", Box.uniform(0.0, 1.0, 3))
    gradient = torch.tensor([[3.0, 2.0, -1.0]])
    at = torch.tensor([[1.0, 0.6, 0.5]])
    # The first is pushed against its bound, the second moves, the third stays.
    assert ball.steepest(gradient, at).tolist() == [[0.5, 0.5, 0.0]]
    assert ball.steepest(gradient, ball.upper.clone().index_fill_(1, torch.tensor([2]), 0.0)).tolist() == [[0, 0, 0]]


def test_the_linear_optimum_is_a_fixed_point_of_l1_ascent():
    ball, gradient = problem("l1", 1.4, features=12)
    best = ball.project(ball.center + ball.radius * ball.steepest(gradient))
    for size in (0.01, 0.5, 2.0):
        moved = ball.project(best + size * ball.radius * ball.steepest(gradient, best))
        assert torch.allclose(moved, best, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("norm", ["linf", "l2", "l1", "l0"])
def test_a_gradient_of_zero_leads_nowhere(norm, dtype):
    ball = Ball.around(torch.full((2, 4), 0.5, dtype=dtype), torch.ones(2), norm, Box.uniform(0.0, 1.0, 4))
    assert torch.equal(ball.steepest(torch.zeros(2, 4, dtype=dtype)), torch.zeros(2, 4, dtype=dtype))
    assert torch.equal(ball.steepest(torch.zeros(2, 4, dtype=dtype), ball.upper), torch.zeros(2, 4, dtype=dtype))
