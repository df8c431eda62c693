import itertools

import pytest
import torch

from counterspin.attacks import ParameterShift
from counterspin.attacks.evasion.universal import Universal
from counterspin.errors import CapabilityError, ConditionsError, UsageError
from counterspin.threats import L1, L2, Group, Linf, QueryBudget, ThreatModel
from counterspin.types import Box


def lopsided(linear, bounds=None, dtype=torch.float64):
    """Twenty samples of class 0 and ten of class 1 on both sides of a plane, at distances from 0.05 on."""
    g = torch.Generator().manual_seed(0)
    w = torch.randn(5, generator=g, dtype=torch.float64)
    model = linear(w, 0.0 if bounds is None else -float(w.sum()) / 2, bounds=bounds)
    along = torch.cat([torch.linspace(0.05, 1.0, 20), -torch.linspace(0.05, 1.0, 10)]).double()
    x = along[:, None] * w.sign()
    return model, x.to(dtype), model.labels(x)


@pytest.mark.one_fast
@pytest.mark.parametrize("make_threat", [Linf, L2, L1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_plane_is_crossed_from_the_side_that_counts_more(linear, make_threat, dtype):
    model, x, y = lopsided(linear, dtype=dtype)
    dual = torch.linalg.vector_norm(model.w, ord={"linf": 1.0, "l2": 2.0, "l1": torch.inf}[make_threat(1.0).norm])
    distance = model.margin(x).abs() / dual
    eps = distance.median().item()
    result = Universal(steps=40)(model, x, y, make_threat(eps))
    # A move across breaks the near samples of one class and saves the other class.
    assert torch.equal(result.success[0, distance < 0.98 * eps], (y == 0)[distance < 0.98 * eps])
    assert not result.success[0, distance > eps * (1 + 1e-9)].any()


def test_every_sample_moves_by_the_same_perturbation(cosine):
    model = cosine(4)
    x = torch.linspace(0.2, 0.8, 30, dtype=torch.float64)[:, None]
    result = Universal(steps=20)(model, x, model.labels(x), Linf(0.1))
    delta = Universal.shared(x, result.x_adv[0])
    assert 0 < delta.abs().item() <= 0.1
    assert torch.allclose(result.x_adv[0], x + delta, atol=1e-15)
    assert result.success.any()
    assert not result.success.all()


def test_the_box_cuts_sample_by_sample(linear):
    box = Box.uniform(0.0, 1.0, 5)
    g = torch.Generator().manual_seed(3)
    model, _, _ = lopsided(linear, box)
    x = torch.rand(40, 5, generator=g, dtype=torch.float64)
    result = Universal(steps=30)(model, x, model.labels(x), Linf(0.3))
    delta = Universal.shared(x, result.x_adv[0])
    assert torch.allclose(result.x_adv[0], (x + delta).clamp(0.0, 1.0), atol=1e-15)
    corners = torch.tensor(list(itertools.product([-0.3, 0.3], repeat=5)), dtype=torch.float64)
    y = model.labels(x)
    most = max(int((model.labels((x + corner).clamp(0.0, 1.0)) != y).sum()) for corner in corners)
    assert int(result.success.sum()) >= most > 0


def test_opposite_classes_do_not_hold_each_other_in_balance(linear):
    # As many on either side: the mean margin has no slope, yet half of the near samples can be had.
    model = linear([1.0, 0.0])
    x = torch.linspace(-1.0, 1.0, 40, dtype=torch.float64)[:, None] * torch.tensor([1.0, 0.0], dtype=torch.float64)
    result = Universal(steps=30)(model, x, model.labels(x), Linf(0.5))
    assert int(result.success.sum()) == int((x[:, 0].abs() <= 0.5).sum()) // 2


@pytest.mark.slow
def test_no_perturbation_of_a_grid_breaks_more(rows):
    # Four prototypes in the plane; every perturbation on a fine grid of the ball is tried.
    places = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]], dtype=torch.float64)
    model = rows(lambda x: -torch.cdist(x, places.to(x)), features=2, classes=4)
    g = torch.Generator().manual_seed(0)
    x = 0.6 * torch.randn(40, 2, generator=g, dtype=torch.float64)
    y = model(x).argmax(dim=1)
    found = int(Universal(restarts=10)(model, x, y, Linf(0.3)).success.sum())
    axis = torch.linspace(-0.3, 0.3, 25, dtype=torch.float64).tolist()
    grid = (x + torch.tensor(point) for point in itertools.product(axis, axis))
    assert found >= max(int((model(moved).argmax(dim=1) != y).sum()) for moved in grid) - 1


