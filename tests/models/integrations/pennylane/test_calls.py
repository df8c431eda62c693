"""Which argument of a QNode takes the features, and what the others get. No library is needed."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from counterspin.errors import ModelError
from counterspin.models.integrations.pennylane.calls import feature_argument, qnode_call


@pytest.mark.parametrize(
    ("function", "weights", "named", "expected"),
    [
        (lambda inputs, w: None, {"w": 1.0}, None, "inputs"),
        (lambda w, x: None, {"w": 1.0}, None, "x"),
        (lambda w, features, depth=2: None, {"w": 1.0}, None, "features"),
        (lambda data, w: None, {"w": 1.0}, None, "data"),
        (lambda w, data, x: None, {"w": 1.0, "x": 2.0}, None, "data"),
        (lambda data, x: None, {"x": 1.0}, "data", "data"),
        (lambda **everything: None, {"w": 1.0}, "data", "data"),
    ],
)
def test_the_argument_for_the_features(function, weights, named, expected):
    assert feature_argument(function, weights, named) == expected


@pytest.mark.parametrize(
    ("function", "weights", "named", "message"),
    [
        (lambda x, w, v: None, {"w": 1.0}, None, "unbound parameters: the QNode's arguments 'v' have no value"),
        (lambda x, w: None, {"w": 1.0, "u": 1.0}, None, "weights name 'u', which the QNode does not take"),
        (lambda x: None, {"x": 1.0}, None, "one of them has to take the features"),
        (lambda x, w: None, {"w": 1.0}, "z", "inputs is 'z'; the QNode's arguments without a value in weights are 'x'"),
        (lambda x, w: None, {"w": 1.0}, "w", "inputs is 'w'"),
    ],
)
def test_calls_that_cannot_be_made_say_why(function, weights, named, message):
    with pytest.raises(ModelError, match=message):
        feature_argument(function, weights, named)


def test_weights_come_in_the_precision_of_the_features_and_whole_numbers_as_they_are():
    weights = {
        "array": np.array([0.5]),
        "listed": [0.25],
        "tensor": torch.ones(1, dtype=torch.float32, requires_grad=True),
        "depth": 3,
        "wires": [0, 1],
    }
    call = qnode_call(SimpleNamespace(func=lambda x, array, listed, tensor, depth, wires: None), weights, None)
    given = call.arguments(torch.zeros(2, dtype=torch.float64))
    assert {given[name].dtype for name in ("array", "listed", "tensor")} == {torch.float64}
    assert not given["tensor"].requires_grad
    assert given["depth"] == 3
    assert given["wires"] == [0, 1]
