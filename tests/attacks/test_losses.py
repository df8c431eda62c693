import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from counterspin.attacks.losses import CW, CrossEntropy, Margin, TargetedDLR, verdict_margin
from counterspin.errors import UsageError

SCORES = torch.tensor([[0.3, -0.2, 0.1], [0.0, 0.9, 0.5]], dtype=torch.float64)
Y = torch.tensor([0, 2])
TARGET = torch.tensor([1, 0])


def test_verdict_margin_is_plain_and_undivided():
    assert torch.allclose(verdict_margin(SCORES, Y), torch.tensor([0.2, -0.4], dtype=torch.float64))


def test_targeted_verdict_margin_needs_the_target_to_win():
    assert torch.allclose(verdict_margin(SCORES, Y, TARGET), torch.tensor([0.5, 0.9], dtype=torch.float64))


def test_a_tie_has_margin_zero():
    assert verdict_margin(torch.tensor([[1.0, 1.0, 0.0]]), torch.tensor([0])).item() == 0.0


def test_cross_entropy_of_logits_is_torchs():
    expected = cross_entropy(SCORES, Y, reduction="none")
    assert torch.allclose(CrossEntropy()(SCORES, Y), expected, atol=1e-14)
    assert torch.allclose(CrossEntropy()(SCORES, Y, target=TARGET), -cross_entropy(SCORES, TARGET, reduction="none"))


def test_cross_entropy_of_probabilities_is_the_log_loss():
    p = SCORES.softmax(dim=1)
    loss = CrossEntropy()(p, Y, outputs="probabilities")
    assert torch.allclose(loss, -p.gather(1, Y[:, None])[:, 0].log(), atol=1e-12)


def test_cross_entropy_of_probabilities_that_do_not_sum_to_one_is_conditional():
    p = torch.tensor([[0.2, 0.3]], dtype=torch.float64)
    assert CrossEntropy()(p, torch.tensor([0]), outputs="probabilities").item() == pytest.approx(
        -torch.tensor(0.4).log()
    )


def test_cross_entropy_of_probabilities_at_the_edge_stays_finite():
    p = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, -1e-9]], requires_grad=True)
    loss = CrossEntropy()(p, torch.tensor([0, 0, 0]), outputs="probabilities")
    (gradient,) = torch.autograd.grad(loss.sum(), p)
    assert torch.isfinite(loss).all()
    assert torch.isfinite(gradient).all()


def test_cross_entropy_of_expectations_has_a_temperature():
    loss = CrossEntropy(temperature=0.5)(SCORES, Y, outputs="expectations")
    assert torch.allclose(loss, cross_entropy(SCORES / 0.5, Y, reduction="none"), atol=1e-14)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_that_makes_no_softmax_is_refused(temperature):
    with pytest.raises(UsageError, match="temperature"):
        CrossEntropy(temperature=temperature)


