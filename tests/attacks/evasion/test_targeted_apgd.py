import pytest
import torch

from counterspin.attacks import APGD, Margin
from counterspin.attacks.evasion.targeted_apgd import TargetedAPGD
from counterspin.threats import L2, Linf


@pytest.mark.one_fast
@pytest.mark.parametrize("make_threat", [Linf, L2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_linear_model_is_broken_beyond_its_distance_and_never_below(linear_case, make_threat, dtype):
    model, x, y = linear_case(dtype=dtype)
    distance = model.distance(x, make_threat(1.0).norm)
    eps = distance.median().item()
    result = TargetedAPGD(steps=30)(model, x, y, make_threat(eps))
    assert not result.success[0, distance > eps * (1 + 1e-9)].any()
    assert result.success[0, distance < eps * (1 - 1e-3)].all()


def test_two_classes_are_apgd_on_the_margin(linear_case):
    # One rival, no division: the same loss from the same start, after one forward for the clean scores.
    model, x, y = linear_case()
    targeted = TargetedAPGD(steps=10, restarts=1)(model, x, y, Linf(0.05))
    plain = APGD(steps=10, restarts=1, loss=Margin())(model, x, y, Linf(0.05))
    assert torch.equal(targeted.x_adv, plain.x_adv)
    assert targeted.cost.backwards == plain.cost.backwards
    assert targeted.cost.forwards == plain.cost.forwards + len(x)


@pytest.mark.one_fast(3)
@pytest.mark.parametrize("classes", [2, 4, 10])
@pytest.mark.parametrize("outputs", ["logits", "probabilities", "expectations"])
def test_any_number_of_classes_and_any_outputs(cosine, classes, outputs):
    model = cosine(classes, outputs)
    x = torch.linspace(0.02, 0.97, 30, dtype=torch.float64)[:, None]
    eps = 0.4 / (classes - 1)
    result = TargetedAPGD(steps=20, restarts=1, rivals=3)(model, x, model.labels(x), Linf(eps))
    distance = model.distance(x)
    assert not result.success[0, distance > eps * (1 + 1e-9)].any()
    assert result.success[0, distance < eps * 0.99].all()


def narrow(x):
    """Class 1 is next and falls behind on the left; class 2, last in the middle, wins on the far left only."""
    return torch.cat([0 * x + 1.0, 0.9 + 0.05 * x.clamp(max=1.0), 1.4 * (-x - 0.2)], dim=1)


def test_it_finds_the_class_that_the_margin_leads_away_from(rows):
    model, x = rows(narrow, classes=3), torch.zeros(20, 1, dtype=torch.float64)
    plain = APGD(steps=20, restarts=1, loss=Margin())(model, x, [0] * 20, Linf(1.0))
    assert not plain.success.any()
    result = TargetedAPGD(steps=20, restarts=1)(model, x, [0] * 20, Linf(1.0))
    assert result.success.all()
    assert (narrow(result.x_adv[0]).argmax(dim=1) == 2).all()


@pytest.mark.one_fast
@pytest.mark.parametrize(("rivals", "expected"), [(1, 1), (2, 2), (9, 3)])
def test_cost_is_a_run_for_each_rival(rows, rivals, expected):
    model = rows(lambda x: torch.cat([10 + x, 1 + 0 * x, 2 + 0 * x, 3 + 0 * x], dim=1), classes=4)
    x = torch.zeros(3, 1, dtype=torch.float64)
    cost = TargetedAPGD(steps=5, restarts=2, rivals=rivals)(model, x, [0, 0, 0], Linf(0.5)).cost
    # Two rounds of one start each: clean scores, then for each rival 5 gradients and one forward.
    assert cost.backwards == 3 * 2 * expected * 5
    assert cost.forwards == 3 * 2 * (1 + expected * 6)


def test_under_a_target_it_goes_there_only(cosine):
    model = cosine(4)
    x = torch.tensor([[0.2], [0.2]], dtype=torch.float64)
    result = TargetedAPGD(steps=20, restarts=1)(model, x, [1, 1], Linf(0.05, 0.31, target=(0, 2)))
    assert result.success.tolist() == [[True, False], [True, True]]
    assert model.labels(result.x_adv[1]).tolist() == [0, 2]


@pytest.mark.slow
def test_runs_repeat_from_a_seed(cosine, seeded):
    model = cosine(10)
    x = torch.linspace(0.0, 1.0, 12, dtype=torch.float64)[:, None]
    first, second = (
        TargetedAPGD(steps=8)(model, x, model.labels(x), Linf(0.02), generator=seeded(5)).x_adv for _ in range(2)
    )
    assert torch.equal(first, second)
