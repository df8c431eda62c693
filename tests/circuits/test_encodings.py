"""Encodings: the states they prepare, the inputs and weights they count."""

import inspect
import math

import pytest
import torch

from counterspin.circuits import PauliExpectations, Readout, amplitude_encoding, angle_encoding, reuploading
from counterspin.errors import UsageError
from counterspin.simulation import final_states, run


@pytest.mark.parametrize(("features", "qubits"), [(1, 1), (2, 1), (3, 2), (64, 6), (65, 7), (1024, 10)])
def test_amplitude_encoding_takes_as_few_qubits_as_hold_the_data(features: int, qubits: int) -> None:
    assert amplitude_encoding(features).qubits == qubits
    assert amplitude_encoding(features).inputs == features
    assert amplitude_encoding(features, complex_data=True).inputs == 2 * features


def test_amplitudes_are_normalised_and_padded() -> None:
    states = final_states(amplitude_encoding(3, qubits=3), torch.tensor([[3.0, 0.0, -4.0]]), torch.zeros(0))
    assert torch.allclose(states, torch.tensor([[0.6, 0, -0.8, 0, 0, 0, 0, 0]], dtype=torch.complex64))
    x = torch.tensor([[3.0, 0.0, 0.0, 4.0]])
    states = final_states(amplitude_encoding(2, complex_data=True), x, torch.zeros(0))
    assert torch.allclose(states, torch.tensor([[0.6, 0.8j]]))


@pytest.mark.parametrize(("axis", "expected"), [("x", (0, -1)), ("y", (1, 0)), ("z", (0, 1))])
def test_angle_encoding_turns_about_its_axis(axis: str, expected: tuple[int, int]) -> None:
    # <X>, <Y> after a turn by 0.8·x; z starts from |+>, where <X> is the cosine.
    x = torch.tensor([[0.5, -1.0]], dtype=torch.float64)
    scores = run(angle_encoding(2, axis=axis, scale=0.8), x, torch.zeros(0), Readout(PauliExpectations.of("X1", "Y1")))
    sine = math.sin(-0.8)
    first = math.cos(-0.8) if axis == "z" else expected[0] * sine
    assert scores[0].tolist() == pytest.approx([first, expected[1] * sine], abs=1e-14)


def test_reuploading_counts_and_orders_its_weights() -> None:
    circuit = reuploading(3, 2, scale=2.0)
    assert (circuit.inputs, circuit.weights, len(circuit.layers)) == (3, 6 + 18, 2)
    assert circuit.scaling_weights == set(range(6))
    assert circuit.frequencies(1, [0.5] * 24) == ((1.0,), (1.0,))
    assert reuploading(3, 2, trainable_scale=False).weights == 18
    assert reuploading(1, 2).gates[-1].kind == "Rot"


def test_wrong_encodings_are_refused() -> None:
    with pytest.raises(UsageError, match="features is 0"):
        amplitude_encoding(0)
    with pytest.raises(UsageError, match="does not fit 2 qubits"):
        amplitude_encoding(5, qubits=2)
    # Unwrapped: the tests' type checker would refuse the axis first.
    with pytest.raises(UsageError, match="axis is 'q'; allowed: x, y, z"):
        inspect.unwrap(angle_encoding)(2, axis="q")
    with pytest.raises(UsageError, match="axis is 'q'"):
        inspect.unwrap(reuploading)(2, 1, axis="q")
