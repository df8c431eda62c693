"""One class goes wrong and the others stay, against a search over a grid that keeps the same allowance."""

import pytest
import torch

from counterspin.attacks.quantum.parameters import WeightsPGD, WeightsStealthy
from counterspin.errors import InputError, UsageError
from counterspin.simulation import run
from tests.support.tampered_models import amplitude_model, reuploading_model, samples, three_angles


def won_and_lost(model, x, y, circuit, errors, victim):
    """Victims broken and others broken under each of `errors`; all samples are correct without them."""
    inputs = torch.cat([x.repeat(len(errors), 1), errors.repeat_interleave(len(x), dim=0)], dim=1)
    scores = torch.cat([run(circuit, part, model.weights.double(), model.readout) for part in inputs.split(50_000)])
    wrong = (scores.argmax(dim=1) != y.repeat(len(errors))).reshape(len(errors), len(x))
    return (wrong & (y == victim)).sum(dim=1), (wrong & (y != victim)).sum(dim=1)


@pytest.mark.parametrize("build", [amplitude_model, reuploading_model])
@pytest.mark.parametrize("allowance", [0.0, 0.1])
def test_the_allowance_is_kept_and_the_evidence_is_true(build, allowance):
    model = build()
    x, y = samples(model, 60)
    victim, won = int(y[0]), 0
    for budget in WeightsStealthy(victim=victim, allowance=allowance)(model, x, y, (0.1, 0.3)).budgets:
        what, evidence = budget.manipulation.what, budget.manipulation.evidence
        won, lost = won_and_lost(model, x, y, what.circuit, what.errors[None], victim)
        assert float(what.errors.abs().max()) <= budget.budget
        assert int(lost) <= allowance * int((y != victim).sum())
        assert evidence["others' accuracy lost"] == pytest.approx(int(lost) / int((y != victim).sum()))
        assert evidence["victims broken"] == int(won)
    assert int(won) > 0


def test_as_many_victims_as_the_best_of_a_grid():
    model, radius, allowance = three_angles(), 0.4, 0.05
    x, y = samples(model, 60)
    victim = int(y.bincount().argmax())
    result = WeightsStealthy(victim=victim, allowance=allowance)(model, x, y, (radius,))
    axis = torch.linspace(-radius, radius, 21, dtype=torch.float64)
    circuit = result.budgets[0].manipulation.what.circuit
    won, lost = won_and_lost(model, x, y, circuit, torch.cartesian_prod(axis, axis, axis), victim)
    most = int(won[lost <= allowance * int((y != victim).sum())].max())
    assert most > 0
    assert result.budgets[0].manipulation.evidence["victims broken"] >= most


def test_stealth_costs_victims():
    model = amplitude_model()
    x, y = samples(model, 60)
    open_attack = WeightsPGD()(model, x, y, (0.3,))
    stealthy = WeightsStealthy(allowance=0.0)(model, x, y, (0.3,))
    assert 0 < int(stealthy.success.sum()) <= int(open_attack.success.sum())
    victim = stealthy.budgets[0].manipulation.evidence["victim"]
    assert (y[stealthy.success[0]] == victim).all()


def test_victims_may_be_sent_to_a_target():
    model = three_angles()
    x, y = samples(model, 60)
    victim, target = 0, 1
    result = WeightsStealthy(victim=victim, target=target, allowance=1.0)(model, x, y, (0.8,))
    found = result.success[0] & (y == victim)
    assert int(found.sum()) == result.budgets[0].manipulation.evidence["victims broken"] > 0
    assert (result.budgets[0].manipulation.scores.argmax(dim=1)[found] == target).all()


def test_more_budget_wins_no_fewer_victims():
    model = reuploading_model()
    x, y = samples(model, 40)
    result = WeightsStealthy(victim=int(y[0]), steps=15)(model, x, y, (0.05, 0.1, 0.2))
    won = [budget.manipulation.evidence["victims broken"] for budget in result.budgets]
    assert won == sorted(won)


def test_what_is_refused():
    model = three_angles()
    x, y = samples(model, 20)
    with pytest.raises(UsageError, match=r"allowance is 2; give a share"):
        WeightsStealthy(allowance=2)
    with pytest.raises(UsageError, match=r"victim and target are both class 1; give two classes"):
        WeightsStealthy(victim=1, target=1)
    with pytest.raises(UsageError, match=r"victim is 7; the model has 3 classes, 0 to 2"):
        WeightsStealthy(victim=7)(model, x, y)
    only = y == y[0]
    with pytest.raises(InputError, match=rf"the samples lack class {int(y[0])}, or hold no other"):
        WeightsStealthy(victim=int(y[0]))(model, x[only], y[only])
