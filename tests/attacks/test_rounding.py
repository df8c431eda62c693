"""Rounding to discrete values against brute force over all of them."""

import itertools

import pytest
import torch

from counterspin.attacks.ball import Ball
from counterspin.threats import Constraints, Group
from counterspin.types import Box

LEVELS = ((0.0,), (0.5,), (1.0,))
BITS = ((0.0,), (1.0,))
ONE_HOT = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
GROUPS = (
    Group(features=(0,), values=LEVELS),
    Group(features=(4,), values=BITS),
    Group(features=(1, 2, 3), values=ONE_HOT),
)
BOX = Box.uniform(0.0, 1.0, 5)


def ball_and_points(norm, radius, seed=0, rows=60):
    g = torch.Generator().manual_seed(seed)
    center = torch.rand(rows, 5, generator=g, dtype=torch.float64)
    listed = torch.stack(
        [torch.tensor(LEVELS), torch.tensor(LEVELS)[[2, 0, 1]], torch.tensor(LEVELS)[[1, 2, 0]]]
    ).double()[torch.randint(3, (rows,), generator=g), 0, 0]
    center[::2, 0] = listed[::2]
    center[::2, 1:4] = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    ball = Ball.around(center, torch.full((rows,), radius), norm, BOX, Constraints(groups=GROUPS))
    return ball, center + torch.randn(rows, 5, generator=g, dtype=torch.float64)


def every_point(center):
    """All joint values with the clean ones, `(points, 5)`."""
    choices = [[torch.tensor(v, dtype=torch.float64) for v in group.values] for group in GROUPS]
    for group, values in zip(GROUPS, choices, strict=True):
        values.append(center[list(group.features)])
    for chosen in itertools.product(*choices):
        z = center.clone()
        for group, value in zip(GROUPS, chosen, strict=True):
            z[list(group.features)] = value
        yield z


def brute_force(center, size, radius):
    points = torch.stack(list(every_point(center)))
    return points[torch.tensor([size(z - center) <= radius + 1e-12 for z in points])]


def groups_changed(delta):
    return sum(bool((delta[list(group.features)] != 0).any()) for group in GROUPS)


SIZES = {"linf": lambda d: d.abs().max(), "l2": lambda d: d.norm(), "l1": lambda d: d.abs().sum(), "l0": groups_changed}


@pytest.mark.one_fast
@pytest.mark.parametrize(("norm", "radius"), [("linf", 0.4), ("linf", 0.6), ("linf", 1.0), ("l0", 1.0), ("l0", 2.0)])
def test_the_nearest_admissible_point(norm, radius):
    ball, x = ball_and_points(norm, radius)
    x = x if norm == "l0" else ball.project(x)
    z = ball.round(x)
    for row in range(ball.rows):
        points = brute_force(ball.center[row], SIZES[norm], radius)
        assert (z[row] - x[row]).norm().item() == pytest.approx((points - x[row]).norm(dim=1).min().item(), abs=1e-12)
        assert (points == z[row]).all(dim=1).any()


@pytest.mark.one_fast
@pytest.mark.parametrize(("norm", "radius"), [("l2", 0.5), ("l2", 1.0), ("l2", 1.5), ("l1", 1.0), ("l1", 2.5)])
def test_changes_are_given_back_until_the_rest_fits(norm, radius):
    ball, x = ball_and_points(norm, radius)
    x = ball.project(x)
    z = ball.round(x)
    excess = []
    for row in range(ball.rows):
        points = brute_force(ball.center[row], SIZES[norm], radius)
        assert (points == z[row]).all(dim=1).any()
        distance, best = (z[row] - x[row]).norm(), (points - x[row]).norm(dim=1).min()
        # Never farther than staying put; exact where the nearest values are admissible together.
        assert distance <= (ball.center[row] - x[row]).norm() + 1e-12
        nearest = torch.stack(list(every_point(ball.center[row])))
        nearest = nearest[(nearest - x[row]).norm(dim=1).argmin()]
        if SIZES[norm](nearest - ball.center[row]) <= radius:
            assert distance.item() == pytest.approx(best.item(), abs=1e-12)
        excess.append((distance - best).item())
    # A greedy knapsack: exact in most cases.
    assert sum(e > 1e-9 for e in excess) <= 0.2 * ball.rows


def test_one_hot_groups_stay_valid_and_count_once():
    ball, x = ball_and_points("l0", 1.0, rows=200)
    z = ball.round(x)
    flipped = (z != ball.center)[:, 1:4].any(dim=1)
    assert flipped.any()
    assert (z[flipped][:, 1:4].sum(dim=1) == 1).all()
    assert torch.equal((ball.size(z - ball.center) <= 1)[:, 0], torch.ones(200, dtype=torch.bool))


def test_joint_values_are_those_reachable_on_their_own():
    center = torch.tensor([[0.0, 1.0, 0.0, 0.0, 1.0], [0.3, 0.0, 0.0, 1.0, 0.0]], dtype=torch.float64)
    ball = Ball.around(center, torch.tensor([0.5, 0.5]), "linf", BOX, Constraints(groups=GROUPS))
    found = {
        tuple(features.tolist()): [values[row, : number[row]].tolist() for row in range(2)]
        for features, values, number in ball.joint_values()
    }
    assert found[(0,)] == [[[0.0], [0.5]], [[0.3], [0.0], [0.5]]]
    assert found[(4,)] == [[[1.0]], [[0.0]]]
    assert found[(1, 2, 3)] == [[[1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0]]]


def test_a_masked_group_is_not_offered():
    mask = (False, True, True, True, True)
    ball = Ball.around(torch.zeros(1, 5), torch.ones(1), "linf", BOX, Constraints(groups=GROUPS, mask=mask))
    assert [features.tolist() for features, _, _ in ball.joint_values()] == [[4], [1, 2, 3]]
    assert ball.round(torch.ones(1, 5))[0, 0] == 0.0
