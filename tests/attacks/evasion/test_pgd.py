import pytest
import torch

from counterspin.attacks import FGSM, PGD, CrossEntropy, Margin, ParameterShift
from counterspin.attacks.losses import CW
from counterspin.errors import CapabilityError
from counterspin.threats import L2, Linf


@pytest.mark.one_fast
@pytest.mark.parametrize("make_threat", [Linf, L2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_linear_model_is_broken_beyond_its_distance_and_never_below(linear_case, make_threat, dtype):
    model, x, y = linear_case(dtype=dtype)
    distance = model.distance(x, make_threat(1.0).norm)
    for eps in distance.quantile(torch.tensor([0.2, 0.7]).double()).tolist():
        result = PGD()(model, x, y, make_threat(eps))
        assert not result.success[0, distance > eps * (1 + 1e-9)].any()
        assert result.success[0, distance < eps * (1 - 1e-3)].all()


def test_relative_budgets_scale_with_the_input(linear):
    model = linear([1.0, 0.0])
    x = torch.tensor([[0.1, 1.0], [0.1, 0.2]], dtype=torch.float64)
    result = PGD()(model, x, [0, 0], L2(0.2, units="relative"))
    # Both are 0.1 from the boundary; the budgets are 0.2 |x| = 0.201 and 0.045.
    assert result.success.tolist() == [[True, False]]


def test_a_clean_input_on_a_pole_of_the_encoding_is_left(cosine):
    # cos'(0) = 0: from the clean input itself no gradient leads anywhere.
    model = cosine(2)
    assert PGD()(model, torch.zeros(1, 1, dtype=torch.float64), [0], Linf(0.6)).success.item()


def test_one_coordinate_projected_by_hand(linear):
    model = linear([1.0], 100.0)
    result = PGD(steps=3, step_size=1.0)(model, torch.zeros(1, 1, dtype=torch.float64), [0], Linf(0.5))
    assert result.x_adv.item() == -0.5
    assert result.cost.backwards == 3


def test_restarts_leave_a_flat_start_behind(rows):
    # The gradient is zero right of -0.5, where the first start is; a quarter of the ball lies left of it.
    model = rows(lambda x: torch.cat([0.4 + torch.clamp(x + 0.5, max=0.0), 0 * x], dim=1))
    x = torch.zeros(16, 1, dtype=torch.float64)
    single = PGD(steps=20)(model, x, [0] * 16, Linf(1.0))
    many = PGD(steps=20, restarts=60)(model, x, [0] * 16, Linf(1.0))
    assert not single.success.any()
    # A sample whose 59 cold starts all miss that quarter: probability 16 * 0.75**59 < 1e-6.
    assert many.success.all()


@pytest.mark.parametrize("make_threat", [Linf, L2])
def test_a_budget_beyond_the_box_still_finds_an_island_inside(rows, make_threat):
    # Broken between -1 and 1 only; steps of a tenth of 1000 would leap over it, from wall to wall of [-10, 10].
    model = rows(lambda x: torch.cat([x**2 - 1, 0 * x], dim=1))
    x = torch.tensor([[-9.0], [7.5]], dtype=torch.float64)
    assert PGD()(model, x, [0, 0], make_threat(1000.0)).success.all()


def test_more_steps_do_at_least_as_well_as_one(cosine):
    model = cosine(10)
    x = torch.linspace(0.0, 1.0, 30, dtype=torch.float64)[:, None]
    y = model.labels(x)
    assert (PGD()(model, x, y, Linf(0.05)).success | ~FGSM()(model, x, y, Linf(0.05)).success).all()


def test_the_name_tells_a_loss_other_than_the_margin():
    assert PGD().name == PGD(loss=Margin()).name == "pgd"
    assert (PGD(loss=CrossEntropy()).name, PGD(loss=CW()).name) == ("pgd-ce", "pgd-cw")


@pytest.mark.one_fast
@pytest.mark.parametrize("loss", [CrossEntropy(), Margin(), CW()])
@pytest.mark.parametrize("classes", [2, 4, 10])
def test_every_loss_breaks_what_is_in_reach(cosine, loss, classes):
    model = cosine(classes)
    x = torch.linspace(0.03, 0.96, 25, dtype=torch.float64)[:, None]
    eps = 0.3 / (classes - 1)
    result = PGD(loss=loss)(model, x, model.labels(x), Linf(eps))
    distance = model.distance(x)
    assert not result.success[0, distance > eps * (1 + 1e-9)].any()
    assert result.success[0, distance < eps * 0.99].all()


def test_it_stops_when_all_are_broken(linear):
    result = PGD(steps=50)(linear([1.0], 0.01), torch.zeros(3, 1, dtype=torch.float64), [0, 0, 0], Linf(1.0))
    assert result.success.all()
    assert len(result.history[0]["broken"]) < 20


def test_parameter_shift_is_refused_for_a_model_without_a_circuit(linear_case):
    model, x, y = linear_case()
    with pytest.raises(CapabilityError, match="no circuit"):
        PGD(gradient=ParameterShift())(model, x, y, Linf(0.1))
