"""Angle expressions against plain arithmetic."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from dense_oracle import angle_value
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.circuits import Angle, Given, Term, feature, weight
from counterspin.errors import UsageError

NUMBERS = st.floats(-10, 10)
X, W = np.array([1.5, -2.0]), np.array([0.25, 3.0])


@settings(deadline=None)
@given(NUMBERS, NUMBERS, NUMBERS)
def test_expressions_follow_the_rules_of_arithmetic(a: float, b: float, c: float) -> None:
    x, w = feature(0), weight(1)
    expression = (a * x + b) * (w - c) - feature(1) + (2.0 - w)
    expected = (a * 1.5 + b) * (3.0 - c) + 2.0 + (2.0 - 3.0)
    assert angle_value(expression, X, W) == pytest.approx(expected, abs=1e-10)
    assert angle_value(-expression, X, W) == pytest.approx(-expected, abs=1e-10)
    assert angle_value((w - c) * (a * x + b), X, W) == pytest.approx((a * 1.5 + b) * (3.0 - c), abs=1e-10)


def test_names_of_inputs_and_weights() -> None:
    expression = 2.0 * feature(3) * weight(1) + feature(0) - weight(4)
    assert expression.inputs == {0, 3}
    assert expression.weights == {1, 4}
    shifted = expression.shifted(inputs=10, weights=20)
    assert shifted.inputs == {10, 13}
    assert shifted.weights == {21, 24}
    assert Angle(0.5).inputs == frozenset()


def test_a_factor_zero_leaves_nothing() -> None:
    assert 0.0 * feature(0) == Angle()


@pytest.mark.parametrize(
    ("angle", "text"),
    [
        (Angle(), "0"),
        (Angle(1.5), "1.5"),
        (feature(0) - weight(2), "x0 - 1·w2"),
        (3.14159 * feature(1) * weight(0) + 0.5, "0.5 + 3.14·x1·w0"),
    ],
)
def test_text(angle: Angle, text: str) -> None:
    assert str(angle) == text


def test_products_must_stay_affine() -> None:
    for first, second in ((feature(0), feature(1)), (weight(0), weight(0)), (feature(0) * weight(0), weight(1))):
        with pytest.raises(UsageError, match="one input by one weight"):
            first * second


def test_tensors_as_angles() -> None:
    assert str(Given(torch.tensor(0.3))) == "tensor"
    assert Given(torch.zeros(2)) != Given(torch.zeros(2))
    for wrong in (torch.zeros(2, 2), torch.zeros(3, dtype=torch.int64), torch.zeros(2, dtype=torch.complex64)):
        with pytest.raises(UsageError, match=r"real with shape \(\) or \(batch,\)"):
            Given(wrong)


@pytest.mark.parametrize("make", [feature, weight, lambda k: Term(1.0, input=k), lambda k: Term(1.0, weight=k)])
def test_negative_indices_are_refused(make: Callable[[int], object]) -> None:
    with pytest.raises(UsageError, match="index is -1; indices start at 0"):
        make(-1)
