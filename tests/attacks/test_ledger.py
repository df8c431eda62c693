"""The ledger: hard limits, what is set aside for verdicts, and models that pay for their calls."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_models import Votes, one_qubit

from counterspin.attacks.ledger import ExecutionLedger, bare, ledger_of, paid
from counterspin.attacks.modes import frozen
from counterspin.attacks.stochastic import reseeded
from counterspin.attacks.views import view
from counterspin.errors import BudgetReachedError, ModelError
from counterspin.models import SampledModel
from counterspin.threats import ExecutionBudget
from counterspin.types import Box, Cost, CountsShots, HasCircuit, HasEffectiveObservables, HasTwin, Reseedable, Sampled


def ledger(**limits):
    return ExecutionLedger(ExecutionBudget(**limits))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 3)), max_size=20))
def test_no_limit_is_ever_exceeded_and_a_refusal_is_final(payments):
    book = ledger(circuits=20, shots=25, jobs=4)
    refused = False
    for circuits, shots, jobs in payments:
        before, cost = book.spent, Cost(circuits=circuits, shots=shots, jobs=jobs)
        try:
            book.pay(cost)
            assert not refused
            assert book.spent == before + cost
        except BudgetReachedError:
            refused = True
            assert book.spent == before
        assert (book.spent.circuits, book.spent.shots, book.spent.jobs) <= (20, 25, 4)
        assert book.spent.shots <= 25
        assert book.spent.jobs <= 4
        assert book.reached == refused


@pytest.mark.parametrize(("rows", "expected"), [(0, 0), (1, 1), (3, 3), (4, 3), (50, 3)])
def test_the_most_rows_are_those_that_fit(rows, expected):
    book = ledger(circuits=10)
    assert book.most(rows, lambda number: Cost(circuits=3 * number, jobs=1)) == expected
    assert not book.reached


def test_what_is_set_aside_is_drawn_when_nothing_else_is_left():
    book = ledger(circuits=10)
    assert book.set_aside(Cost(circuits=4))
    book.pay(Cost(circuits=6))
    with pytest.raises(BudgetReachedError, match="10 circuits"):
        book.pay(Cost(circuits=1))
    with book.drawing(keep=True):
        book.pay(Cost(circuits=3))
        assert not book.affords(Cost(circuits=2))
    with book.drawing():
        book.pay(Cost(circuits=1))
        with pytest.raises(BudgetReachedError):
            book.pay(Cost(circuits=1))
    assert book.spent.circuits == 10


def test_what_is_not_drawn_is_given_back():
    book = ledger(circuits=10)
    book.set_aside(Cost(circuits=4))
    with book.drawing():
        pass
    book.pay(Cost(circuits=10))


def test_nothing_that_is_not_there_is_set_aside():
    book = ledger(circuits=3)
    assert not book.set_aside(Cost(circuits=4))
    assert book.reached


def test_earlier_starts_count():
    book = ExecutionLedger(ExecutionBudget(jobs=5), Cost(jobs=4))
    book.pay(Cost(jobs=1))
    with pytest.raises(BudgetReachedError):
        book.pay(Cost(jobs=1))


def test_a_paying_model_has_exactly_the_capabilities_of_the_model():
    for model in (one_qubit(), SampledModel(one_qubit(), shots=5), Votes([[0.5, 0.5]])):
        paying = paid(model, ExecutionLedger(None))
        for capability in (HasCircuit, HasEffectiveObservables, HasTwin, Reseedable, Sampled, CountsShots):
            assert isinstance(paying, capability) == isinstance(model, capability)
        assert type(paying).__qualname__ == type(model).__qualname__
        assert bare(paying) is model


def test_a_paying_model_answers_the_same_and_pays_per_row_with_its_gradient():
    model, book = one_qubit(), ledger(circuits=5)
    paying, x = paid(model, book), torch.full((3, 1), 0.3, requires_grad=True)
    scores = paying(x)
    assert torch.equal(scores, model(x))
    assert torch.autograd.grad(scores[:, 0].sum(), x)[0].abs().min() > 0
    assert book.spent == Cost(forwards=3, circuits=3)
    with pytest.raises(BudgetReachedError):
        paying(x)
    assert ledger_of(paying) is book
    assert ledger_of(model).limit is None


def test_modes_are_shared_with_the_model():
    model = one_qubit().train()
    with frozen(paid(model, ExecutionLedger(None))):
        assert not model.training
    assert model.training


def test_a_reseeded_model_goes_on_paying():
    book = ledger(shots=100)
    fresh = reseeded(paid(SampledModel(one_qubit(), shots=30), book), torch.Generator().manual_seed(0))
    fresh(torch.full((3, 1), 0.3))
    assert book.spent.shots == 90
    with pytest.raises(BudgetReachedError):
        fresh(torch.full((1, 1), 0.3))


def test_a_class_that_cannot_be_extended_is_refused():
    with pytest.raises(ModelError, match="ordinary class"):
        view(Slotted(), object, {})


class Slotted:
    __slots__ = ()
    bounds, classes, outputs, stochastic = Box.uniform(0, 1, 1), 2, "logits", False

    def __call__(self, x):
        return torch.cat([x, -x], dim=1)
