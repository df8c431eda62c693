"""The Wasserstein worst case: its stationarity, its budget, and what it keeps."""

import pytest
import torch
from linear_training import linear_batch, linear_model, step_at

from counterspin.attacks.losses import Margin
from counterspin.defenses.training.registry import by_name
from counterspin.defenses.training.schedule import EpsilonSchedule
from counterspin.defenses.training.worst_case import WorstCaseTraining
from counterspin.errors import UsageError
from counterspin.threats import L0, L2, Group, Linf
from counterspin.types import Box

EPS = EpsilonSchedule(final=0.2)
NAME = "worst-case/penalty"


def test_points_are_stationary_at_the_price() -> None:
    """x' = x + r g(x') / 2 gamma, the condition of the inner maximum."""
    model, (x, y) = linear_model(), linear_batch()
    objective = WorstCaseTraining(threat=L2(0.1), schedule=EPS, steps=200)
    price = torch.tensor(0.7, dtype=torch.float64)
    points = objective.points(model, x, y, step_at(memory={NAME: price}))
    leaf = points.clone().requires_grad_()
    loss = torch.nn.functional.cross_entropy(model(leaf), y, reduction="sum")
    (slope,) = torch.autograd.grad(loss, leaf)
    torch.testing.assert_close(points - x, 0.2 * slope / 1.4, atol=1e-6, rtol=0)


def test_a_linear_loss_is_solved_in_one_step() -> None:
    """The margin of two linear classes has the slope w: everyone moves r w / 2 gamma."""
    model, (x, y) = linear_model(), linear_batch()
    objective = WorstCaseTraining(threat=L2(0.1), schedule=EPS, ascended=Margin())
    points = objective.points(model, x, y, step_at())
    weight = (model.weight[1] - model.weight[0]).detach()
    expected = torch.where(y == 0, 1.0, -1.0)[:, None] * (0.2 * weight / weight.norm())
    torch.testing.assert_close(points - x, expected, atol=1e-12, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize(("threat", "length"), [(L2(0.1), 0.2), (Linf(0.1), 0.2 * 6**0.5)])
def test_the_price_settles_where_the_budget_is_spent(threat, length: float) -> None:
    model, (x, y) = linear_model(), linear_batch()
    objective = WorstCaseTraining(threat=threat, schedule=EPS, steps=10)
    step = step_at(memory={NAME: torch.tensor(2.0, dtype=torch.float64)})
    for _ in range(100):
        points = objective.points(model, x, y, step)
    moved = (points - x).norm(dim=1)
    assert moved.square().mean().sqrt().item() == pytest.approx(length, rel=1e-3)
    # The attacker spends where it pays: that is what distinguishes it from a ball of the same size.
    assert moved.max() > 1.3 * moved.min()


def test_it_stays_in_the_box_and_keeps_constraints() -> None:
    box = Box.uniform(0.0, 1.0, features=6)
    model, (x, y) = linear_model(box=box), linear_batch()
    x[:, 2] = 0.0
    groups = (Group(features=(2,), values=((0.0,), (1.0,))),)
    threat = L2(0.1, mask=(True, False, True, True, True, True), groups=groups)
    step = step_at(memory={NAME: torch.tensor(0.01, dtype=torch.float64)})
    points = WorstCaseTraining(threat=threat, schedule=EPS).points(model, x, y, step)
    assert bool(((points >= 0) & (points <= 1)).all())
    assert torch.equal(points[:, 1], x[:, 1])
    assert set(points[:, 2].tolist()) <= {0.0, 1.0}
    assert float((points - x).norm(dim=1).max()) > 0.2


def test_no_budget_moves_nothing() -> None:
    model, (x, y) = linear_model(), linear_batch()
    step = step_at(0.0)
    assert torch.equal(WorstCaseTraining(threat=L2(0.1), schedule=EPS).points(model, x, y, step), x)
    assert bool(torch.isfinite(step.memory[NAME]))


def test_the_loss_is_that_at_the_points() -> None:
    model, (x, y) = linear_model(), linear_batch()
    objective = WorstCaseTraining(threat=L2(0.1), schedule=EPS)
    value = objective(model, x, y, step_at())
    points = objective.points(model, x, y, step_at())
    assert value.item() == pytest.approx(torch.nn.functional.cross_entropy(model(points), y).item(), abs=1e-12)
    assert torch.equal(points, objective.points(model, x, y, step_at()))


def test_refusals() -> None:
    with pytest.raises(UsageError, match=r"dual_rate is 0\.0"):
        WorstCaseTraining(threat=L2(0.1), schedule=EPS, dual_rate=0.0)
    with pytest.raises(UsageError, match="L0 counts changes"):
        by_name("worst-case", L0(1))
