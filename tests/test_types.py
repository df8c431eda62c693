import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterspin.errors import InputError
from counterspin.types import Box, Classifier, Cost, Differentiable, HasCircuit, HasEffectiveObservables, HasStates


def ring():
    """A box with an angle in [-1, 1) and a plain feature in [0, 2]."""
    return Box(torch.tensor([-1.0, 0.0]), torch.tensor([1.0, 2.0]), torch.tensor([True, False]))


def test_uniform_and_unbounded_boxes():
    box = Box.uniform(0, 1, 3)
    assert box.features == 3
    assert box.lower.tolist() == [0.0] * 3
    assert box.upper.dtype == torch.float64
    assert not box.is_unbounded
    assert Box.unbounded(2).is_unbounded


def test_a_box_with_one_bound_is_not_unbounded():
    free = torch.full((2,), torch.inf)
    assert not Box(torch.tensor([-torch.inf, 0.0]), free, torch.zeros(2, dtype=torch.bool)).is_unbounded


@pytest.mark.parametrize(
    ("lower", "upper", "periodic", "message"),
    [
        ([0.0], [1.0, 2.0], [False], "share one shape"),
        ([0.0], [1.0], [False, False], "share one shape"),
        ([[0.0]], [[1.0]], [[False]], "share one shape"),
        ([1.0], [1.0], [False], "below its upper"),
        ([2.0], [1.0], [False], "below its upper"),
        ([float("nan")], [1.0], [False], "below its upper"),
        ([0.0], [float("inf")], [True], "needs finite bounds"),
    ],
)
def test_bounds_that_make_no_box_are_refused(lower, upper, periodic, message):
    with pytest.raises(InputError, match=message):
        Box(torch.tensor(lower), torch.tensor(upper), torch.tensor(periodic))


def test_containment_is_closed_and_ignores_periodic_features():
    x = torch.tensor([[-1.0, 0.0], [9.0, 2.0], [0.0, 2.1], [0.0, -0.01]])
    assert ring().contains(x).tolist() == [True, True, False, False]
    assert ring().contains(x, tolerance=0.05).tolist() == [True, True, False, True]


def test_nan_is_in_no_box():
    assert not Box.unbounded(1).contains(torch.tensor([[float("nan")]])).item()


def test_clamp_clips_lines_and_wraps_circles():
    x = torch.tensor([[1.5, 2.5], [-1.25, -1.0], [1.0, 1.0], [5.0, 0.0]])
    assert ring().clamp(x).tolist() == [[-0.5, 2.0], [0.75, 0.0], [-1.0, 1.0], [-1.0, 0.0]]


def test_clamp_keeps_dtype_and_leading_axes():
    x = torch.zeros(2, 3, 2, dtype=torch.float32)
    assert ring().clamp(x).shape == x.shape
    assert ring().clamp(x).dtype == torch.float32


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=2))
def test_clamped_points_are_inside_and_stay(values):
    box, x = ring(), torch.tensor([values], dtype=torch.float64)
    z = box.clamp(x)
    assert ((z >= box.lower) & (z <= box.upper)).all()
    assert torch.allclose(box.clamp(z), z)
    turns = (z[0, 0] - x[0, 0]) / 2
    assert turns.item() == pytest.approx(round(turns.item()), abs=1e-9)


def test_costs_add_field_by_field_and_from_nothing():
    a, b = Cost(forwards=1, backwards=2, circuits=3, shots=4), Cost(forwards=10, backwards=20, circuits=30, shots=40)
    assert a + b == Cost(forwards=11, backwards=22, circuits=33, shots=44)
    assert sum([a, b], Cost()) == a + b
    assert Cost() + a == a


class Plain:
    bounds, classes, outputs, stochastic = Box.uniform(0, 1, 1), 2, "logits", False

    def __call__(self, x):
        return x


def test_protocols_recognise_what_a_model_has():
    model = Plain()
    assert isinstance(model, Classifier)
    for capability in (Differentiable, HasCircuit, HasEffectiveObservables, HasStates):
        assert not isinstance(model, capability)
    model.differentiable = True
    model.states = lambda x: x
    assert isinstance(model, Differentiable)
    assert isinstance(model, HasStates)
