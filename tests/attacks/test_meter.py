import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.attacks.evasion.pgd import PGD
from counterspin.attacks.evasion.random_draws import RandomDraws
from counterspin.attacks.evasion.square import Square
from counterspin.attacks.gradients import ParameterShift
from counterspin.attacks.meter import Meter
from counterspin.threats import Linf, QueryBudget
from counterspin.types import Box, Cost

CALL = Cost(forwards=1, circuits=1)
GRADIENT = Cost(forwards=1, backwards=1, circuits=1)


def test_the_first_rows_are_served_where_not_all_can_be():
    meter = Meter(QueryBudget(queries=2), samples=2, call=CALL, gradient=GRADIENT)
    rows = torch.tensor([0, 1, 0, 0, 1, 1])
    assert meter.affordable(rows, gradient=False).tolist() == [True, True, True, False, True, False]
    assert meter.affordable(rows, gradient=True).tolist() == [True, True, False, False, False, False]


def test_a_sample_is_spent_when_no_query_fits():
    meter = Meter(QueryBudget(circuits=3), samples=2, call=CALL)
    meter.charge(torch.tensor([0, 0, 0]), Cost(forwards=3, circuits=3))
    assert meter.spent().tolist() == [True, False]


def test_a_gradient_has_its_price_before_the_first_one_ran():
    meter = Meter(QueryBudget(circuits=100), samples=1, call=CALL, gradient=Cost(forwards=1, circuits=40))
    assert meter.affordable(torch.zeros(3, dtype=torch.long), gradient=True).tolist() == [True, True, False]
    meter.charge(torch.tensor([0]), Cost(forwards=1, circuits=40))
    assert meter.affordable(torch.zeros(2, dtype=torch.long), gradient=True).tolist() == [True, False]
    assert meter.affordable(torch.zeros(61, dtype=torch.long), gradient=False).tolist() == [True] * 60 + [False]


def test_a_part_gives_back_what_it_left():
    meter = Meter(QueryBudget(queries=5), samples=3, call=CALL)
    part = meter.take(torch.tensor([2]))
    part.charge(torch.tensor([0] * 5), Cost(forwards=5, circuits=5))
    meter.put(torch.tensor([2]), part)
    assert meter.spent().tolist() == [False, False, True]


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(queries=st.integers(1, 60), restarts=st.integers(1, 4))
def test_no_attack_spends_more_than_it_may(queries, restarts):
    model = _far_boundary()
    x, y = torch.ones(4, 3, dtype=torch.float64), torch.zeros(4, dtype=torch.long)
    threat = Linf(0.01, budget=QueryBudget(queries=queries))
    for attack in (PGD(steps=9, restarts=restarts), RandomDraws(draws=50)):
        cost = attack(model, x, y, threat).cost
        assert cost.forwards + cost.backwards <= queries * len(x)
        # Nothing is left over that would have paid another query.
        assert cost.forwards + cost.backwards >= min(queries - 1, 40) * len(x) or isinstance(attack, PGD)


def _far_boundary():
    weight = torch.tensor([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])

    class Far:
        classes, outputs, stochastic = 2, "logits", False
        bounds = Box.unbounded(3)

        def __call__(self, x):
            return x @ weight.to(x).T

    return Far()


def test_parameter_shift_never_exceeds_its_circuits_not_even_by_the_first_gradient():
    from counterspin import recipes

    recipe = recipes.get("cancer-angle")
    model, test = recipe.model(), recipe.dataset().test
    x, y = test.x[:2].double(), test.y[:2]
    attack = PGD(steps=50, gradient=ParameterShift())
    price = ParameterShift().price(model, 1).circuits
    for limit, gradients in ((3 * price, 3), (3 * price - 1, 2), (price - 1, 0)):
        cost = attack(model, x, y, Linf(1e-4, budget=QueryBudget(circuits=limit))).cost
        assert cost.circuits <= 2 * limit
        # What is left below the price of a gradient still pays for the last forward.
        assert cost.circuits >= 2 * gradients * price


def test_budgets_that_make_no_sense_are_refused():
    from counterspin.errors import UsageError

    with pytest.raises(UsageError):
        QueryBudget(queries=0)


@pytest.mark.parametrize("budget", [QueryBudget(queries=7), QueryBudget(queries=40), QueryBudget(shots=1000)])
@pytest.mark.parametrize("attack", [RandomDraws(draws=200), Square(queries=50, restarts=3)], ids=["random", "square"])
def test_confirmations_and_shots_of_a_stochastic_model_stay_within_the_budget(attack, budget):
    # The first answers have no price in shots yet, and each promising one is confirmed by 16 calls.
    x, y = torch.ones(3, 3, dtype=torch.float64), torch.zeros(3, dtype=torch.long)
    cost = attack(_Noisy(), x, y, Linf(0.1, budget=budget)).cost
    for spent, limit in ((cost.forwards, budget.queries), (cost.shots, budget.shots)):
        assert limit is None or 0 < spent <= limit * len(x)


class _Noisy:
    classes, outputs, stochastic, shots_per_call = 2, "logits", True, 100
    bounds = Box.unbounded(3)

    def __init__(self):
        self.generator = torch.Generator().manual_seed(0)

    def __call__(self, x):
        margin = x.sum(dim=1) + torch.randn(len(x), generator=self.generator, dtype=x.dtype)
        return torch.stack([margin, 0 * margin], dim=1)
