"""A few wrong gates against an exhaustive search on small circuits."""

import itertools
import math

import pytest
import torch

from counterspin.attacks.quantum.parameters import WeightsSparse
from counterspin.errors import UsageError
from tests.support.tampered_models import amplitude_model, broken_by, one_qubit_model, samples, three_angles


@pytest.mark.parametrize("gates", [1, 2])
def test_as_many_as_every_choice_of_gates_on_a_grid(gates):
    model = three_angles()
    x, y = samples(model, 40)
    result = WeightsSparse(reach=0.4)(model, x, y, (gates,))
    axis = torch.linspace(-0.4, 0.4, 21, dtype=torch.float64)
    tried = []
    for chosen in itertools.combinations(range(3), gates):
        values = torch.cartesian_prod(*[axis] * gates).reshape(-1, gates)
        errors = torch.zeros(len(values), 3, dtype=torch.float64)
        errors[:, list(chosen)] = values
        tried.append(errors)
    most = int(broken_by(model, x, y, result, torch.cat(tried)).max())
    found = int(result.success.sum())
    assert 0 < found < len(x)
    assert found >= (most if gates == 1 else 0.99 * most)


def test_one_gate_of_one_qubit_reaches_exactly_its_reach():
    model = one_qubit_model()
    x, y = samples(model, 40)
    result = WeightsSparse(reach=0.5)(model, x, y, (1, 2))
    for budget in result.budgets:
        expected = x[:, 0] + 0.2 + 0.5 * budget.budget >= math.pi / 2
        assert budget.success.tolist() == expected.tolist()
        assert bool((budget.spent[budget.success] <= budget.budget).all())
        assert budget.manipulation.evidence["gates touched"] <= budget.budget


def test_screening_finds_what_the_full_comparison_finds():
    model = amplitude_model()
    x, y = samples(model, 80)
    full, screened = (
        WeightsSparse(reach=0.6, screened=screened)(model, x, y, (1,)).success.sum() for screened in (200, 24)
    )
    assert int(full) > 0
    assert int(screened) >= 0.9 * int(full)


def test_only_the_gates_of_the_budget_are_touched_and_more_break_no_less():
    model = amplitude_model()
    x, y = samples(model, 50)
    result = WeightsSparse(reach=0.4)(model, x, y, (1, 2, 3))
    gate = [place for place, g in enumerate(model.circuit.gates) for _ in g.angles]
    for budget in result.budgets:
        errors = budget.manipulation.what.errors
        assert float(errors.abs().max()) <= 0.4
        assert 0 < len({gate[index] for index in errors.nonzero()[:, 0].tolist()}) <= budget.budget
    counts = result.success.sum(dim=1)
    assert bool((counts.diff() >= 0).all())
    assert counts[-1] > counts[0]


def test_defaults_are_those_the_circuit_has_gates_for():
    model = one_qubit_model()
    result = WeightsSparse()(model, *samples(model, 5))
    assert [budget.budget for budget in result.budgets] == [1, 2]


def test_what_is_refused():
    model = one_qubit_model()
    x, y = samples(model, 5)
    with pytest.raises(
        UsageError, match=r"budgets of weights-sparse go up to 3 gates; the circuit has 2 gates with angles"
    ):
        WeightsSparse()(model, x, y, (3,))
    with pytest.raises(UsageError, match=r"are 0.1; give whole numbers in gates"):
        WeightsSparse()(model, x, y, (0.1,))
    with pytest.raises(UsageError, match=r"reach is 4.0; give the largest error of one angle"):
        WeightsSparse(reach=4.0)
