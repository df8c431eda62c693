import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.attacks.ball import Ball
from counterspin.threats import Constraints, Group
from counterspin.types import Box

DTYPES = [torch.float32, torch.float64]
NORMS = ["linf", "l2", "l1", "l0"]

# On 8 features: 1 and 7 fixed, 0 and 2 tied, 3 one of three values, 4 and 5 one-hot with 6 free.
MIXED = Constraints(
    mask=(True, False, True, True, True, True, True, False),
    groups=(
        Group(features=(3,), values=((0.0,), (0.5,), (1.0,))),
        Group(features=(4, 5), values=((1.0, 0.0), (0.0, 1.0))),
    ),
    tied=((0, 2),),
)


def make_ball(seed, norm, dtype, *, features=6, rows=5, box=True, radius=0.4, constraints=None):
    g = torch.Generator().manual_seed(seed)
    center = torch.rand(rows, features, generator=g, dtype=dtype)
    radii = radius * torch.rand(rows, generator=g, dtype=dtype)
    radii = (8 * radii).floor() if norm == "l0" else radii
    return Ball.around(center, radii, norm, Box.uniform(0.0, 1.0, features) if box else None, constraints), g


def mixed_ball(seed, norm, dtype, radius):
    """Every kind of constraint, feature 6 on a circle, clean discrete values on and off their lists."""
    g = torch.Generator().manual_seed(seed)
    center = torch.rand(40, 8, generator=g, dtype=dtype)
    center[::2, 3:6] = center[::2, 3:6].round()
    box = Box(torch.zeros(8), torch.ones(8), torch.arange(8) == 6)
    radii = torch.full((40,), float(round(4 * radius)) if norm == "l0" else radius, dtype=dtype)
    return Ball.around(center, radii, norm, box, MIXED), g


def bisected_projection(x, center, radius, low, high):
    """Independent oracle in numpy: bisection on the multiplier of the ball."""

    def point(mu):
        return np.clip((x + mu * center) / (1 + mu), low, high)

    if np.linalg.norm(point(0.0) - center) <= radius:
        return point(0.0)
    small, large = 0.0, 1e12
    for _ in range(400):
        middle = np.sqrt(small * large) if small > 0 else min(1.0, large / 2)
        small, large = (middle, large) if np.linalg.norm(point(middle) - center) > radius else (small, middle)
        if small == 0.0 and large < 1e-12:
            break
    return point(large)


@pytest.mark.one_fast
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("box", [True, False])
@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    radius=st.sampled_from([1e-9, 1e-4, 0.1, 0.5, 5.0]),
    spread=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_projection_is_feasible_in_its_dtype_and_keeps_feasible_points(dtype, norm, box, seed, radius, spread):
    ball, g = make_ball(seed, norm, dtype, box=box, radius=radius)
    z = ball.project(ball.center + spread * torch.randn(ball.center.shape, generator=g, dtype=dtype))
    assert ball.contains(z).all()
    assert torch.equal(ball.project(z), z)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), radius=st.sampled_from([0.05, 0.3, 1.0, 3.0]))
def test_l2_projection_into_a_box_is_the_nearest_point(seed, radius):
    ball, g = make_ball(seed, "l2", torch.float64, radius=radius)
    x = ball.center + 2 * torch.randn(ball.center.shape, generator=g, dtype=torch.float64)
    z = ball.project(x)
    for row in range(ball.rows):
        expected = bisected_projection(x[row].numpy(), ball.center[row].numpy(), ball.radius[row].item(), 0.0, 1.0)
        assert z[row].numpy() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_projection_from_outside_reaches_the_edge_of_the_ball(norm, dtype):
    ball, g = make_ball(5, norm, dtype, box=False, rows=500, features=64)
    z = ball.project(ball.center + 10 * torch.randn(ball.center.shape, generator=g, dtype=dtype))
    far = ball.radius[:, 0] > 1e-3
    assert torch.allclose(
        ball.size(z - ball.center)[far], ball.radius[far], rtol=2e-3 if dtype == torch.float32 else 1e-11
    )


