import pytest
import torch

from counterspin.attacks.ball import Ball
from counterspin.attacks.evasion.estimation import estimated_gradient
from counterspin.attacks.evasion.nes import NES
from counterspin.attacks.evasion.spsa import SPSAAttack
from counterspin.attacks.losses import CW
from counterspin.attacks.oracle import Oracle
from counterspin.errors import UsageError
from counterspin.threats import L1, L2, Linf
from counterspin.types import Box


def asked(model, x, norm="linf", radius=0.5, box=None):
    ball = Ball.around(x, torch.full((len(x),), radius).to(x), norm, box)
    y = torch.zeros(len(x), dtype=torch.long)
    return Oracle(model, ball, y, best=x, best_margin=torch.full((len(x),), 100.0).to(x)), ball


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_one_probe_along_each_axis_gives_the_gradient_of_a_linear_model(linear, norm):
    model = linear([1.0, -2.0, 0.5], 50.0)
    x = torch.zeros(2, 3, dtype=torch.float64)
    oracle, ball = asked(model, x, norm)
    axes = torch.eye(3, dtype=torch.float64).repeat_interleave(2, dim=0)
    found = estimated_gradient(oracle, x, ball, axes, width=0.1, loss=CW())
    # The mean over three axes is a third of -w, the slope of minus the margin.
    assert torch.allclose(found, -model.w.expand(2, 3) / 3, atol=1e-10)
    assert oracle.cost.forwards == 2 * 3 * 2


def test_the_queries_are_admissible_and_one_may_break_the_sample(linear):
    seen = []
    model = linear([1.0], 0.04, bounds=Box.uniform(0.0, 1.0, 1))

    def watched(x):
        seen.append(x.clone())
        return model(x)

    watched.classes, watched.outputs, watched.bounds, watched.stochastic = 2, "logits", model.bounds, False
    x = torch.tensor([[0.0]], dtype=torch.float64)
    oracle, ball = asked(watched, x, box=model.bounds)
    found = estimated_gradient(oracle, x, ball, torch.ones(1, 1).double(), width=0.1, loss=CW()).item()
    assert found == pytest.approx(-1.0, abs=1e-12)
    assert torch.cat(seen).tolist() == [[0.05], [0.0]]


def test_a_model_without_slope_gives_zeros(rows):
    x = torch.zeros(2, 3, dtype=torch.float64)
    flat = rows(lambda x: torch.cat([0 * x[:, :1] + 1, 0 * x[:, :1]], dim=1), features=3)
    oracle, ball = asked(flat, x)
    assert not estimated_gradient(oracle, x, ball, torch.ones(4, 3).double(), width=0.1, loss=CW()).any()


@pytest.mark.one_fast
@pytest.mark.parametrize("attack", [NES(steps=40), SPSAAttack(steps=40)])
@pytest.mark.parametrize("make_threat", [Linf, L2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_linear_model_is_broken_beyond_its_distance_and_never_below(linear_case, attack, make_threat, dtype):
    model, x, y = linear_case(dtype=dtype)
    distance = model.distance(x, make_threat(1.0).norm)
    eps = distance.median().item()
    result = attack(model, x, y, make_threat(eps))
    assert not result.success[0, distance > eps * (1 + 1e-9)].any()
    assert result.success[0, distance < eps * 0.95].all()


def test_nes_in_l1(linear_case):
    model, x, y = linear_case()
    distance = model.margin(x).abs() / model.w.abs().max()
    eps = distance.median().item()
    result = NES(steps=40)(model, x, y, L1(eps))
    assert not result.success[0, distance > eps * (1 + 1e-9)].any()
    assert result.success[0, distance < eps * 0.9].all()


@pytest.mark.one_fast
@pytest.mark.parametrize("attack", [NES(steps=20, directions=3), SPSAAttack(steps=20, directions=3)])
@pytest.mark.parametrize("classes", [2, 4, 10])
def test_one_feature_any_number_of_classes_and_targets(cosine, attack, classes):
    model = cosine(classes)
    x = torch.linspace(0.03, 0.96, 25, dtype=torch.float64)[:, None]
    eps = 0.3 / (classes - 1)
    result = attack(model, x, model.labels(x), Linf(eps))
    distance = model.distance(x)
    assert not result.success[0, distance > eps * (1 + 1e-9)].any()
    assert result.success[0, distance < eps * 0.95].all()
    first = x[:1]
    if classes > 2:
        assert attack(model, first, [0], Linf(0.6 / (classes - 1), target=1)).success.item()
        assert not attack(model, first, [0], Linf(0.6 / (classes - 1), target=2)).success.item()


@pytest.mark.one_fast
@pytest.mark.parametrize("kind", [NES, SPSAAttack])
def test_cost_repetition_and_box(kind, linear, seeded):
    g = torch.Generator().manual_seed(0)
    model = linear(torch.randn(4, generator=g, dtype=torch.float64), 30.0, bounds=Box.uniform(0.0, 1.0, 4))
    x = torch.rand(3, 4, generator=g, dtype=torch.float64)
    runs = [kind(steps=5, directions=4, restarts=2)(model, x, [0] * 3, L2(0.7), generator=seeded(s)) for s in (1, 1, 2)]
    # Per sample and start: 5 steps of 4 pairs, and the last point.
    assert (runs[0].cost.forwards, runs[0].cost.backwards) == (3 * 2 * (5 * 8 + 1), 0)
    assert torch.equal(runs[0].x_adv, runs[1].x_adv)
    assert not torch.equal(runs[0].x_adv, runs[2].x_adv)
    assert model.bounds.contains(runs[0].x_adv[0]).all()


@pytest.mark.parametrize("kind", [NES, SPSAAttack])
@pytest.mark.parametrize("field", ["width", "step_size", "directions"])
def test_numbers_out_of_range_are_refused(kind, field):
    with pytest.raises(UsageError, match=field):
        kind(**{field: 0})


@pytest.mark.parametrize("momentum", [-0.1, 1.0, float("nan")])
def test_a_momentum_that_is_none_is_refused(momentum):
    with pytest.raises(UsageError, match="momentum"):
        NES(momentum=momentum)


def test_they_see_scores_only():
    assert (NES().knowledge, SPSAAttack().knowledge) == ("black", "black")
    assert (NES().name, SPSAAttack().name) == ("nes", "spsa")
