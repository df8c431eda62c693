"""Bookkeeping of foreign attacks, with tools written for the test: careless, honest, and asking about a few rows."""

import random
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from counterspin.attacks.external import ExternalAttack
from counterspin.attacks.external.base import seeded_globals
from counterspin.errors import ConditionsError
from counterspin.threats import L2, Group, Linf, QueryBudget
from counterspin.types import Box

BOX = Box.uniform(-2.0, 3.0, features=2)


@dataclass(frozen=True, kw_only=True)
class Tool(ExternalAttack):
    """Asks about the point a share of the budget towards the other class, of some of the rows."""

    share: float = 1.0
    returns: str = "found"
    rows: tuple[int, ...] | None = None
    seen: ClassVar[list] = []

    def _search(self, problem):
        Tool.seen.append((problem.eps, len(problem.u)))
        u = problem.u.clone().requires_grad_()
        rows = torch.arange(len(u)) if self.rows is None else torch.tensor(self.rows)
        own = problem.model(u).gather(1, problem.y[:, None])
        (gradient,) = torch.autograd.grad(own.sum(), u)
        step = gradient.sign() if problem.norm == "linf" else torch.nn.functional.normalize(gradient)
        found = (problem.u - self.share * problem.eps * step).clamp(0.0, 1.0)
        problem.model(found[rows])
        return {"found": found, "clean": problem.u}[self.returns]


@pytest.fixture
def case(linear, seeded):
    model = linear([1.0, -2.0], 0.3, bounds=BOX)
    x = torch.rand(12, 2, generator=seeded(), dtype=torch.float64) * 2 - 0.5
    return model, x, model.labels(x)


@pytest.mark.parametrize("threat", [Linf(0.4), L2(0.5)])
@pytest.mark.parametrize("precision", ["input", "float32"])
def test_an_honest_tool_breaks_exactly_what_lies_within_reach(case, threat, precision):
    model, x, y = case
    result = Tool(precision=precision)(model, x, y, threat)
    reach = model.distance(x, threat.norm) <= threat.eps[0]
    assert 0 < reach.sum() < len(x)
    assert torch.equal(result.success[0], reach)
    assert result.history[0]["lost"] == [0.0] * len(x)


def test_a_careless_tool_is_judged_by_what_it_asked_and_marked(case):
    model, x, y = case
    honest, careless = (Tool(returns=what)(model, x, y, Linf(0.4)) for what in ("found", "clean"))
    assert torch.equal(honest.success, careless.success)
    assert careless.history[0]["lost"] == honest.success[0].double().tolist()


def test_points_outside_the_ball_count_nowhere(case):
    model, x, y = case
    result = Tool(share=1.01)(model, x, y, Linf(0.4))
    assert not result.success.any()
    assert result.history[0]["lost"] == [0.0] * len(x)


def test_queries_about_some_rows_find_their_samples(linear):
    model = linear([1.0, 0.0], bounds=BOX)
    x = torch.tensor([[0.1, -1.0], [0.1, 0.0], [0.1, 1.0], [0.1, 2.0]], dtype=torch.float64)
    result = Tool(rows=(2, 0), returns="clean")(model, x, model.labels(x), Linf(0.2))
    assert result.success[0].tolist() == [True, False, True, False]
    assert result.history[0]["lost"] == [1.0, 0.0, 1.0, 0.0]


def test_one_sample_may_be_asked_about_several_times_at_once(linear):
    model = linear([1.0, 0.0], bounds=BOX)
    x = torch.tensor([[0.1, -1.0], [0.1, 1.0], [0.1, 2.0]], dtype=torch.float64)
    result = Tool(rows=(1, 1, 1, 2), returns="clean")(model, x, model.labels(x), Linf(0.2))
    assert result.success[0].tolist() == [False, True, True]


def test_every_pass_is_counted(case):
    model, x, y = case
    result = Tool(rows=(0, 1))(model, x, y, Linf(0.4))
    assert (result.cost.forwards, result.cost.backwards, result.cost.circuits) == (26, 12, 26)


def test_restarts_go_into_the_batch(case):
    model, x, y = case
    Tool.seen.clear()
    Tool(restarts=3, share=-0.5)(model, x, y, Linf(0.4))
    assert [rows for _, rows in Tool.seen] == [12, 24]


def test_relative_budgets_are_one_call_per_radius(case):
    model, x, y = case
    Tool.seen.clear()
    result = Tool()(model, x, y, L2(0.6, units="relative"))
    assert sorted(eps for eps, _ in Tool.seen) == pytest.approx(sorted((0.6 * x.norm(dim=1) / 5).tolist()))
    assert torch.equal(result.success[0], model.distance(x, "l2") <= 0.6 * x.norm(dim=1))


def test_a_target_is_handed_on(rows):
    scores = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    model = rows(lambda x: x @ scores.to(x).T, features=2, classes=3)
    x = torch.tensor([[-0.1, -0.2]], dtype=torch.float64)

    class Towards(Tool):
        def _search(self, problem):
            assert problem.target.tolist() == [2]
            found = problem.u + problem.eps * torch.tensor([[0.0, 1.0]]).to(problem.u)
            problem.model(found)
            return found

    assert Towards()(model, x, torch.tensor([0]), Linf(0.3, target=2)).success.all()


def test_global_generators_are_seeded_and_put_back():
    def states():
        return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002

    def draws():
        return float(torch.rand(1)), float(np.random.rand()), random.random()  # noqa: NPY002

    before = states()
    with seeded_globals(3):
        first = draws()
    assert states() == before
    with seeded_globals(3):
        assert draws() == first
    with seeded_globals(4):
        assert not set(draws()) & set(first)


def test_the_tool_is_seeded_by_the_generator(case):
    model, x, y = case
    seeds = []

    class Noting(Tool):
        def _search(self, problem):
            seeds.append((problem.seed, float(torch.rand(1))))
            return problem.u

    for seed in (3, 3, 4):
        Noting()(model, x, y, Linf(0.1), generator=torch.Generator().manual_seed(seed))
    assert seeds[0] == seeds[1] != seeds[2]


@pytest.mark.parametrize(
    ("threat", "word"),
    [
        (Linf(0.1, mask=(True, False)), "mask"),
        (Linf(0.1, groups=(Group(features=(0,), values=((0.0,), (1.0,))),)), "groups"),
        (Linf(0.1, tied=((0, 1),)), "tied"),
        (Linf(0.1, budget=QueryBudget(queries=10)), "budget"),
    ],
)
def test_what_a_foreign_tool_cannot_know_is_refused(case, threat, word):
    model, x, y = case
    with pytest.raises(ConditionsError, match=word):
        Tool()(model, x, y, threat)


def test_circles_are_refused(linear):
    circle = Box(torch.zeros(2), torch.ones(2), torch.tensor([True, False]))
    model = linear([1.0, -1.0], bounds=circle)
    assert "periodic" in str(Tool().refusal(model, Linf(0.1)))
