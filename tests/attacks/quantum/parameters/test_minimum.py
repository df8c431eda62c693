"""Smallest errors per sample against closed forms and a grid."""

import math

import pytest
import torch

from counterspin.attacks.quantum.parameters import WeightsMinimum
from counterspin.simulation import run
from tests.support.tampered_models import (
    amplitude_model,
    one_qubit_model,
    reuploading_model,
    samples,
    seeded,
    three_angles,
)


def margins(model, x, y, circuit, errors):
    """Margins `(tries, batch)` under each of `errors` `(tries, angles)`."""
    inputs = torch.cat([x.repeat(len(errors), 1), errors.repeat_interleave(len(x), dim=0)], dim=1)
    scores = torch.cat([run(circuit, part, model.weights.double(), model.readout) for part in inputs.split(50_000)])
    labels = y.repeat(len(errors))[:, None]
    others = scores.scatter(1, labels, -math.inf).amax(dim=1)
    return (scores.gather(1, labels)[:, 0] - others).reshape(len(errors), len(x))


@pytest.mark.parametrize(("norm", "share"), [("linf", 2.0), ("l2", 2.0**0.5)])
def test_one_qubit_has_a_closed_form(norm, share):
    model = one_qubit_model()
    x, y = samples(model, 20)
    result = WeightsMinimum(norm=norm)(model, x, y, (2.0,))
    expected = (math.pi / 2 - 0.2 - x[:, 0]) / share
    torch.testing.assert_close(result.budgets[0].spent, expected, atol=1e-5, rtol=1e-5)
    assert bool((result.budgets[0].spent >= expected - 1e-9).all())


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_within_one_percent_of_a_grid_over_three_angles(norm):
    model = three_angles()
    x, y = samples(model, 12)
    result = WeightsMinimum(norm=norm)(model, x, y, (3.0,))
    axis = torch.linspace(-1.5, 1.5, 61, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis, axis)
    sizes = torch.linalg.vector_norm(grid, ord=torch.inf if norm == "linf" else 2, dim=1)
    broken = margins(model, x, y, result.budgets[0].manipulation.what.circuit, grid) <= 0
    nearest = torch.where(broken, sizes[:, None], torch.inf).amin(dim=0)
    found = result.budgets[0].spent
    assert bool(torch.isfinite(nearest).all())
    # A point of the grid is at most that far from the boundary behind it, so it may not be shorter by 1 %.
    assert bool((found <= 1.01 * nearest).all())


@pytest.mark.parametrize("build", [amplitude_model, reuploading_model])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_no_random_errors_break_with_less(build, norm):
    model = build()
    x, y = samples(model, 10)
    result = WeightsMinimum(norm=norm)(model, x, y, (3.0,))
    spent, circuit = result.budgets[0].spent, result.budgets[0].manipulation.what.circuit
    angles = result.budgets[0].manipulation.evidence["angles"]
    drawn = torch.randn(1000, angles, dtype=torch.float64, generator=seeded(2))
    unit = drawn / torch.linalg.vector_norm(drawn, ord=torch.inf if norm == "linf" else 2, dim=1, keepdim=True)
    for row in range(len(x)):
        if not math.isfinite(spent[row]):
            continue
        tried = margins(model, x[row : row + 1], y[row : row + 1], circuit, 0.99 * float(spent[row]) * unit)
        assert bool((tried > 0).all())


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_what_was_found_breaks_and_a_thousandth_less_does_not(norm):
    model = amplitude_model()
    x, y = samples(model, 15)
    result = WeightsMinimum(norm=norm)(model, x, y, (3.0,))
    found, success = result.budgets[0].manipulation.what, result.success[0]
    assert int(success.sum()) > 5
    for row in success.nonzero()[:, 0].tolist():
        one, label = x[row : row + 1], y[row : row + 1]
        at = torch.stack([found.errors[row], 0.999 * found.errors[row]])
        margin = margins(model, one, label, found.circuit, at)[:, 0]
        assert margin[0] <= 0 < margin[1]


def test_budgets_are_thresholds_of_one_search():
    model = reuploading_model()
    x, y = samples(model, 20)
    result = WeightsMinimum()(model, x, y, (0.1, 0.3, 3.0))
    sizes = result.budgets[2].spent
    for budget in result.budgets:
        assert torch.equal(budget.success, sizes <= budget.budget)
        assert bool((budget.manipulation.what.errors[~budget.success] == 0).all())
    assert result.budgets[1].manipulation.cost.backwards == 0


def test_a_target_costs_at_least_as_much_as_any_class():
    model = three_angles()
    x, y = samples(model, 20)
    anywhere, there = (attack(model, x, y, (3.0,)) for attack in (WeightsMinimum(), WeightsMinimum(target=1)))
    chosen = there.success[0]
    assert int(chosen.sum()) > 0
    scores = there.budgets[0].manipulation.scores[chosen]
    assert bool((scores[:, 1] >= scores.amax(dim=1)).all())
    assert bool((there.budgets[0].spent[chosen] >= 0.99 * anywhere.budgets[0].spent[chosen]).all())
