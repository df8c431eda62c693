"""What amplitude encoding does with features is told from samples and the states they became."""

import pytest
import torch
from pennylane_reading import features

from counterspin.models.integrations.pennylane.amplitudes import encoding_of, state_inputs


def normalised(rows):
    return rows / torch.linalg.vector_norm(rows, dim=1, keepdim=True)


def padded(x, length, value=0.0):
    return torch.cat([x, torch.full((len(x), length - x.shape[1]), value, dtype=x.dtype)], dim=1)


@pytest.mark.parametrize("count", [3, 4, 8])
def test_features_over_their_norm_padded_with_zeros(count):
    x = features(count)
    found = encoding_of(x, normalised(padded(x, 8)))
    assert found.known
    assert found.front is None
    assert (found.amplitudes.length, found.amplitudes.complex_data) == (count, False)


def test_only_the_leading_features():
    x = features(5)
    found = encoding_of(x, normalised(x[:, :4]))
    assert found.known
    assert found.amplitudes.length == 4


def test_a_constant_in_the_padding_is_an_affine_map():
    x = features(3)
    states = normalised(padded(x, 8, 0.3))
    found = encoding_of(x, states)
    assert found.known
    assert found.front is not None
    torch.testing.assert_close(normalised(found.front(x)), states, rtol=0, atol=1e-12)
    assert torch.allclose(found.front.bias, torch.tensor([0.0] * 3 + [0.3] * 5, dtype=torch.float64), atol=1e-12)


def test_real_parts_then_imaginary_parts():
    x = features(6)
    found = encoding_of(x, normalised(padded(torch.complex(x[:, :3], x[:, 3:]), 4)))
    assert found.known
    assert (found.amplitudes.length, found.amplitudes.complex_data) == (3, True)


@pytest.mark.parametrize("function", [torch.sin, lambda x: x + 1, lambda x: torch.exp(1j * x)])
def test_anything_else_is_recorded_for_each_batch(function):
    x = features(4)
    states = normalised(function(x))
    found = encoding_of(x, states)
    assert not found.known
    parts = state_inputs(states, found.amplitudes)
    assert parts.shape == (12, found.amplitudes.features)
    if found.amplitudes.complex_data:
        torch.testing.assert_close(torch.complex(parts[:, :4], parts[:, 4:]), states)


def test_a_sign_that_differs_between_samples_is_noticed():
    x = features(4)
    states = normalised(x)
    states[0, 2] *= -1
    assert not encoding_of(x, states).known