def test_cross_entropy_keeps_its_gradient_direction_on_confident_float32_models():
    z = torch.tensor([[40.0, 0.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(CrossEntropy()(z, torch.tensor([0])).sum(), z)
    assert gradient[0, 0].item() == -gradient[0, 1].item() != 0.0


def test_margin_loss_of_two_classes_is_not_divided():
    z = torch.tensor([[3.0, 1.0]])
    assert Margin()(z, torch.tensor([0])).item() == -2.0


def test_margin_loss_of_three_classes_is_divided_by_the_range():
    assert torch.allclose(Margin()(SCORES, Y), torch.tensor([-0.2 / 0.5, 0.4 / 0.9], dtype=torch.float64))


def test_margin_loss_of_a_target_is_divided_by_the_distance_of_the_best_from_the_mean():
    expected = torch.tensor([-0.5 / (0.3 - 0.2 / 3), -0.9 / (0.9 - 1.4 / 3)], dtype=torch.float64)
    assert torch.allclose(Margin()(SCORES, Y, target=TARGET), expected)


@pytest.mark.parametrize("classes", [3, 4, 10])
@pytest.mark.parametrize("loss", [Margin(), TargetedDLR(), CrossEntropy(), CW()])
def test_a_target_that_is_last_still_has_a_gradient(loss, classes):
    # Over the range of the scores it would have none: its gap to the best is the range.
    z = torch.linspace(1.0, -1.0, classes, dtype=torch.float64)[None].requires_grad_()
    (gradient,) = torch.autograd.grad(loss(z, torch.tensor([0]), target=torch.tensor([classes - 1])).sum(), z)
    assert gradient[0, -1] > 0


def test_cw_is_the_plain_margin_until_it_is_reached():
    z = torch.tensor([[3.0, 1.0, 0.0], [0.0, 0.25, -1.0], [0.0, 2.0, 1.0]], requires_grad=True)
    loss = CW(kappa=0.5)(z, torch.tensor([0, 0, 0]))
    assert loss.tolist() == [-2.0, 0.25, 0.5]
    (gradient,) = torch.autograd.grad(loss.sum(), z)
    assert gradient.tolist() == [[-1.0, 1.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]


def test_cw_of_a_target_wants_it_to_win():
    assert torch.allclose(CW()(SCORES, Y, target=TARGET), torch.tensor([-0.5, -0.9], dtype=torch.float64))


@pytest.mark.parametrize("kappa", [-0.1, float("inf"), float("nan")])
def test_a_kappa_that_is_none_is_refused(kappa):
    with pytest.raises(UsageError, match="kappa"):
        CW(kappa=kappa)


def test_targeted_dlr_of_four_classes_is_the_papers():
    z = torch.tensor([[0.3, 2.0, -1.0, 0.5, 0.9]], dtype=torch.float64)
    loss = TargetedDLR()(z, torch.tensor([1]), target=torch.tensor([2])).item()
    assert loss == pytest.approx((-1.0 - 2.0) / (2.0 - (0.5 + 0.3) / 2), abs=1e-14)


def test_targeted_dlr_of_three_and_two_classes():
    z = torch.tensor([[3.0, 1.0, 0.0]])
    assert TargetedDLR()(z, torch.tensor([0]), target=torch.tensor([2])).item() == pytest.approx(-3.0 / 2.5)
    assert TargetedDLR()(z[:, :2], torch.tensor([0]), target=torch.tensor([1])).item() == -2.0


@given(
    st.lists(st.integers(-500, 500), min_size=3, max_size=6, unique=True),
    st.floats(0.01, 100),
    st.floats(-10, 10),
    st.data(),
)
def test_losses_toward_a_class_ignore_scale_and_shift(values, scale, shift, data):
    z = torch.tensor([values], dtype=torch.float64) / 100  # no two so close that the loss divides by rounding
    y, target = (torch.tensor([k]) for k in data.draw(st.permutations(range(len(values))))[:2])
    for loss in (TargetedDLR(), Margin()):
        scaled = loss(scale * z + shift, y, target=target).item()
        assert scaled == pytest.approx(loss(z, y, target=target).item(), rel=1e-6, abs=1e-8)


def test_targeted_dlr_of_equal_scores_is_finite():
    z = torch.ones(1, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(TargetedDLR()(z, torch.tensor([0]), target=torch.tensor([1])).sum(), z)
    assert torch.isfinite(gradient).all()


def test_margin_loss_of_equal_scores_is_finite():
    z = torch.ones(1, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(Margin()(z, torch.tensor([0])).sum(), z)
    assert torch.isfinite(gradient).all()


@given(
    st.lists(st.floats(-5, 5), min_size=3, max_size=6, unique=True), st.floats(0.01, 100), st.floats(-10, 10), st.data()
)
def test_margin_loss_ignores_scale_and_shift(values, scale, shift, data):
    z = torch.tensor([values], dtype=torch.float64)
    if z.max() - z.min() < 1e-3:
        return
    y = torch.tensor([data.draw(st.integers(0, len(values) - 1))])
    assert Margin()(scale * z + shift, y).item() == pytest.approx(Margin()(z, y).item(), abs=1e-8)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=6), st.data())
def test_both_losses_agree_with_the_verdict_in_sign(values, data):
    z = torch.tensor([values], dtype=torch.float64)
    y = torch.tensor([data.draw(st.integers(0, len(values) - 1))])
    margin = verdict_margin(z, y).item()
    assert (Margin()(z, y).item() >= 0) == (margin <= 0)
    if margin <= 0:  # the true class has at most half of the softmax
        assert CrossEntropy()(z, y).item() >= torch.tensor(2.0).log().item() - 1e-6
