import math

import pytest
import torch

from counterspin.attacks.ball import Ball
from counterspin.attacks.gradients import Autodiff
from counterspin.attacks.losses import CrossEntropy, Margin
from counterspin.attacks.oracle import ROWS_PER_CALL, Oracle
from counterspin.errors import CapabilityError, ModelError
from counterspin.threats import Constraints, Group
from counterspin.types import Cost


def make_oracle(model, x, y, *, radius=1.0, copies=1, norm="linf", target=None, gradient=None):
    ball = Ball.around(x, torch.full((len(x),), radius), norm, model.bounds)
    margin = torch.full((len(x),), math.inf, dtype=x.dtype)
    return Oracle(model, ball.tile(copies), y, best=x, best_margin=margin, target=target, gradient=gradient)


def zeros(n, features=1, dtype=torch.float64):
    return torch.zeros(n, features, dtype=dtype)


def test_it_remembers_the_best_point_of_an_oscillating_attack(rows):
    # The margin is lowest at 0.3 and nowhere at 0: an attack that oscillates past 0.3 must not lose it.
    model = rows(lambda x: torch.cat([0.1 + (x - 0.3).abs(), torch.zeros_like(x)], dim=1))
    oracle = make_oracle(model, zeros(2), torch.tensor([0, 0]))
    for value in (-0.9, 0.9, 0.31, -0.9, 0.9):
        oracle.scores(torch.full((2, 1), value, dtype=torch.float64))
    assert oracle.best.tolist() == [[0.31], [0.31]]
    assert oracle.best_margin.tolist() == pytest.approx([0.11, 0.11])


def test_it_remembers_points_of_gradient_queries_too(linear):
    model = linear([1.0], 2.0)
    oracle = make_oracle(model, zeros(1), torch.tensor([0]), gradient=Autodiff())
    oracle.gradient(zeros(1) - 0.5, Margin())
    oracle.value_and_gradient(zeros(1) - 0.75, Margin())
    assert oracle.best.item() == -0.75
    assert oracle.best_margin.item() == 1.25


def test_cost_is_exact(linear):
    oracle = make_oracle(linear([1.0], 2.0), zeros(3), torch.tensor([0, 0, 0]), gradient=Autodiff())
    oracle.scores(zeros(3))
    oracle.gradient(zeros(3), Margin())
    assert oracle.cost == Cost(forwards=6, backwards=3, circuits=6)


def test_broken_samples_are_not_evaluated_and_answer_zero(linear):
    model = linear([1.0], 0.5)
    oracle = make_oracle(model, zeros(2), torch.tensor([0, 0]), copies=2, gradient=Autodiff())
    # Row 2 is the second copy of sample 0 and breaks it; sample 1 survives.
    scores = oracle.scores(torch.tensor([[0.0], [0.0], [-0.6], [0.0]], dtype=torch.float64))
    assert scores[:, 0].tolist() == pytest.approx([0.25, 0.25, -0.05, 0.25])
    assert not oracle.finished
    seen = model.rows
    value, gradient = oracle.value_and_gradient(zeros(4), Margin())
    assert model.rows - seen == 2
    assert gradient[:, 0].tolist() == [0.0, -1.0, 0.0, -1.0]
    assert value.tolist() == [0.0, -0.5, 0.0, -0.5]
    assert oracle.best[0].item() == -0.6
    oracle.scores(torch.tensor([[0.9], [0.9], [0.9], [-0.5]], dtype=torch.float64))
    assert oracle.finished  # a tie is broken
    assert oracle.best[0].item() == -0.6
    before = oracle.cost
    oracle.scores(zeros(4))
    assert oracle.cost == before