def test_projection_with_features_on_their_bounds_and_unmoved_ones():
    ball = Ball.around(torch.tensor([[0.0, 1.0, 0.5]]), torch.tensor([0.2]), "l2", Box.uniform(0.0, 1.0, 3))
    z = ball.project(torch.tensor([[-3.0, 2.0, 0.5]]))
    assert torch.equal(z, ball.center)
    assert ball.project(torch.tensor([[-3.0, 2.0, 0.9]]))[0].tolist() == pytest.approx([0.0, 1.0, 0.7], abs=1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_a_radius_of_zero_leaves_the_centre(norm, seeded):
    ball = Ball.around(torch.rand(3, 4), torch.zeros(3), norm, Box.uniform(0.0, 1.0, 4))
    assert torch.equal(ball.project(torch.randn(3, 4)), ball.center)
    assert torch.equal(ball.random_point(ball.center, seeded()), ball.center)


@pytest.mark.parametrize(("norm", "reach"), [("linf", 0.7), ("l2", (0.7**2 + 0.5**2) ** 0.5), ("l1", 1.2)])
@pytest.mark.parametrize("budget", [1.3, 10.0, 1e300])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_budget_beyond_the_box_is_the_distance_of_its_farthest_corner(norm, reach, budget, dtype):
    center = torch.tensor([[0.3, 0.5]], dtype=dtype)
    ball = Ball.around(center, torch.tensor([budget], dtype=torch.float64), norm, Box.uniform(0.0, 1.0, 2))
    assert ball.radius.item() == pytest.approx(reach, rel=1e-6)
    corners = torch.tensor([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0]], dtype=dtype)
    wide = ball.tile(3)
    assert torch.allclose(wide.project(corners), corners, atol=1e-6)


def test_a_centre_a_rounding_outside_the_box_is_admissible():
    ball = Ball.around(torch.tensor([[1.0 + 5e-7]]), torch.tensor([1e-8]), "linf", Box.uniform(0.0, 1.0, 1))
    assert ball.contains(ball.center).all()


@pytest.mark.parametrize(("norm", "dual"), [("linf", 1.0), ("l2", 2.0), ("l1", torch.inf)])
def test_steepest_reaches_the_dual_norm(norm, dual):
    ball, g = make_ball(0, norm, torch.float64, box=False)
    gradient = torch.randn(ball.center.shape, generator=g, dtype=torch.float64)
    direction = ball.steepest(gradient)
    assert torch.allclose((direction * gradient).sum(dim=1), torch.linalg.vector_norm(gradient, ord=dual, dim=1))
    assert torch.allclose(ball.size(direction), torch.ones(ball.rows, 1, dtype=torch.float64))


def test_steepest_of_zero_is_zero_and_of_a_tiny_gradient_is_not():
    ball = Ball.around(torch.zeros(2, 2), torch.ones(2), "l2", None)
    direction = ball.steepest(torch.tensor([[0.0, 0.0], [3e-30, 4e-30]]))
    assert direction[0].tolist() == [0.0, 0.0]
    assert direction[1].tolist() == pytest.approx([0.6, 0.8])


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_random_points_are_uniform_in_the_ball(norm, seeded):
    features, rows = 3, 20_000
    ball = Ball.around(torch.zeros(rows, features, dtype=torch.float64), torch.full((rows,), 2.0), norm, None)
    radii = ball.size(ball.random_point(ball.center, seeded()))[:, 0] / 2.0
    # The norm of a uniform point has distribution function r**features; Kolmogorov-Smirnov at 1e-3.
    ranks = (radii.sort().values ** features - (torch.arange(rows) + 0.5) / rows).abs().max().item()
    assert ranks < 1.95 / rows**0.5


