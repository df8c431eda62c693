import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterspin.attacks import RandomDraws
from counterspin.attacks.evasion.square import Square, share_at
from counterspin.errors import UsageError
from counterspin.threats import L1, L2, Linf
from counterspin.types import Box


def test_the_schedule_is_the_papers_for_ten_thousand_queries():
    marks = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000]
    shares = [share_at(mark + 1, 10000, 0.8) for mark in marks]
    assert shares == [0.8 / 2**halvings for halvings in range(1, 10)]
    assert share_at(10, 10000, 0.8) == 0.8


@given(st.integers(1, 5000), st.floats(0.01, 1.0))
def test_the_share_falls(queries, first):
    shares = [share_at(query, queries, first) for query in range(0, queries, max(1, queries // 20))]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == first


@pytest.mark.one_fast
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_linear_model_is_broken_in_linf_beyond_its_distance_and_never_below(linear_case, dtype):
    # The optimum is a corner, and 8 signs that each help by themselves are soon found.
    model, x, y = linear_case(dtype=dtype)
    distance = model.distance(x, "linf")
    eps = distance.median().item()
    result = Square(queries=200)(model, x, y, Linf(eps))
    assert not result.success[0, distance > eps * (1 + 1e-9)].any()
    assert result.success[0, distance < eps * (1 - 1e-5)].all()


@pytest.mark.slow
@pytest.mark.parametrize(("make_threat", "norm", "share"), [(L2, 2, 0.85), (L1, 1, 0.85)])
def test_mass_gathers_where_it_counts(linear_case, make_threat, norm, share):
    model, x, y = linear_case()
    dual = torch.linalg.vector_norm(model.w, ord={2: 2.0, 1: torch.inf}[norm])
    distance = model.margin(x).abs() / dual
    eps = distance.median().item()
    result = Square(queries=300)(model, x, y, make_threat(eps))
    assert not result.success[0, distance > eps * (1 + 1e-9)].any()
    assert result.success[0, distance < share * eps].all()
    size = torch.linalg.vector_norm(result.x_adv[0] - x, ord=norm, dim=1)
    assert (size <= eps * (1 + 1e-9)).all()


@pytest.mark.one_fast
@pytest.mark.parametrize("make_threat", [Linf, L2, L1])
def test_points_stay_in_the_box(linear, make_threat):
    g = torch.Generator().manual_seed(0)
    model = linear(torch.randn(6, generator=g, dtype=torch.float64), 0.0, bounds=Box.uniform(0.0, 1.0, 6))
    x = torch.rand(20, 6, generator=g, dtype=torch.float64)
    result = Square(queries=60)(model, x, model.labels(x), make_threat(0.5))
    assert model.bounds.contains(result.x_adv[0]).all()


def test_more_queries_of_one_walk_never_lose(cosine):
    model = cosine(10)
    x = torch.linspace(0.0, 1.0, 30, dtype=torch.float64)[:, None]
    trace = Square(queries=40)(model, x, model.labels(x), Linf(0.03)).history[0]
    assert trace["broken"] == sorted(trace["broken"])
    assert trace["best_margin"] == sorted(trace["best_margin"], reverse=True)


@pytest.mark.slow
def test_it_beats_random_draws_in_many_features(linear):
    g = torch.Generator().manual_seed(1)
    model = linear(torch.randn(40, generator=g, dtype=torch.float64))
    x = torch.randn(20, 40, generator=g, dtype=torch.float64)
    eps = model.distance(x, "linf").max().item() * 1.01
    assert Square(queries=800)(model, x, model.labels(x), Linf(eps)).success.all()
    assert not RandomDraws(draws=800)(model, x, model.labels(x), Linf(eps)).success.all()


def test_pairs_of_features_that_help_only_together_are_found(rows):
    # An alternating sum of products: from x1 x2 = 1 no single sign flip lowers anything until both have flipped.
    def scores(x):
        margin = 1.5 + x[:, :1] * x[:, 1:2] - 0.1 * x.sum(dim=1, keepdim=True) - x[:, 2:3] * x[:, 3:4]
        return torch.cat([margin, 0 * margin], dim=1)

    model = rows(scores, features=4)
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 4)
    lowest = scores(corners)[:, 0].min().item()
    result = Square(queries=200)(model, torch.zeros(20, 4, dtype=torch.float64), [0] * 20, Linf(1.0))
    assert lowest < 0
    assert result.success.all()


@pytest.mark.one_fast
@pytest.mark.parametrize("classes", [2, 4, 10])
def test_targeted_and_any_number_of_classes(cosine, classes):
    model = cosine(classes)
    x = torch.tensor([[0.49 / (classes - 1)]], dtype=torch.float64)
    eps = 0.02 / (classes - 1)
    assert Square(queries=50)(model, x, [0], Linf(eps, target=1)).success.item()
    if classes > 2:
        assert not Square(queries=50)(model, x, [0], Linf(eps, target=2)).success.item()


def test_cost_is_the_number_of_queries(linear):
    model = linear([1.0, 1.0], 100.0)
    cost = Square(queries=37, restarts=3)(model, torch.zeros(2, 2, dtype=torch.float64), [0, 0], Linf(0.5)).cost
    assert (cost.forwards, cost.backwards) == (2 * 3 * 37, 0)


def test_runs_repeat_from_a_seed(linear_case, seeded):
    model, x, y = linear_case()
    first, second, third = (Square(queries=9)(model, x, y, L2(0.1), generator=seeded(s)).x_adv for s in (5, 5, 6))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


@pytest.mark.parametrize("share", [0.0, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(UsageError, match="share"):
        Square(share=share)