def test_value_agrees_with_value_and_gradient(cosine):
    model = cosine(10)
    x = torch.rand(7, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    oracle = make_oracle(model, x, model.labels(x), gradient=Autodiff())
    assert torch.equal(oracle.value(x, CrossEntropy()), oracle.value_and_gradient(x, CrossEntropy())[0])


def test_points_outside_the_ball_are_answered_but_never_remembered(linear):
    oracle = make_oracle(linear([1.0], 0.5), zeros(1), torch.tensor([0]), radius=0.1)
    assert oracle.scores(zeros(1) - 0.6)[0, 0].item() < 0
    assert not oracle.finished
    assert oracle.best.item() == 0.0
    oracle.scores(zeros(1) - 0.1)
    assert oracle.best.item() == -0.1


def test_large_batches_are_split_and_later_parts_skip_what_earlier_ones_broke(linear):
    model = linear([1.0], 0.5)
    calls = []
    model_call = model.__call__
    recorder = type(
        "Recorder", (), {**{k: getattr(model, k) for k in ("bounds", "classes", "outputs", "stochastic")}}
    )()
    type(recorder).__call__ = lambda self, x: (calls.append(len(x)), model_call(x))[1]
    samples = ROWS_PER_CALL // 2 + 1
    oracle = make_oracle(recorder, zeros(samples), torch.zeros(samples, dtype=torch.int64), copies=3)
    oracle.scores(zeros(3 * samples))
    assert calls == [ROWS_PER_CALL, 3 * samples - ROWS_PER_CALL]
    calls.clear()
    oracle.scores(zeros(3 * samples) - 0.7)
    # The first call breaks all samples: the rest costs nothing.
    assert calls == [ROWS_PER_CALL]


def test_float32_goes_on_until_the_break_is_clear(rows):
    # A margin of 1e-8 relative is within rounding: float64 might disagree.
    model = rows(lambda x: torch.cat([x - 1.0, torch.full_like(x, -1.0)], dim=1))
    for dtype, finished in ((torch.float32, False), (torch.float64, True)):
        oracle = make_oracle(model, zeros(1, dtype=dtype), torch.tensor([0]))
        oracle.scores(zeros(1, dtype=dtype))
        assert oracle.finished is finished
    oracle = make_oracle(model, zeros(1, dtype=torch.float32), torch.tensor([0]))
    oracle.scores(torch.tensor([[-1e-4]]))
    assert oracle.finished


def test_targeted_margins_decide(cosine):
    model = cosine(10)
    x = torch.tensor([[0.0]], dtype=torch.float64)
    oracle = make_oracle(model, x, torch.tensor([0]), target=torch.tensor([3]))
    oracle.scores(x + 1 / 9)  # class 1: wrong, but not the target
    assert not oracle.finished
    oracle.scores(x + 1 / 3)
    assert oracle.finished


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_scores_that_are_not_finite_are_refused(rows, bad):
    oracle = make_oracle(rows(lambda x: torch.cat([x, x * bad + bad], dim=1)), zeros(1), torch.tensor([0]))
    with pytest.raises(ModelError, match="NaN or infinite"):
        oracle.scores(zeros(1))


def test_a_gradient_that_is_not_finite_is_refused(rows):
    model = rows(lambda x: torch.cat([1 + x.abs().sqrt(), 0 * x], dim=1))
    oracle = make_oracle(model, zeros(1), torch.tensor([0]), gradient=Autodiff())
    with pytest.raises(ModelError, match="gradient that is NaN or infinite"):
        oracle.gradient(zeros(1), Margin())


def test_asking_for_a_gradient_without_a_source_is_refused(linear):
    oracle = make_oracle(linear([1.0], 1.0), zeros(1), torch.tensor([0]))
    with pytest.raises(CapabilityError, match="no gradient source"):
        oracle.gradient(zeros(1), Margin())


def test_trace_and_late_gain_follow_the_best_margin(linear):
    oracle = make_oracle(linear([1.0], 2.0), zeros(2), torch.tensor([0, 0]))
    oracle.best_margin[:] = 2.0
    oracle._recent[0][:] = 2.0
    for step in range(1, 21):
        oracle.scores(torch.tensor([[-0.02 * step], [-0.02 * min(step, 5)]], dtype=torch.float64))
    assert len(oracle.trace) == 20
    assert oracle.trace[0] == (0, pytest.approx(2 * 1.98))
    assert oracle.late_gain.tolist() == pytest.approx([0.2, 0.0])


@pytest.mark.parametrize("asked", [1, 2, 4])
def test_discrete_threats_take_the_first_rows_alone_and_stacked_copies(linear, asked):
    # Two copies of one sample: an attack may ask about the first one, both, or two stacks of them.
    binary = Constraints(groups=(Group(features=(0,), values=((0.0,), (1.0,))),))
    ball = Ball.around(zeros(1), torch.ones(1, dtype=torch.float64), "linf", None, binary).tile(2)
    clean = zeros(1)
    oracle = Oracle(linear([1.0], -2.0), ball, torch.tensor([1]), best=clean, best_margin=torch.full((1,), 2.0))
    scores = oracle.scores(torch.full((asked, 1), 0.9, dtype=torch.float64))
    assert scores.tolist() == [[-0.5, 0.5]] * asked
    assert oracle.best.tolist() == [[1.0]]