@pytest.mark.slow
def test_a_larger_budget_breaks_at_least_as_many(cosine):
    model = cosine(10)
    x = torch.linspace(0.0, 1.0, 60, dtype=torch.float64)[:, None]
    counts = Universal(steps=20)(model, x, model.labels(x), Linf(0.01, 0.02, 0.03, 0.05)).success.sum(dim=1)
    assert counts.tolist() == sorted(counts.tolist())


def test_it_resumes_where_it_was_interrupted(cosine, seeded):
    model = cosine(4)
    x = torch.linspace(0.0, 1.0, 30, dtype=torch.float64)[:, None]
    threat, attack = Linf(0.02, 0.05), Universal(steps=10)
    whole = attack(model, x, model.labels(x), threat, generator=seeded(3))
    rest = list(attack.budgets(model, x, model.labels(x), threat, generator=seeded(3), done=whole.budgets[:1]))
    assert torch.equal(rest[0].x_adv, whole.x_adv[1])


def test_a_target_that_all_samples_share(cosine):
    model = cosine(4)
    x = torch.tensor([[0.2], [0.3], [0.45]], dtype=torch.float64)  # class 1, its borders at 1/6 and 1/2
    result = Universal(steps=20)(model, x, [1, 1, 1], Linf(0.22, target=2))
    assert result.success.tolist() == [[False, True, True]]


def test_misclassified_samples_stay_as_they_are(cosine):
    model = cosine(4)
    x = torch.tensor([[0.2], [0.45]], dtype=torch.float64)
    result = Universal(steps=10)(model, x, [0, 1], Linf(0.1))
    assert result.correct.tolist() == [False, True]
    assert torch.equal(result.x_adv[0, 0], x[0])
    assert result.success.tolist() == [[False, True]]


def test_cost_is_that_of_all_samples_at_every_step(cosine):
    model = cosine(2)
    x = torch.tensor([[0.1], [0.2], [0.45]], dtype=torch.float64)
    cost = Universal(steps=6, restarts=2)(model, x, [0, 0, 0], Linf(0.1)).cost
    # Broken samples stay: 6 gradients and a forward of 3 samples and 2 copies, then the answer.
    assert (cost.forwards, cost.backwards) == (3 * 2 * 7 + 3, 3 * 2 * 6)


def test_masked_features_are_not_touched(linear):
    model = linear([1.0, 5.0], 0.0)
    x = torch.tensor([[0.05, 0.0], [0.08, 0.0]], dtype=torch.float64)
    threat = ThreatModel(norm="linf", eps=(0.1,), mask=(True, False))
    result = Universal(steps=10)(model, x, [0, 0], threat)
    assert result.success.all()
    assert (result.x_adv[0, :, 1] == 0).all()


@pytest.mark.parametrize(
    "threat",
    [
        L2(0.1, units="relative"),
        ThreatModel(norm="linf", eps=(0.1,), budget=QueryBudget(queries=5)),
        ThreatModel(norm="linf", eps=(0.1,), groups=(Group(features=(0,), values=((0.0,), (1.0,))),)),
    ],
)
def test_threats_without_one_perturbation_are_refused(linear, threat):
    with pytest.raises(ConditionsError, match="universal"):
        Universal()(linear([1.0, 0.0]), torch.ones(2, 2, dtype=torch.float64), [0, 0], threat)


@pytest.mark.parametrize("options", [{"step_size": 0.0}, {"step_size": float("nan")}, {"steps": 0}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(UsageError, match=next(iter(options))):
        Universal(**options)


def test_a_model_without_a_circuit_has_no_shifted_gradient(linear):
    with pytest.raises(CapabilityError, match="circuit"):
        Universal(gradient=ParameterShift())(linear([1.0]), torch.ones(1, 1, dtype=torch.float64), [0], Linf(0.1))
