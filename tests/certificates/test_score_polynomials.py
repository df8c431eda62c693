"""Scores as trigonometric polynomials: closed forms, the frequencies found, gradients, and models that have none."""

import math

import pytest
import torch
from angle_models import one_rotation, random_model
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.certificates.score_polynomials import gradient_scores, score_polynomials, score_spectrum
from counterspin.circuits import Circuit, PauliExpectations, feature
from counterspin.errors import ConditionsError
from counterspin.models import QuantumClassifier
from counterspin.types import Box


def everything(model):
    return torch.ones(model.bounds.features, dtype=torch.bool)


def cosines(features: int) -> QuantumClassifier:
    """Scores ⟨Z…Z⟩ = ∏ cos x_i and ⟨Z_0⟩ = cos x_0."""
    circuit = Circuit(features)
    for qubit in range(features):
        circuit = circuit.add("RX", qubit, feature(qubit))
    measured = PauliExpectations.of(" ".join(f"Z{qubit}" for qubit in range(features)), "Z0")
    return QuantumClassifier(circuit, measured, Box.unbounded(features)).requires_grad_(False)


def test_a_product_of_cosines():
    model = cosines(3)
    spectrum = score_spectrum(model, everything(model))
    assert spectrum.features == (0, 1, 2)
    assert spectrum.frequencies == ((1.0,), (1.0,), (1.0,))
    assert spectrum.bandwidth.tolist() == [1.0, 1.0, 1.0]
    polynomials = score_polynomials(model, spectrum, torch.zeros(3, dtype=torch.float64))
    x = 6 * torch.rand(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 3
    expected = torch.stack([x.cos().prod(dim=1), x[:, 0].cos()], dim=1)
    torch.testing.assert_close(polynomials.values(x), expected, rtol=0, atol=1e-12)


def test_features_that_do_not_move_keep_their_values():
    model = cosines(3)
    spectrum = score_spectrum(model, torch.tensor([False, True, False]))
    assert spectrum.features == (1,)
    polynomials = score_polynomials(model, spectrum, torch.tensor([0.3, 9.0, -1.1], dtype=torch.float64))
    t = torch.linspace(-2, 2, 9, dtype=torch.float64)
    expected = math.cos(0.3) * math.cos(1.1) * t.cos()
    torch.testing.assert_close(polynomials.values(t[:, None])[:, 0], expected, rtol=0, atol=1e-12)


def test_features_without_a_gate_are_left_out():
    circuit = Circuit(1).add("RX", 0, 2.0 * feature(1))
    model = QuantumClassifier(circuit, PauliExpectations.of("Z0", "X0"), Box.unbounded(2))
    spectrum = score_spectrum(model, torch.tensor([True, True]))
    assert (spectrum.features, spectrum.frequencies) == ((1,), ((2.0,),))


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_random_circuits_equal_their_polynomials_everywhere(seed):
    model, x, _ = random_model(seed, samples=1, plain=True)
    spectrum = score_spectrum(model, everything(model))
    if spectrum.frequencies is None:
        return
    polynomials = score_polynomials(model, spectrum, x[0])
    active = list(spectrum.features)
    points = 20 * torch.rand(20, len(active), generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 10
    inputs = x.repeat(20, 1).index_copy(1, torch.tensor(active, dtype=torch.long), points)
    scores = model(inputs)
    torch.testing.assert_close(polynomials.values(points), scores, rtol=0, atol=1e-9 * float(1 + scores.abs().max()))


def test_too_many_frequencies_leave_the_bandwidth():
    circuit = Circuit(1)
    for gate in range(9):
        circuit = circuit.add("RX", 0, 3.0**gate * feature(0)).add("RY", 0, 0.4)
    model = QuantumClassifier(circuit, PauliExpectations.of("Z0", "X0"), Box.unbounded(1))
    spectrum = score_spectrum(model, everything(model))
    assert spectrum.frequencies is None
    assert spectrum.bandwidth.item() == pytest.approx((3**9 - 1) / 2)
    with pytest.raises(ConditionsError, match="too many frequencies"):
        score_polynomials(model, spectrum, torch.zeros(1, dtype=torch.float64))


class Squared(QuantumClassifier):
    """Its scores are not linear in expectation values, although its circuit says nothing of that."""

    def forward(self, x):
        return super().forward(x) ** 2


def test_scores_that_are_not_those_of_the_circuit_are_found_out():
    plain = cosines(2)
    model = Squared(plain.circuit, plain.readout.measurement, plain.bounds).requires_grad_(False)
    spectrum = score_spectrum(plain, everything(plain))
    with pytest.raises(ConditionsError, match="not linear in expectation values"):
        score_polynomials(model, spectrum, torch.zeros(2, dtype=torch.float64))


def test_angles_of_unknown_origin_are_refused():
    circuit = Circuit(1).add("RX", 0, torch.tensor(0.3)).add("RX", 0, feature(0))
    model = QuantumClassifier(circuit, PauliExpectations.of("Z0", "X0"), Box.unbounded(1))
    with pytest.raises(ConditionsError, match="given as tensors"):
        score_spectrum(model, everything(model))


def test_scores_with_gradients_of_the_active_features():
    model = cosines(3)
    spectrum = score_spectrum(model, torch.tensor([True, False, True]))
    x = torch.rand(2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    point = torch.tensor([[0.2, 0.9], [-0.4, 1.3], [0.7, 0.1]], dtype=torch.float64)
    row = torch.tensor([0, 1, 1])
    values, gradients = gradient_scores(model, spectrum, x)(row, point)
    a, b, c = point[:, 0], x[row, 1], point[:, 1]
    torch.testing.assert_close(values[:, 0], a.cos() * b.cos() * c.cos(), rtol=0, atol=1e-12)
    slopes = torch.stack([-a.sin() * b.cos() * c.cos(), -a.cos() * b.cos() * c.sin()], dim=1)
    torch.testing.assert_close(gradients[:, 0], slopes, rtol=0, atol=1e-12)
    torch.testing.assert_close(gradients[:, 1], torch.stack([-a.sin(), 0 * a], dim=1), rtol=0, atol=1e-12)


def test_the_slope_of_a_gate_is_its_frequency():
    model = one_rotation(2.5)
    assert score_spectrum(model, everything(model)).frequencies == ((2.5,),)
