"""The worst shared errors against closed forms, grids, random errors and scans; and never beyond the bound."""

import math

import pytest
import torch

from counterspin.attacks.quantum.parameters import WeightsPGD
from counterspin.errors import CapabilityError, UsageError
from counterspin.models.classical import MLP
from counterspin.simulation import run
from counterspin.types import Box
from tests.support.tampered_models import (
    amplitude_model,
    broken_by,
    one_qubit_model,
    reuploading_model,
    samples,
    seeded,
    three_angles,
)


def random_errors(count, angles, radius, norm, seed=11):
    drawn = torch.randn(count, angles, dtype=torch.float64, generator=seeded(seed))
    if norm == "l2":
        return radius * drawn / drawn.norm(dim=1, keepdim=True)
    # Half of them in the corners, where a linear function would be largest.
    inner = radius * (2 * torch.rand(count, angles, dtype=torch.float64, generator=seeded(seed + 1)) - 1)
    return torch.where(torch.arange(count)[:, None] % 2 == 0, radius * drawn.sign(), inner)


@pytest.mark.parametrize(("norm", "reach"), [("linf", 2.0), ("l2", 2.0**0.5)])
def test_one_qubit_is_broken_exactly_within_reach(norm, reach):
    model = one_qubit_model()
    x, y = samples(model, 40)
    result = WeightsPGD(norm=norm)(model, x, y, (0.1, 0.3))
    for budget in result.budgets:
        expected = x[:, 0] + 0.2 + reach * budget.budget >= math.pi / 2
        assert 0 < int(expected.sum()) < len(x)
        assert budget.success.tolist() == expected.tolist()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_as_many_as_a_grid_over_three_angles(norm):
    model, radius = three_angles(), 0.3
    x, y = samples(model, 60)
    result = WeightsPGD(norm=norm)(model, x, y, (radius,))
    axis = torch.linspace(-radius, radius, 21, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis, axis)
    if norm == "l2":
        grid = radius * grid / grid.norm(dim=1, keepdim=True).clamp_min(radius)
    most = int(broken_by(model, x, y, result, grid).max())
    assert 0 < most < len(x)
    assert int(result.success.sum()) >= most


@pytest.mark.parametrize("build", [amplitude_model, reuploading_model])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_at_least_as_many_as_random_errors_and_scans(build, norm):
    model, radius = build(), 0.15
    x, y = samples(model, 60)
    result = WeightsPGD(norm=norm)(model, x, y, (radius,))
    angles = result.budgets[0].manipulation.evidence["angles"]
    found = int(result.success.sum())
    most = broken_by(model, x, y, result, random_errors(1000, angles, radius, norm)).max()
    scan = radius * torch.cat([torch.eye(angles), -torch.eye(angles)]).double()
    assert 0 < found < len(x)
    assert found >= int(most)
    assert found >= int(broken_by(model, x, y, result, scan).max())


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_at_least_as_many_as_ten_thousand_random_errors(norm):
    model, radius = amplitude_model(), 0.2
    x, y = samples(model, 60, seed=5)
    result = WeightsPGD(norm=norm)(model, x, y, (radius,))
    angles = result.budgets[0].manipulation.evidence["angles"]
    most = broken_by(model, x, y, result, random_errors(10_000, angles, radius, norm)).max()
    assert int(result.success.sum()) >= int(most) > 0


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_errors_are_within_budget_and_give_the_scores(norm):
    model = amplitude_model()
    x, y = samples(model)
    for budget in WeightsPGD(norm=norm, steps=8)(model, x, y, (0.05, 0.2)).budgets:
        errors = budget.manipulation.what.errors
        assert float(torch.linalg.vector_norm(errors, ord=torch.inf if norm == "linf" else 2)) <= budget.budget
        inputs = torch.cat([x, errors.expand(len(x), -1)], dim=1)
        again = run(budget.manipulation.what.circuit, inputs, model.weights.double(), model.readout)
        torch.testing.assert_close(again, budget.manipulation.scores, atol=1e-12, rtol=0)
        taken = budget.spent[budget.success]
        assert bool((taken <= budget.budget).all())


def test_more_budget_breaks_no_less():
    model = reuploading_model()
    x, y = samples(model, 40)
    counts = WeightsPGD(steps=10)(model, x, y, (0.02, 0.05, 0.1, 0.3)).success.sum(dim=1)
    assert bool((counts.diff() >= 0).all())
    assert counts[-1] > counts[0]


def test_a_target_is_where_the_samples_go():
    model = three_angles()
    x, y = samples(model, 40)
    result = WeightsPGD(target=2)(model, x, y, (1.0,))
    chosen = result.success[0]
    assert int(chosen.sum()) > 0
    assert (result.budgets[0].manipulation.scores.argmax(dim=1)[chosen] == 2).all()
    assert not bool(chosen[y == 2].any())


def test_nothing_to_break_leaves_the_gates_alone():
    model = one_qubit_model()
    x, y = samples(model, 5)
    result = WeightsPGD()(model, x, 1 - y, (0.1,))
    assert float(result.budgets[0].manipulation.what.errors.abs().max()) == 0.0


def test_weights_and_their_gradients_are_left_as_they_were():
    model = amplitude_model().requires_grad_(True)
    x, y = samples(model, 5)
    before = model.weights.detach().clone()
    WeightsPGD(steps=3)(model, x, y, (0.1,))
    assert torch.equal(model.weights, before)
    assert model.weights.requires_grad
    assert model.weights.grad is None


def test_what_is_refused():
    classical = MLP(Box.uniform(0.0, 1.0, features=2), classes=2, hidden=(3,))
    x, y = torch.rand(3, 2, generator=seeded(0)), torch.tensor([0, 1, 0])
    with pytest.raises(CapabilityError, match="has no gate angles to attack"):
        WeightsPGD()(classical, x, y)
    with pytest.raises(UsageError, match=r"give positive numbers in radians \(l2\), ascending"):
        WeightsPGD(norm="l2")(classical, x, y, (0.2, 0.1))


def test_the_unit_names_the_norm():
    assert [WeightsPGD(norm=norm).unit for norm in ("linf", "l2")] == ["radians (linf)", "radians (l2)"]
