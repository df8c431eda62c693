import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterspin.attacks.ball import Ball
from counterspin.attacks.external import UnitFrame
from counterspin.errors import ConditionsError
from counterspin.types import Box


@given(st.floats(-5, 5), st.floats(0.1, 10), st.integers(0, 2**30))
def test_there_and_back_keeps_points_and_scales_every_norm(low, span, seed):
    box = Box.uniform(low, low + span, features=4)
    frame = UnitFrame.of(box)
    x = low + span * torch.rand(2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    u = frame.to_unit(x)
    assert ((u >= 0) & (u <= 1)).all()
    assert torch.allclose(frame.to_features(u), x, atol=1e-12)
    for order in (1, 2, torch.inf):
        length = torch.linalg.vector_norm(x[0] - x[1], ord=order)
        assert torch.linalg.vector_norm(u[0] - u[1], ord=order) * frame.scale == pytest.approx(float(length), abs=1e-9)


def test_narrow_features_are_put_back_into_the_box():
    box = Box(torch.tensor([0.0, 0.0]), torch.tensor([2.0, 0.5]), torch.zeros(2, dtype=torch.bool))
    assert UnitFrame.of(box).to_features(torch.tensor([[1.0, 1.0]])).tolist() == [[2.0, 0.5]]


def test_gradients_pass_up_to_the_bounds():
    u = torch.tensor([[0.0, 1.0, 0.5]], requires_grad=True)
    UnitFrame.of(Box.uniform(-1.0, 1.0, features=3)).to_features(u).sum().backward()
    assert u.grad is not None
    assert u.grad.tolist() == [[2.0, 2.0, 2.0]]


def test_boxes_without_an_end_are_refused():
    with pytest.raises(ConditionsError, match="finite bounds"):
        UnitFrame.of(Box.unbounded(2))
    circle = Box(torch.zeros(1), torch.ones(1), torch.ones(1, dtype=torch.bool))
    with pytest.raises(ConditionsError, match="periodic"):
        UnitFrame.of(circle)


def test_without_a_box_the_frame_reaches_as_far_as_the_balls():
    center = torch.tensor([[0.0, 5.0], [1.0, 7.0]])
    frame = UnitFrame.around(Ball.around(center, torch.tensor([0.5, 0.5]), "l2", None))
    assert frame.lower.tolist() == [-0.5, 4.5]
    assert frame.upper.tolist() == [1.5, 7.5]
