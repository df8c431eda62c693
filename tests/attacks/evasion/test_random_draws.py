import pytest
import torch

from counterspin.attacks import PGD, RandomDraws
from counterspin.attacks.oracle import ROWS_PER_CALL
from counterspin.threats import L2, Linf
from counterspin.types import Cost


@pytest.mark.parametrize("draws", [1, 2, 7, 1000])
def test_it_draws_as_many_points_as_it_says(rows, draws):
    model = rows(lambda x: torch.cat([1 + 0 * x, 0 * x], dim=1))
    x = torch.zeros(3, 1)
    assert RandomDraws(draws=draws)(model, x, [0, 0, 0], Linf(0.1)).cost == Cost(forwards=3 * draws, circuits=3 * draws)


def test_more_samples_than_rows_per_call(rows):
    model = rows(lambda x: torch.cat([1 + 0 * x, 0 * x], dim=1))
    n = ROWS_PER_CALL + 5
    assert RandomDraws(draws=4)(model, torch.zeros(n, 1), [0] * n, Linf(0.1)).cost.forwards == 4 * n


@pytest.mark.parametrize("make_threat", [Linf, L2])
def test_it_never_breaks_below_the_distance(linear_case, make_threat):
    model, x, y = linear_case()
    distance = model.distance(x, make_threat(1.0).norm)
    for eps in (0.1, 0.5, 1.0):
        result = RandomDraws(draws=200)(model, x, y, make_threat(eps))
        assert not result.success[0, distance > eps].any()


def test_it_breaks_masked_models_that_gradients_do_not(rows):
    # A staircase: the gradient is zero everywhere.
    model = rows(lambda x: torch.cat([torch.where(x > 0.05, -1.0, 1.0) + 0 * x, 0 * x], dim=1))
    x = torch.tensor([[-0.05]], dtype=torch.float64)
    assert RandomDraws()(model, x, [0], Linf(0.2)).success.item()
    frozen = rows(lambda x: torch.cat([torch.where(x > 0.18, -1.0, 1.0) + 0 * x, 0 * x], dim=1))
    assert not PGD(steps=40)(frozen, torch.zeros(1, 1).double() - 0.01, [0], Linf(0.19)).success.item()


def test_its_name_is_short():
    assert RandomDraws().name == "random"
