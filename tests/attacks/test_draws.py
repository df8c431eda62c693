"""Random points: their distributions, with and without constraints."""

import pytest
import torch

from counterspin.attacks.ball import Ball
from counterspin.threats import Constraints, Group
from counterspin.types import Box

ROWS = 20_000
# Kolmogorov-Smirnov at 1e-3.
CRITICAL = 1.95 / ROWS**0.5


def drawn(norm, radius, features, constraints=None, *, box=None, value=0.5, seed=0):
    center = torch.full((ROWS, features), value, dtype=torch.float64)
    ball = Ball.around(center, torch.full((ROWS,), radius), norm, box, constraints)
    return ball.random_point(center, torch.Generator().manual_seed(seed)) - center


def far_from_uniform(ranks):
    return (ranks.sort().values - (torch.arange(ROWS) + 0.5) / ROWS).abs().max().item()


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_masked_and_tied_features_leave_a_uniform_draw_in_fewer_dimensions(norm):
    constraints = Constraints(mask=(True, True, False, True, True), tied=((0, 3),))
    step = drawn(norm, 2.0, 5, constraints)
    assert (step[:, 2] == 0).all()
    assert torch.allclose(step[:, 0], step[:, 3], atol=1e-12)
    order = {"linf": torch.inf, "l2": 2.0, "l1": 1.0}[norm]
    length = torch.linalg.vector_norm(step, ord=order, dim=1) / 2.0
    # Three coordinates: the tied pair and two others.
    assert far_from_uniform(length**3) < CRITICAL
    # The tied coordinate u = m^(1/p) t is distributed like a free one.
    stretch = {"linf": 1.0, "l2": 2**0.5, "l1": 2.0}[norm]
    mine, other = (stretch * step[:, 0]).abs().sort().values, step[:, 1].abs().sort().values
    assert (mine - other).abs().max().item() < 0.12
    assert (mine - other).abs().mean().item() < 0.02


def test_l1_draws_point_everywhere():
    step = drawn("l1", 1.0, 4)
    assert step.mean(dim=0).abs().max().item() < 0.01
    # E|step_i| in the uniform L1 ball is 1/(d+1).
    assert step.abs().mean(dim=0).tolist() == pytest.approx([0.2] * 4, abs=0.01)


def test_l0_draws_change_as_many_features_as_allowed_uniformly():
    step = drawn("l0", 2.0, 5, box=Box.uniform(0.0, 1.0, 5))
    assert ((step != 0).sum(dim=1) == 2).all()
    assert (step != 0).double().mean(dim=0).tolist() == pytest.approx([0.4] * 5, abs=0.02)
    moved = step[:, 0][step[:, 0] != 0] + 0.5
    ranks = (moved.sort().values - (torch.arange(len(moved)) + 0.5) / len(moved)).abs().max().item()
    assert ranks < 1.95 / len(moved) ** 0.5


GROUPS = (
    Group(features=(0,), values=((0.0,), (0.5,), (1.0,))),
    Group(features=(1, 2), values=((1.0, 0.0), (0.0, 1.0), (0.0, 0.0))),
)


def test_discrete_draws_are_uniform_over_the_values():
    step = drawn("linf", 1.0, 3, Constraints(groups=GROUPS), box=Box.uniform(0.0, 1.0, 3), value=0.0)
    for value in (0.0, 0.5, 1.0):
        assert (step[:, 0] == value).double().mean().item() == pytest.approx(1 / 3, abs=0.02)
    for value in ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0)):
        found = (step[:, 1:] == torch.tensor(value)).all(dim=1).double().mean().item()
        assert found == pytest.approx(1 / 3, abs=0.02)


def test_discrete_l0_draws_change_units_to_other_values():
    step = drawn("l0", 1.0, 4, Constraints(groups=GROUPS), box=Box.uniform(0.0, 1.0, 4), value=0.0)
    units = torch.stack([step[:, 0] != 0, (step[:, 1:3] != 0).any(dim=1), step[:, 3] != 0], dim=1)
    assert (units.sum(dim=1) == 1).all()
    assert units.double().mean(dim=0).tolist() == pytest.approx([1 / 3] * 3, abs=0.02)


@pytest.mark.parametrize(("norm", "radius"), [("l2", 1.2), ("l1", 2.0)])
def test_discrete_and_continuous_features_share_the_budget(norm, radius):
    step = drawn(norm, radius, 4, Constraints(groups=GROUPS), box=Box.uniform(0.0, 1.0, 4), value=0.0)
    flips = (step[:, 0] != 0).double().mean(), (step[:, 1:3] != 0).any(dim=1).double().mean()
    assert all(0.05 < flip < 0.95 for flip in flips)
    assert (step[:, 3] > 0).double().mean() > 0.4
    order = 2.0 if norm == "l2" else 1.0
    assert (torch.linalg.vector_norm(step, ord=order, dim=1) <= radius + 1e-12).all()
