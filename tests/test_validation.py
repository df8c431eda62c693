import numpy as np
import pytest
import torch

from counterspin.errors import InputError, ModelError
from counterspin.types import Box
from counterspin.validation import as_features, as_labels, check_classifier_interface, checked_scores

UNIT = Box.uniform(0.0, 1.0, 2)


@pytest.mark.parametrize(
    ("x", "dtype"),
    [
        ([[0, 1]], torch.float64),
        ([[0.25, 1.0]], torch.float64),
        (np.array([[0.25, 1.0]], dtype=np.float32), torch.float32),
        (np.array([[0.25, 1.0]], dtype=np.float16), torch.float32),
        (np.array([[True, False]]), torch.float64),
        (torch.tensor([[0.25, 1.0]], dtype=torch.bfloat16), torch.float32),
        (torch.tensor([[0, 1]]), torch.float64),
        (np.array([[0.25, 1.0], [0.5, 0.5]])[:, ::-1], torch.float64),
    ],
)
def test_features_become_single_or_double_precision(x, dtype):
    tensor = as_features(x, UNIT)
    assert tensor.dtype == dtype
    expected = x.double().numpy() if isinstance(x, torch.Tensor) else np.array(x, dtype=float)
    assert np.array_equal(tensor.double().numpy(), expected)


def test_features_are_detached():
    assert not as_features(torch.zeros(1, 2, requires_grad=True)).requires_grad


def test_read_only_arrays_are_taken_without_a_warning_and_never_written():
    x = np.full((1, 2), 0.5)
    x.setflags(write=False)
    tensor = as_features(x)
    tensor += 1
    assert x.tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(2), r"shape \(2,\); it must be \(batch, features\)"),
        (torch.zeros(1, 1, 2), r"reshape\(len\(x\), -1\)"),
        (torch.zeros(0, 2), "at least one sample"),
        (torch.zeros(2, 0), "at least one sample and one feature"),
        (torch.tensor(1.0), "it must be"),
        ([[0.0, float("nan")]], "NaN or infinite values in 1 of 1"),
        ([[0.0, 0.0], [float("inf"), 0.0]], "first: sample 1"),
        (torch.zeros(1, 2, dtype=torch.complex64), "x is complex"),
        ([["a", "b"]], "cannot be read as an array of numbers"),
        ([[1.0, 2.0], [3.0]], "cannot be read"),
        (None, "cannot be read"),
        (torch.zeros(1, 3), "3 features; the model takes 2"),
        (
            [[0.0, 0.5], [0.5, 1.25]],
            r"1 of 2 samples \(first: sample 1, feature 1 = 1.25, allowed 0 to 1\)",
        ),
        ([[-0.5, 0.5]], r"feature 0 = -0.5"),
    ],
)
def test_features_that_cannot_be_used_are_refused_by_name(x, message):
    with pytest.raises(InputError, match=message):
        as_features(x, UNIT)


def test_the_message_names_the_argument():
    with pytest.raises(InputError, match=r"^validation data has shape"):
        as_features(torch.zeros(2), name="validation data")


def test_a_rounding_outside_the_box_is_tolerated():
    bound = Box.uniform(0.0, 1 / 3, 1)
    assert as_features(torch.tensor([[1 / 3]], dtype=torch.float32), bound).item() == pytest.approx(1 / 3)
    with pytest.raises(InputError, match="leaves the box"):
        as_features(torch.tensor([[1 / 3 + 1e-5]]), bound)


def test_periodic_features_never_leave_the_box_and_are_not_blamed():
    box = Box(torch.zeros(2), torch.ones(2), torch.tensor([True, False]))
    assert as_features([[7.0, 0.5]], box).tolist() == [[7.0, 0.5]]
    with pytest.raises(InputError, match=r"feature 1 = 1\.5"):
        as_features([[7.0, 1.5]], box)


@pytest.mark.parametrize("y", [[0, 2, 1], np.array([0, 2, 1], dtype=np.uint8), torch.tensor([0.0, 2.0, 1.0])])
def test_labels_become_int64(y):
    labels = as_labels(y, 3, 3)
    assert labels.dtype == torch.int64
    assert labels.tolist() == [0, 2, 1]


def test_boolean_labels_are_two_classes():
    assert as_labels([True, False], 2, 2).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 1], r"one label per sample, \(3,\)"),
        ([[0], [1], [2]], r"shape \(3, 1\)"),
        ([0, 1, 3], r"label 3 \(sample 2\); the model has 3 classes, labels 0 to 2"),
        ([0, -1, 1], "label -1"),
        ([0.5, 1.0, 1.0], "not whole numbers"),
        ([float("nan"), 1.0, 1.0], "not whole numbers"),
        ([float("inf"), 1.0, 1.0], "not whole numbers"),
        (["a", "b", "c"], "cannot be read"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(y, message):
    with pytest.raises(InputError, match=message):
        as_labels(y, 3, 3)


@pytest.mark.parametrize(
    ("y", "classes", "remedy"),
    [
        ([1, 2, 3], 3, r"look like labels 1 to 3: give y - 1\.$"),
        ([2, 2, 1], 2, r"look like labels 1 to 2: give y - 1\.$"),
        ([-1, 1, 1], 2, r"look like labels -1 and 1: give \(y \+ 1\) / 2\.$"),
        ([0, 1, 3], 3, r"labels 0 to 2\.$"),
        ([1, 2, 4], 3, r"labels 0 to 2\.$"),
        ([-1, 0, 1], 2, r"labels 0 to 1\.$"),
    ],
)
def test_labels_numbered_by_another_custom_are_told_what_to_do(y, classes, remedy):
    with pytest.raises(InputError, match=remedy):
        as_labels(y, classes, 3)


class Model:
    bounds, classes, outputs, stochastic = UNIT, 2, "logits", False

    def __init__(self, function):
        self.function = function

    def __call__(self, x):
        return self.function(x)


def test_a_complete_classifier_is_handed_back():
    model = Model(lambda x: x)
    assert check_classifier_interface(model) is model


def test_missing_attributes_are_all_named():
    with pytest.raises(ModelError, match=r"model \(Linear\) lacks bounds, classes, outputs, stochastic;"):
        check_classifier_interface(torch.nn.Linear(2, 2))
    with pytest.raises(ModelError, match="__call__"):
        check_classifier_interface(object())


def test_good_scores_pass_with_their_graph():
    x = torch.ones(3, 2, requires_grad=True)
    assert checked_scores(Model(lambda x: 2 * x), x).requires_grad


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x[:, :1], r"returned \(3, 1\) for 3 samples; expected scores \(3, 2\)"),
        (lambda x: x[:2], r"returned \(2, 2\)"),
        (lambda x: x.numpy(), "returned ndarray"),
        (lambda x: x * float("nan"), "NaN or infinite"),
        (lambda x: x / 0, "NaN or infinite"),
    ],
)
def test_scores_that_mean_nothing_are_refused(function, message):
    with pytest.raises(ModelError, match=message):
        checked_scores(Model(function), torch.ones(3, 2))
