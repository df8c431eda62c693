import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterspin.attacks import APGD, FGSM, PGD, CrossEntropy, Margin
from counterspin.attacks.ball import Ball
from counterspin.attacks.evasion.apgd import ascend, checkpoints
from counterspin.attacks.evasion.targeted_apgd import TargetedAPGD
from counterspin.threats import L0, L1, L2, Linf
from counterspin.types import Box


def test_checkpoints_are_those_of_the_paper():
    # p_j = 0, 0.22, 0.41, 0.57, 0.70, 0.80, 0.87, 0.93, 0.99 (Section 3 of arXiv:2003.01690)
    assert checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99]


@given(st.integers(1, 500))
def test_checkpoints_ascend_inside_the_run(steps):
    marks = checkpoints(steps)
    assert marks == sorted(set(marks))
    assert all(0 < mark < steps for mark in marks)


@pytest.mark.slow
@pytest.mark.parametrize("make_threat", [Linf, L2])
@pytest.mark.parametrize("loss", [CrossEntropy(), Margin()])
def test_a_linear_model_is_broken_beyond_its_distance_and_never_below(linear_case, make_threat, loss):
    model, x, y = linear_case()
    distance = model.distance(x, make_threat(1.0).norm)
    for eps in distance.quantile(torch.tensor([0.2, 0.7]).double()).tolist():
        result = APGD(steps=30, loss=loss)(model, x, y, make_threat(eps))
        assert not result.success[0, distance > eps * (1 + 1e-9)].any()
        assert result.success[0, distance < eps * (1 - 1e-3)].all()


class Scripted:
    """An oracle of one row whose loss is a given function, recording every query."""

    finished = False

    def __init__(self, loss, slope):
        self.loss, self.slope, self.queries = loss, slope, []

    def value_and_gradient(self, x, loss, rival=None):
        self.queries.append(x.item())
        return self.loss(x)[:, 0], self.slope(x)

    def scores(self, x):
        self.queries.append(x.item())


def reference(loss, slope, start, radius, steps):
    """APGD in one dimension, written from the paper's algorithm 1 with scalars (rest after a restart from the best)."""

    def clip(v):
        return min(max(v, -radius), radius)

    marks = set(checkpoints(steps))
    x = before = best = start
    eta, rises, since, last_best, last_halved = 2 * radius, 0, 0, None, True
    queries = [start]
    for k in range(1, steps + 1):
        sign = (slope(x) > 0) - (slope(x) < 0)
        z = clip(x + eta * sign)
        alpha = 1.0 if k == 1 else 0.75
        new = clip(x + alpha * (z - x) + (1 - alpha) * (x - before))
        queries.append(new)
        rises += loss(new) > loss(x)
        before, x = x, new
        if loss(x) > loss(best):
            best = x
        if k in marks:
            halve = rises < 0.75 * (k - since) or (not last_halved and loss(best) == last_best)
            if halve:
                eta /= 2
                x = before = best
            last_best, last_halved, rises, since = loss(best), halve, 0, k
    return queries


@pytest.mark.parametrize("start", [-0.9, 0.1, 0.77])
@pytest.mark.parametrize("steps", [1, 9, 40])
def test_it_walks_as_a_scalar_reference(start, steps):
    def loss(x):
        return -((x - 0.3) ** 2) + 0.05 * x

    def slope(x):
        return -2 * (x - 0.3) + 0.05

    oracle = Scripted(loss, slope)
    ball = Ball.around(torch.zeros(1, 1, dtype=torch.float64), torch.ones(1, dtype=torch.float64), "linf", None)
    first = torch.full((1, 1), start, dtype=torch.float64)
    unchecked = getattr(ascend, "__wrapped__", ascend)
    unchecked(oracle, first, ball, steps=steps, loss=CrossEntropy())
    assert oracle.queries == pytest.approx(reference(loss, slope, start, 1.0, steps), abs=1e-12)


@pytest.mark.slow
def test_it_lands_on_a_narrow_optimum_that_a_fixed_step_misses(rows):
    # Broken only within 2e-4 of 0.5137; 100 fixed steps of 0.1 jump over it.
    model = rows(lambda x: torch.cat([(x - 0.5137).abs() - 2e-4, 0 * x], dim=1))
    x = torch.zeros(8, 1, dtype=torch.float64)
    apgd = APGD(steps=200, loss=Margin())(model, x, [0] * 8, Linf(1.0))
    pgd = PGD(steps=100)(model, x, [0] * 8, Linf(1.0))
    assert apgd.best_loss.mean() < 0.2 * pgd.best_loss.mean()


def test_rows_keep_their_own_steps(cosine):
    # Distances 0.036, 0.020 and 0.026: rows that break early must not end the others.
    model = cosine(10)
    x = torch.tensor([[0.02], [0.52], [0.97]], dtype=torch.float64)
    result = APGD(steps=60, loss=Margin())(model, x, model.labels(x), Linf(0.04))
    distance = model.distance(x)
    assert torch.equal(result.success[0], distance <= 0.04)


def test_the_loss_names_it():
    assert (APGD().name, APGD(loss=Margin()).name) == ("apgd-ce", "apgd-margin")


def test_points_stay_in_the_box_in_l2(linear):
    g = torch.Generator().manual_seed(0)
    model = linear(torch.randn(5, generator=g, dtype=torch.float64), 0.0, bounds=Box.uniform(0.0, 1.0, 5))
    x = torch.rand(20, 5, generator=g, dtype=torch.float64)
    result = APGD(steps=20)(model, x, model.labels(x), L2(0.5))
    assert model.bounds.contains(result.x_adv[0]).all()


def lowest_margin(model, x, norm, eps):
    """The lowest margin of a linear model in the box [0, 1] within `eps`, in closed form for L1 and L0."""
    slope = model.margin(x).sign()[:, None] * model.w
    room, order = torch.where(slope > 0, x, 1 - x), slope.abs().argsort(dim=1, descending=True)
    if norm == "l0":
        order = (slope.abs() * room).argsort(dim=1, descending=True)
        used = room.gather(1, order) * (torch.arange(x.shape[1]) < eps)
    else:
        ordered = room.gather(1, order)
        used = torch.minimum(ordered, (eps - (ordered.cumsum(dim=1) - ordered)).clamp_min(0.0))
    return model.margin(x).abs() - (slope.abs().gather(1, order) * used).sum(dim=1)


@pytest.mark.one_fast(5)
@pytest.mark.parametrize("attack", [APGD(steps=60), TargetedAPGD(steps=60, restarts=1), FGSM()])
@pytest.mark.parametrize("threat", [L1(0.4), L0(1)])
def test_sparse_changes_reach_the_closed_form_of_a_linear_model(linear, attack, threat):
    g = torch.Generator().manual_seed(0)
    w = torch.randn(8, generator=g, dtype=torch.float64)
    model = linear(w, -float(w.sum()) / 2, bounds=Box.uniform(0.0, 1.0, 8))
    x = torch.rand(60, 8, generator=g, dtype=torch.float64)
    optimum = lowest_margin(model, x, threat.norm, threat.eps[0])
    success = attack(model, x, model.labels(x), threat).success[0]
    assert success[optimum < -1e-3].all()
    assert not success[optimum > 1e-9].any()
    assert 0 < int(success.sum()) < 60
