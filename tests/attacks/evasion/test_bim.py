import pytest
import torch

from counterspin.attacks import FGSM, PGD, CrossEntropy, Margin
from counterspin.attacks.evasion.bim import BIM
from counterspin.errors import UsageError
from counterspin.threats import L1, L2, Linf


@pytest.mark.parametrize("make_threat", [Linf, L2, L1])
def test_one_step_is_the_fast_gradient_method(cosine, make_threat):
    model = cosine(4)
    x = torch.linspace(0.0, 1.0, 30, dtype=torch.float64)[:, None]
    for loss in (CrossEntropy(), Margin()):
        one = BIM(steps=1, loss=loss)(model, x, model.labels(x), make_threat(0.1))
        assert torch.equal(one.x_adv, FGSM(loss=loss)(model, x, model.labels(x), make_threat(0.1)).x_adv)


@pytest.mark.one_fast
@pytest.mark.parametrize("make_threat", [Linf, L2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_linear_model_is_broken_beyond_its_distance_and_never_below(linear_case, make_threat, dtype):
    model, x, y = linear_case(dtype=dtype)
    distance = model.distance(x, make_threat(1.0).norm)
    for eps in distance.quantile(torch.tensor([0.2, 0.7]).double()).tolist():
        result = BIM()(model, x, y, make_threat(eps))
        assert not result.success[0, distance > eps * (1 + 1e-9)].any()
        assert result.success[0, distance < eps * (1 - 1e-5)].all()


def test_its_steps_add_up_to_the_budget(linear):
    model = linear([1.0], 100.0)
    result = BIM(steps=4)(model, torch.zeros(1, 1, dtype=torch.float64), [0], Linf(0.5))
    assert result.x_adv.item() == -0.5
    assert (result.cost.forwards, result.cost.backwards) == (5, 4)


def test_it_follows_a_curve_that_one_step_overshoots(rows):
    # Broken near 0.35 only; one step of 1 lands beyond.
    model = rows(lambda x: torch.cat([(x - 0.35).abs() - 0.06, 0 * x], dim=1))
    x = torch.zeros(1, 1, dtype=torch.float64)
    assert not FGSM()(model, x, [0], Linf(1.0)).success.item()
    assert BIM()(model, x, [0], Linf(1.0)).success.item()


def test_it_never_leaves_a_clean_input_without_a_gradient(rows):
    model = rows(lambda x: torch.cat([0.1 - x**2, 0 * x], dim=1))
    x = torch.zeros(1, 1, dtype=torch.float64)
    assert not BIM(restarts=3)(model, x, [0], Linf(0.6)).success.item()
    assert PGD()(model, x, [0], Linf(0.6)).success.item()


def test_it_goes_for_a_target(cosine):
    model = cosine(4)
    x = torch.tensor([[0.2]], dtype=torch.float64)  # class 1, from 1/6 to 1/2
    assert model.labels(x).item() == 1
    for target, eps, possible in ((0, 0.05, True), (2, 0.05, False), (2, 0.31, True)):
        assert BIM()(model, x, [1], Linf(eps, target=target)).success.item() is possible


def test_it_stops_when_all_are_broken(linear):
    model = linear([1.0], 0.01)
    result = BIM(steps=50)(model, torch.zeros(3, 1, dtype=torch.float64), [0, 0, 0], Linf(1.0))
    assert result.success.all()
    assert result.cost.forwards == 6
    assert len(result.history[0]["broken"]) == 2


def test_no_steps_are_refused():
    with pytest.raises(UsageError, match="steps"):
        BIM(steps=0)
