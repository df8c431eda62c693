import pytest
import torch

from counterspin.attacks import CrossEntropy, Margin
from counterspin.attacks.evasion.bim import BIM
from counterspin.attacks.evasion.mim import MIM
from counterspin.errors import UsageError
from counterspin.threats import L1, L2, Linf


@pytest.mark.one_fast(5)
@pytest.mark.parametrize("make_threat", [Linf, L2, L1])
@pytest.mark.parametrize("loss", [CrossEntropy(), Margin()])
def test_without_memory_it_is_the_basic_iterative_method(linear_case, make_threat, loss):
    model, x, y = linear_case()
    plain = BIM(loss=loss)(model, x, y, make_threat(0.2))
    assert torch.allclose(MIM(decay=0.0, loss=loss)(model, x, y, make_threat(0.2)).x_adv, plain.x_adv, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_linear_model_is_broken_beyond_its_distance_and_never_below(linear_case, dtype):
    model, x, y = linear_case(dtype=dtype)
    distance = model.distance(x, "linf")
    eps = distance.median().item()
    result = MIM()(model, x, y, Linf(eps))
    assert not result.success[0, distance > eps * (1 + 1e-9)].any()
    assert result.success[0, distance < eps * (1 - 1e-5)].all()


def by_hand(slope, steps, radius, decay):
    """The paper's recursion in one dimension: every gradient has L1 norm 1 after the division."""
    x, total, points = 0.0, 0.0, []
    for _ in range(steps):
        points.append(x)
        total = decay * total + (slope(x) > 0) - (slope(x) < 0)
        x = min(max(x + radius / steps * ((total > 0) - (total < 0)), -radius), radius)
    return [*points, x]


@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0, 1.5])
def test_it_walks_as_a_scalar_reference(rows, decay):
    asked = []

    def scores(x):
        asked.append(x.detach().clone())
        return torch.cat([2.0 + (x - 0.3) ** 2, 0 * x], dim=1)

    MIM(steps=8, decay=decay, loss=Margin())(rows(scores), torch.zeros(1, 1, dtype=torch.float64), [0], Linf(1.0))
    expected = by_hand(lambda x: -2 * (x - 0.3), 8, 1.0, decay)
    walked = [points.item() for points in asked[2:-1]]  # between the clean scores and the verdict
    assert walked[: len(expected)] == pytest.approx(expected, abs=1e-12)


@pytest.mark.slow
def test_momentum_crosses_a_hollow_that_stops_steps_without_memory(rows):
    # A bump of the margin between 0.45 and 0.65; broken from 0.8 on.
    def scores(x):
        return torch.cat([0.8 - x + 0.5 * (1 - ((x - 0.55) / 0.1) ** 2).clamp_min(0.0), 0 * x], dim=1)

    x = torch.zeros(1, 1, dtype=torch.float64)
    assert not BIM(steps=50)(rows(scores), x, [0], Linf(1.0)).success.item()
    assert MIM(steps=50)(rows(scores), x, [0], Linf(1.0)).success.item()


def test_cost_is_one_gradient_a_step_and_one_forward(linear):
    result = MIM(steps=7)(linear([1.0], 100.0), torch.zeros(2, 1, dtype=torch.float64), [0, 0], Linf(0.5))
    assert (result.cost.forwards, result.cost.backwards) == (16, 14)


@pytest.mark.parametrize("decay", [-0.1, float("nan"), float("inf")])
def test_a_decay_that_is_none_is_refused(decay):
    with pytest.raises(UsageError, match="decay"):
        MIM(decay=decay)
