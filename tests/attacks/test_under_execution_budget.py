"""Every attack under an execution budget: never beyond the limit, the best so far, a verdict on all that is found."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import one_qubit

from counterspin.attacks import APGD, FMN, PGD, HopSkipJump, RandomDraws, Square
from counterspin.attacks.gradients import EOT, SPSA, ParameterShift, Twin
from counterspin.attacks.ledger import ExecutionLedger, paid
from counterspin.errors import BudgetReachedError
from counterspin.models import SampledModel
from counterspin.threats import ExecutionBudget, Linf
from counterspin.types import Cost

X = torch.linspace(0.05, 0.45, 8, dtype=torch.float64)[:, None]
Y = torch.zeros(8, dtype=torch.long)
THREAT = Linf(0.1, 0.3)
ATTACKS = (
    PGD(steps=5, restarts=2),
    PGD(steps=4, gradient=ParameterShift()),
    PGD(steps=2, gradient=SPSA(directions=2)),
    APGD(steps=6),
    FMN(steps=5, restarts=2),
    RandomDraws(draws=12),
    Square(queries=9),
    HopSkipJump(steps=1, evaluations=3),
)


def run(attack, model, limit):
    """The finished budgets, and the ledger that paid for them."""
    book = ExecutionLedger(ExecutionBudget(circuits=limit) if limit else None)
    paying, found = paid(model, book), []
    scores = torch.tensor([[0.9, 0.1]], dtype=torch.float64).expand(len(X), -1)
    steps = attack.budgets(paying, X, Y, THREAT, correct=torch.ones(8, dtype=torch.bool), scores=scores)
    try:
        found.extend(steps)
    except BudgetReachedError:
        assert book.reached
    return found, book


@pytest.mark.one_fast(5)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.name}-{getattr(attack, 'gradient', '')}"[:40])
@settings(max_examples=6, deadline=None)
@given(limit=st.integers(1, 400))
def test_no_attack_exceeds_the_limit_and_what_it_says_holds(attack, limit):
    model = one_qubit()
    found, book = run(attack, model, limit)
    assert book.spent.circuits <= limit
    for result in found:
        # The verdict was paid for: what is reported as broken is.
        assert bool((model(result.x_adv[result.success]).diff(dim=1) >= 0).all())
        assert float((result.x_adv - X).abs().max()) <= result.eps + 1e-9


@pytest.mark.one_fast(1)
@pytest.mark.parametrize("attack", ATTACKS[:2], ids=["autodiff", "shifted"])
def test_a_sufficient_budget_changes_nothing(attack):
    free, book = run(attack, one_qubit(), None)
    limited, _ = run(attack, one_qubit(), book.spent.circuits)
    assert [result.cost for result in limited] == [result.cost for result in free]
    assert all(torch.equal(a.x_adv, b.x_adv) for a, b in zip(free, limited, strict=True))
    short, ledger = run(attack, one_qubit(), book.spent.circuits - 1)
    assert ledger.reached
    # The cut comes at the end: the first budget is the same.
    assert torch.equal(short[0].x_adv, free[0].x_adv)


def test_the_ledger_holds_the_queries_and_one_verdict_for_each_survivor():
    found, book = run(PGD(steps=5), one_qubit(), None)
    survivors = [8, int((~found[0].success).sum())]
    assert book.spent.circuits == sum(result.cost.circuits for result in found) + sum(survivors)


def test_the_first_gradient_is_priced_before_it_runs():
    price = ParameterShift().price(one_qubit(), 1).circuits
    # One gradient for the first row, beside the verdicts on all eight; not two.
    found, book = run(PGD(steps=3, gradient=ParameterShift()), one_qubit(), 8 + 2 * price - 1)
    assert found[0].cost.circuits == price
    assert book.spent.circuits == price + 8


def run_sampled(limit):
    """PGD on a model of ten shots by the gradient of its twin: the finished budgets, and the ledger."""
    book = ExecutionLedger(ExecutionBudget(shots=10 * limit) if limit else None)
    attack = PGD(steps=3, gradient=EOT(source=Twin(), samples=2))
    scores = torch.tensor([[0.9, 0.1]], dtype=torch.float64).expand(len(X), -1)
    everyone = torch.ones(8, dtype=torch.bool)
    paying, found = paid(SampledModel(one_qubit(), shots=10), book), []
    try:
        found.extend(attack.budgets(paying, X, Y, Linf(0.02), correct=everyone, scores=scores))
    except BudgetReachedError:
        assert book.reached
    return found, book


@pytest.mark.one_fast
@pytest.mark.parametrize("limit", [3, 127, 130, 150, 200, 250, 300, 400, 500, 700])
def test_a_stochastic_model_stays_within_the_limit_and_a_cut_test_decides_nothing(limit):
    found, book = run_sampled(limit)
    assert book.spent.shots <= 10 * limit
    assert bool(found) == (limit >= 8 * 16)
    spent = sum((result.cost + result.verdict_cost for result in found), Cost())
    assert spent.shots == book.spent.shots
    if found and book.reached:
        assert not found[0].undecided[:4].any()


@pytest.mark.slow
@pytest.mark.parametrize("limit", [200, 300, 400, 600, 1000, 2000, 10**5])
def test_what_is_not_cut_is_what_an_unlimited_run_finds(limit):
    free, _ = run_sampled(None)
    found, book = run_sampled(limit)
    # Confirmations of promising points that cannot be paid for are a cut as well.
    if not book.reached:
        assert torch.equal(found[0].x_adv, free[0].x_adv)
        assert found[0].cost == free[0].cost
        assert torch.equal(found[0].success, free[0].success)
    assert book.reached or limit > 400
