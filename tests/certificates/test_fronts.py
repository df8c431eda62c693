"""Bounds through a classical front: closed forms, no output outside, and slopes against intervals alone."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.certificates.fronts import front_layers, front_moves
from counterspin.errors import ConditionsError
from counterspin.models import MLP, LogisticRegression
from counterspin.types import Box

BALL = {"linf": torch.inf, "l2": 2, "l1": 1}


def random_front(seed: int, hidden: tuple[int, ...], features: int = 5):
    generator = torch.Generator().manual_seed(seed)
    box = Box.unbounded(features)
    front = MLP(box, classes=3, hidden=hidden, generator=generator) if hidden else LogisticRegression(box, classes=3)
    with torch.no_grad():
        for parameter in front.parameters():
            parameter.copy_(1.5 * torch.randn(parameter.shape, generator=generator))
    return front, 0.7 * torch.randn(4, features, generator=generator, dtype=torch.float64), generator


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    norm=st.sampled_from(sorted(BALL)),
    radius=st.floats(1e-4, 3.0),
    hidden=st.sampled_from([(), (6,), (4, 5)]),
)
def test_no_move_leaves_the_bounds(seed, norm, radius, hidden):
    front, x, generator = random_front(seed, hidden)
    radii = torch.full((4,), radius, dtype=torch.float64)
    movable = torch.tensor([True, True, False, True, True])
    moves = front_moves(front_layers(front), x, radii, norm, movable)
    steps = torch.randn(200, 4, 5, generator=generator, dtype=torch.float64) * movable
    steps[::2] = torch.sgn(steps[::2])
    steps = steps / torch.linalg.vector_norm(steps, ord=BALL[norm], dim=2, keepdim=True) * radius
    change = torch.tanh(front((x + steps).reshape(-1, 5))).reshape(200, 4, 3) - torch.tanh(front(x))
    assert bool((change.abs() <= moves.reach * (1 + 1e-9)).all())
    rest = (change - (moves.slopes @ steps[..., None])[..., 0]).abs()
    assert bool((rest <= (moves.errors @ steps.abs()[..., None])[..., 0] + 1e-12).all())
    directions = torch.randn(4, 2, 3, generator=generator, dtype=torch.float64)
    along = torch.einsum("bko,sbo->sbk", directions, change).abs()
    assert bool((along <= moves.along(directions, radii, norm) * (1 + 1e-9)).all())


@pytest.mark.parametrize(("norm", "dual"), [("linf", 7.0), ("l2", 5.0), ("l1", 4.0)])
def test_one_layer_is_exact(norm, dual):
    # One unit of weights (3, -4): z moves by radius times the dual norm, and from z = 0 both ways alike.
    layer = (torch.tensor([[3.0, -4.0]]).double(), torch.zeros(1).double())
    movable = torch.ones(2, dtype=torch.bool)
    moves = front_moves([layer], torch.zeros(1, 2).double(), torch.tensor([0.125]).double(), norm, movable)
    assert moves.reach.item() == pytest.approx(math.tanh(0.125 * dual), rel=1e-9)


def test_small_balls_give_the_gradient():
    front, x, _ = random_front(1, (6,))
    moves = front_moves(front_layers(front), x, torch.full((4,), 1e-7).double(), "l2", torch.ones(5, dtype=torch.bool))
    expected = torch.autograd.functional.jacobian(lambda v: torch.tanh(front(v)).sum(dim=0), x).movedim(1, 0)
    torch.testing.assert_close(moves.slopes, expected, rtol=0, atol=1e-5)
    assert float(moves.errors.max()) < 1e-4


def test_slopes_remember_that_one_step_moves_all_units():
    # Two hidden units that do the same, subtracted from each other: intervals see moves that cancel exactly.
    first = torch.tensor([[1.0], [1.0]]).double()
    second = torch.tensor([[1.0, -1.0]]).double()
    layers = [(first, torch.zeros(2).double()), (second, torch.zeros(1).double())]
    one = torch.ones(1, dtype=torch.bool)
    moves = front_moves(layers, torch.zeros(1, 1).double(), torch.tensor([0.1]).double(), "linf", one)
    assert moves.reach.item() < 0.01  # by intervals alone it is tanh(2 tanh(0.1)), 0.197


def test_other_fronts_are_refused():
    with pytest.raises(ConditionsError, match="front is Linear"):
        front_layers(torch.nn.Linear(2, 2))
    with pytest.raises(ConditionsError, match="MLP with tanh"):
        front_layers(MLP(Box.unbounded(2), classes=2, hidden=(3,), activation="relu"))