def test_warm_starts_are_kept_and_cold_ones_drawn(seeded):
    ball, _ = make_ball(3, "linf", torch.float64)
    start = ball.center.clone()
    start[1] = ball.project(start + 0.01)[1]
    drawn = ball.random_point(start, seeded())
    assert torch.equal(drawn[1], start[1])
    assert (drawn[0] != start[0]).any()


def periodic_box():
    return Box(torch.tensor([0.0, 0.0]), torch.tensor([1.0, 1.0]), torch.tensor([True, False]))


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_periodic_features_go_round_instead_of_being_clipped(norm):
    ball = Ball.around(torch.tensor([[0.95, 0.95]], dtype=torch.float64), torch.tensor([0.1]), norm, periodic_box())
    # 0.02 is 0.07 past 0.95 on the circle.
    assert ball.project(torch.tensor([[0.02, 0.95]], dtype=torch.float64))[0].tolist() == pytest.approx([1.02, 0.95])
    far = ball.project(torch.tensor([[1.2, 1.2]], dtype=torch.float64))
    assert far[0, 0].item() > 1.0
    assert far[0, 1].item() <= 1.0
    assert ball.contains(far).all()


def test_a_point_on_the_circle_is_never_more_than_half_a_period_away():
    ball = Ball.around(torch.tensor([[0.2, 0.5]], dtype=torch.float64), torch.tensor([9.0]), "linf", periodic_box())
    x = torch.stack([torch.linspace(-4, 4, 41, dtype=torch.float64), torch.full((41,), 0.5)], dim=1)
    delta = ball.tile(41).project(x) - ball.center
    assert delta[:, 0].abs().max().item() <= 0.5 + 1e-12


def test_take_and_tile_pick_rows():
    ball, _ = make_ball(1, "linf", torch.float64, rows=3)
    assert torch.equal(ball.take(torch.tensor([2])).center, ball.center[2:])
    assert torch.equal(ball.tile(2).radius, torch.cat([ball.radius, ball.radius]))


@pytest.mark.one_fast(1)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("norm", NORMS)
@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    radius=st.sampled_from([0.02, 0.5, 1.0, 1.6, 5.0]),
    spread=st.sampled_from([1e-3, 0.3, 3.0, 1e3]),
)
def test_under_every_kind_of_constraint_points_are_admissible(dtype, norm, seed, radius, spread):
    ball, g = mixed_ball(seed, norm, dtype, radius)
    x = ball.center + spread * torch.randn(ball.center.shape, generator=g, dtype=dtype)
    relaxed = ball.project(x)
    assert torch.equal(ball.project(relaxed), relaxed)
    assert (ball.size(relaxed - ball.center) <= ball.radius).all()
    assert torch.equal(relaxed[:, [1, 7]], ball.center[:, [1, 7]])
    step = relaxed - ball.center
    assert torch.allclose(step[:, 0], step[:, 2], atol=4e-6 if dtype == torch.float32 else 1e-14)
    for point in (ball.round(x), ball.round(relaxed), ball.random_point(ball.center, g), ball.center):
        assert ball.contains(point).all()
        assert torch.equal(ball.round(point), point)


