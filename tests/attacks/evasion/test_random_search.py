import pytest
import torch

from counterspin.attacks import RandomDraws
from counterspin.attacks.evasion.random_search import RandomSearch
from counterspin.errors import UsageError
from counterspin.threats import L1, L2, Linf
from counterspin.types import Box


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make_threat", "dtype"), [(Linf, torch.float32), (Linf, torch.float64), (L2, torch.float64), (L1, torch.float64)]
)
def test_it_comes_near_the_closed_form_of_a_linear_model_and_never_beyond(linear_case, make_threat, dtype):
    model, x, y = linear_case(dtype=dtype)
    threat = make_threat(1.0)
    dual = torch.linalg.vector_norm(model.w, ord={"linf": 1.0, "l2": 2.0, "l1": torch.inf}[threat.norm])
    distance = model.margin(x).abs() / dual
    eps = distance.median().item()
    result = RandomSearch(queries=250)(model, x, y, make_threat(eps))
    assert not result.success[0, distance > eps * (1 + 1e-9)].any()
    assert result.success[0, distance < 0.7 * eps].all()


@pytest.mark.slow
def test_it_beats_draws_that_forget(linear):
    g = torch.Generator().manual_seed(1)
    model = linear(torch.randn(20, generator=g, dtype=torch.float64))
    x = torch.randn(20, 20, generator=g, dtype=torch.float64)
    y, eps = model.labels(x), 1.5 * model.distance(x, "linf").max().item()
    assert RandomSearch(queries=400)(model, x, y, Linf(eps)).success.all()
    assert not RandomDraws(draws=400)(model, x, y, Linf(eps)).success.all()


@pytest.mark.slow
def test_shorter_radii_polish(rows):
    # The margin is lowest, 1e-3, at 0.5: how near the walk comes is set by its last radius.
    model = rows(lambda x: torch.cat([(x - 0.5).abs() + 1e-3, 0 * x], dim=1))
    x = torch.zeros(20, 1, dtype=torch.float64)
    fine, coarse = (RandomSearch(queries=60, smallest=s)(model, x, [0] * 20, Linf(1.0)) for s in (0.001, 1.0))
    assert fine.best_loss.mean() - 1e-3 < 0.1 * (coarse.best_loss.mean() - 1e-3)


def test_more_queries_of_one_walk_never_lose(cosine):
    model = cosine(10)
    x = torch.linspace(0.0, 1.0, 30, dtype=torch.float64)[:, None]
    trace = RandomSearch(queries=40)(model, x, model.labels(x), Linf(0.03)).history[0]
    assert trace["broken"] == sorted(trace["broken"])
    assert trace["best_margin"] == sorted(trace["best_margin"], reverse=True)


@pytest.mark.one_fast
@pytest.mark.parametrize("make_threat", [Linf, L2, L1])
def test_points_stay_in_the_box(linear, make_threat):
    g = torch.Generator().manual_seed(0)
    model = linear(torch.randn(6, generator=g, dtype=torch.float64), 0.0, bounds=Box.uniform(0.0, 1.0, 6))
    x = torch.rand(20, 6, generator=g, dtype=torch.float64)
    result = RandomSearch(queries=30)(model, x, model.labels(x), make_threat(0.5))
    assert model.bounds.contains(result.x_adv[0]).all()


@pytest.mark.one_fast
@pytest.mark.parametrize("classes", [2, 4, 10])
def test_targeted_and_any_number_of_classes(cosine, classes):
    model = cosine(classes)
    x = torch.tensor([[0.45 / (classes - 1)]], dtype=torch.float64)
    eps = 0.1 / (classes - 1)
    assert RandomSearch(queries=100)(model, x, [0], Linf(eps, target=1)).success.item()
    if classes > 2:
        assert not RandomSearch(queries=100)(model, x, [0], Linf(eps, target=2)).success.item()


def test_cost_is_the_number_of_queries(linear):
    cost = RandomSearch(queries=17, restarts=3)(linear([1.0], 9.0), torch.zeros(2, 1).double(), [0, 0], Linf(0.5)).cost
    assert (cost.forwards, cost.backwards) == (2 * 3 * 17, 0)


def test_runs_repeat_from_a_seed(linear_case, seeded):
    model, x, y = linear_case()
    first, second, third = (RandomSearch(queries=9)(model, x, y, L2(0.1), generator=seeded(s)).x_adv for s in (5, 5, 6))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


@pytest.mark.parametrize("smallest", [0.0, 1.1, float("nan")])
def test_a_radius_that_is_no_share_is_refused(smallest):
    with pytest.raises(UsageError, match="smallest"):
        RandomSearch(smallest=smallest)
