"""Plans: an upper bound of what attacks then spend, exact where nothing breaks, in the prices of the model."""

import json

import pytest
import torch
from small_models import one_qubit

from counterspin.api import audit
from counterspin.api.planning import plan
from counterspin.attacks import APGD, FGSM, FMN, PGD, RandomDraws, Square
from counterspin.attacks.gradients import Autodiff, ParameterShift
from counterspin.circuits import PauliExpectations, reuploading
from counterspin.errors import UsageError
from counterspin.evaluation.plan import Plan
from counterspin.evaluation.stand_in import Unbreakable, priced, stand_in
from counterspin.models import QuantumClassifier, SampledModel
from counterspin.threats import ExecutionBudget, Linf
from counterspin.types import Box, Cost, HasCircuit

X = torch.linspace(0.05, 0.45, 9, dtype=torch.float64)[:, None]
Y = torch.zeros(9, dtype=torch.long)
ATTACKS = (FGSM(), PGD(steps=6, restarts=3), APGD(steps=7), FMN(steps=4), Square(queries=11), RandomDraws(draws=30))


def steps(found: Plan) -> dict[str, Cost]:
    return {step.name: step.most for step in found.steps}


@pytest.mark.slow
def test_the_plan_of_an_attack_that_breaks_nothing_is_what_it_costs():
    # At this budget no sample can be broken, so every attack goes to its end.
    threat = Linf(1e-3, 2e-3)
    planned = steps(plan(one_qubit(), X, Y, threat, attacks=ATTACKS))
    for attack in ATTACKS:
        result = attack(one_qubit(), X, Y, threat)
        assert not result.success.any()
        # Beside its own queries: the float64 verdicts on every sample, of the first start and of the restarts.
        rounds = 2 if attack.restarts > 1 and not isinstance(attack, FMN) else 1
        assert planned[attack.name].circuits == result.cost.circuits + 2 * rounds * len(X)
        assert planned[attack.name].backwards == result.cost.backwards


@pytest.mark.slow
@pytest.mark.parametrize("eps", [0.1, 0.4])
def test_no_attack_costs_more_than_planned_where_samples_break(eps):
    planned = steps(plan(one_qubit(), X, Y, Linf(eps), attacks=ATTACKS))
    for attack in ATTACKS:
        assert attack(one_qubit(), X, Y, Linf(eps)).cost.circuits < planned[attack.name].circuits


@pytest.mark.slow
@pytest.mark.usefixtures("without_page")
def test_an_audit_spends_at_most_its_plan(tmp_path):
    model = QuantumClassifier(
        reuploading(2, 1), PauliExpectations.of("Z0", "Z1", "Z0 Z1"), Box.uniform(0, 1, 2), generator=None
    ).requires_grad_(False)
    x = torch.rand(8, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = model(x).argmax(dim=1)
    found = plan(model, x, y, Linf(0.1), tier="quick", attacks=(PGD(steps=5), RandomDraws(draws=40)))
    record = audit(
        model, x, y, Linf(0.1), tier="quick", attacks=(PGD(steps=5), RandomDraws(draws=40)), out=tmp_path / "a"
    ).record
    assert record.cost.circuits <= sum(steps(found)[name].circuits for name in ("pgd", "random"))
    expected = {step.name: step.expected for step in found.steps}
    assert expected["pgd"].circuits <= steps(found)["pgd"].circuits


def test_gradients_are_priced_by_their_source():
    threat, shift = Linf(1e-3), PGD(steps=5, gradient=ParameterShift())
    planned = steps(plan(one_qubit(), X, Y, threat, attacks=(shift,)))["pgd"]
    # Five gradients of three circuits, a last forward and a verdict, for nine samples.
    assert planned.circuits == len(X) * (5 * 3 + 1 + 1)
    assert planned.backwards == 0


def test_a_stochastic_model_is_planned_with_its_longest_tests_and_expected_with_short_ones():
    model = SampledModel(one_qubit(), shots=10)
    found = plan(model, X[:2], Y[:2], Linf(0.01), attacks=(RandomDraws(draws=3),))
    clean, attack = found.steps
    assert clean.most.circuits == 2 * (1024 + 64)
    assert clean.most.shots == 10 * clean.most.circuits
    # Three draws, each perhaps confirmed by 16 calls, and one test of at most 1024.
    assert attack.most.circuits == 2 * (3 + 3 * 16 + 1024)
    assert attack.expected is not None
    assert attack.expected.circuits <= 2 * (3 + 3 * 16 + 64)


def test_tables_money_and_json_agree():
    prices = {"circuit": 0.01, "job": 5, "currency": "EUR"}
    found = plan(one_qubit(), X, Y, Linf(1e-3), attacks=(FGSM(),), budget="20000circuits", prices=prices)
    total = found.total.circuits
    assert found.header()[-1] == "EUR at most"
    assert all(len(row) == len(found.header()) for row in found.rows())
    assert found.rows()[-1][:2] == ("total", f"{total:,}")
    data = json.loads(json.dumps(found.to_json()))
    assert data["total"]["circuits"] == total
    assert data["money"] == {"most": pytest.approx(total / 100), "currency": "EUR"}
    assert data["fits"] is True
    assert "20,000 circuits suffices" in data["note"]
    tight = plan(one_qubit(), X, Y, Linf(1e-3), attacks=(FGSM(),), budget=ExecutionBudget(circuits=total - 1))
    assert tight.fits is False
    assert "may end before them" in tight.note
    assert plan(one_qubit(), X, Y, Linf(1e-3), attacks=(FGSM(),)).fits is None


def test_targets_and_single_targets_are_planned_alike():
    aimed = plan(one_qubit(), X, Y, Linf(1e-3, target=1), attacks=(PGD(steps=3),))
    each = plan(one_qubit(), X, Y, Linf(1e-3, target=(1,) * 9), attacks=(PGD(steps=3),))
    assert steps(aimed) == steps(each) == steps(plan(one_qubit(), X, Y, Linf(1e-3), attacks=(PGD(steps=3),)))


def test_the_stand_in_is_never_broken_and_always_looks_promising():
    model = stand_in(one_qubit(), Unbreakable(3))
    assert isinstance(model, HasCircuit)
    x = torch.rand(4, 1, dtype=torch.float32, requires_grad=True)
    first, second = model(x), model(x)
    assert bool((first.argmax(dim=1) == 0).all())
    assert bool((second[:, 0] < first[:, 0]).all())
    assert float(torch.autograd.grad(first[:, 0].sum(), x)[0].abs().min()) > 0
    assert priced(FGSM()).gradient.price(one_qubit(), 3) == Autodiff().price(one_qubit(), 3)


def test_a_budget_it_cannot_reach_is_refused():
    with pytest.raises(UsageError, match="limit its circuits"):
        plan(one_qubit(), X, Y, Linf(0.1), attacks=(FGSM(),), budget="5jobs")