@pytest.mark.parametrize("norm", NORMS)
def test_contains_knows_masks_values_and_ties(norm):
    ball, _ = mixed_ball(0, norm, torch.float64, 5.0)
    inner = ball.center.clone()
    inner[:, [0, 2]] += 0.01 * (0.5 - inner[:, [0, 2]]).sign()[:, :1]
    assert ball.contains(inner)[(inner[:, 2] >= 0) & (inner[:, 2] <= 1)].all()
    for feature, value in ((1, 0.1234), (3, 0.25), (0, 0.1234), (4, 0.25)):
        broken = ball.center.clone()
        broken[:, feature] = value
        assert not ball.contains(broken).any()
    listed = ball.center.clone()
    listed[:, 3:6] = torch.tensor([0.5, 0.0, 1.0], dtype=torch.float64)
    assert ball.contains(listed).all()
    assert not ball.contains(listed + 0.001 * torch.eye(8, dtype=torch.float64)[4]).any()
    assert ball.contains(listed + 1e-9 * torch.eye(8, dtype=torch.float64)[4], tolerance=1e-6).all()


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_projection_under_a_mask_and_a_tie_is_that_in_fewer_features(norm):
    """Oracle: a tied pair is one feature stretched by sqrt 2 (L2), a masked one is none."""
    ball, g = make_ball(2, norm, torch.float64, features=4, constraints=Constraints(mask=(True, False, True, True)))
    x = ball.center + torch.randn(ball.center.shape, generator=g, dtype=torch.float64)
    free = [0, 2, 3]
    fewer = Ball.around(ball.center[:, free], ball.radius[:, 0], norm, Box.uniform(0.0, 1.0, 3))
    assert torch.allclose(ball.project(x)[:, free], fewer.project(x[:, free]), atol=1e-12)
    tied = Ball.around(ball.center, ball.radius[:, 0], norm, None, Constraints(tied=((0, 2),)))
    step = x - ball.center
    both = (step[:, 0] + step[:, 2]) / 2
    shape = {"linf": (1.0, 1.0), "l2": (2**0.5, 2**0.5), "l1": (2.0, 2**0.5)}[norm]
    if norm == "l1":  # weights differ between norm and distance: compare with a fine search instead
        z = tied.project(x) - ball.center
        grid = torch.linspace(-1, 1, 401, dtype=torch.float64)[:, None] * both.abs()
        for t in grid:
            other = z.clone()
            other[:, 0] = other[:, 2] = t
            inside = (tied.size(other) <= tied.radius)[:, 0]
            closer = (other - step).norm(dim=1) < (z - step).norm(dim=1) - 1e-12
            assert not (inside & closer).any()
        return
    reduced = torch.stack([shape[0] * both, step[:, 1], step[:, 3]], dim=1)
    line = Ball.around(torch.zeros_like(reduced), ball.radius[:, 0], norm, None)
    expected = line.project(reduced)
    found = tied.project(x) - ball.center
    assert torch.allclose(found[:, [0, 1, 3]] * torch.tensor([shape[1], 1.0, 1.0]), expected, atol=1e-12)


def test_tied_angles_keep_together_around_the_circle():
    box = Box(torch.zeros(2), torch.ones(2), torch.ones(2, dtype=torch.bool))
    center = torch.tensor([[0.2, 0.7]], dtype=torch.float64)
    ball = Ball.around(center, torch.tensor([0.5]), "linf", box, Constraints(tied=((0, 1),)))
    # A step of 0.45 for both, one of them wrapped into the box.
    z = ball.project(torch.tensor([[0.65, 0.15]], dtype=torch.float64))
    assert (z - center)[0].tolist() == pytest.approx([0.45, 0.45])


def test_without_constraints_or_groups_rounding_changes_nothing():
    ball, g = make_ball(0, "l2", torch.float32)
    x = torch.randn(ball.center.shape, generator=g)
    assert ball.round(x) is x
    assert not ball.is_discrete
    masked = Ball.around(ball.center, ball.radius[:, 0], "l2", None, Constraints(mask=(True,) * 5 + (False,)))
    assert masked.round(x) is x


def test_a_step_of_exactly_the_budget_is_inside_despite_rounding():
    values = tuple((v / 10,) for v in range(11))
    constraints = Constraints(groups=(Group(features=(0,), values=values), Group(features=(1,), values=values)))
    assert 0.4 - 0.3 > 0.1
    for dtype in DTYPES:
        for norm, radius in (("linf", 0.1), ("l1", 0.2), ("l2", 0.1 * 2**0.5)):
            center = torch.tensor([[0.3, 0.3]], dtype=dtype)
            ball = Ball.around(center, torch.tensor([radius]), norm, Box.uniform(0.0, 1.0, 2), constraints)
            assert ball.round(center + 1.0)[0].tolist() == pytest.approx([0.4, 0.4])
