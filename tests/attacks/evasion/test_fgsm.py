import pytest
import torch

from counterspin.attacks import FGSM, Margin
from counterspin.threats import L2, Linf
from counterspin.types import Box


@pytest.mark.one_fast
@pytest.mark.parametrize("make_threat", [Linf, L2])
@pytest.mark.parametrize("loss", [None, Margin()])
def test_one_step_is_optimal_on_a_linear_model(linear_case, make_threat, loss):
    model, x, y = linear_case()
    distance = model.distance(x, make_threat(1.0).norm)
    attack = FGSM() if loss is None else FGSM(loss=loss)
    for share, broken in ((1 + 1e-9, True), (1 - 1e-9, False)):
        for row in range(0, len(x), 4):
            result = attack(model, x[row : row + 1], y[row : row + 1], make_threat(share * distance[row].item()))
            assert result.success.item() is broken


def test_the_step_is_the_signed_gradient_of_full_length(linear):
    model = linear([2.0, -3.0], 10.0)
    x = torch.zeros(1, 2, dtype=torch.float64)
    assert FGSM()(model, x, [0], Linf(0.25)).x_adv[0, 0].tolist() == [-0.25, 0.25]
    root = 13**0.5
    assert FGSM()(model, x, [0], L2(1.0)).x_adv[0, 0].tolist() == pytest.approx([-2 / root, 3 / root])


def test_the_step_is_cut_by_the_box(linear):
    model = linear([2.0, -3.0], 10.0, bounds=Box.uniform(0.0, 1.0, 2))
    x = torch.tensor([[0.1, 0.9]], dtype=torch.float64)
    assert FGSM()(model, x, [0], Linf(0.25)).x_adv[0, 0].tolist() == [0.0, 1.0]


def test_it_starts_from_the_clean_input_at_every_budget(cosine):
    model = cosine(10)
    x = torch.tensor([[0.03]], dtype=torch.float64)
    both, second = (FGSM()(model, x, [0], threat) for threat in (Linf(0.001, 0.5), Linf(0.5)))
    assert torch.equal(both.x_adv[-1], second.x_adv[-1])
