"""Gradients from measurements alone: unbiased, also through noise, and priced circuit by circuit."""

import pytest
import torch

from counterspin.attacks.gradients import Autodiff, MeasuredShift
from counterspin.attacks.gradients.measured_shift import by_angles
from counterspin.circuits import Linear, PauliExpectations, amplitude_encoding, reuploading
from counterspin.errors import CapabilityError, UsageError
from counterspin.models import LogisticRegression, NoisyClassifier, QuantumClassifier, SampledModel
from counterspin.noise import NoiseModel
from counterspin.types import Box

NOISE = NoiseModel(qubit_depolarizing=0.05, readout_flips=(0.02, 0.06))


def angle_model() -> QuantumClassifier:
    """Two qubits, two layers: each of two features in two gates with trainable scales, which stand last."""
    generator = torch.Generator().manual_seed(0)
    head = Linear(torch.randn(3, 2, generator=generator), torch.zeros(3))
    body = QuantumClassifier(
        reuploading(2, 2),
        PauliExpectations.of("Z0", "Z1"),
        Box.uniform(0.0, 1.0, features=2),
        head=head,
        generator=generator,
    )
    return body.requires_grad_(False)


def linear(scores):
    """A linear objective, for which the estimate is unbiased."""
    return scores @ torch.tensor([1.0, -2.0, 0.5], dtype=scores.dtype)


def points(rows: int = 1) -> torch.Tensor:
    return torch.rand(rows, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("noise", [None, NOISE], ids=["ideal", "noisy"])
def test_the_mean_over_many_shots_is_the_exact_gradient(noise):
    body = angle_model()
    exact = body if noise is None else NoisyClassifier(body, noise=noise)
    x = points()
    wanted = Autodiff()(exact, x, linear).gradient
    shots = 400_000
    found = MeasuredShift()(SampledModel(exact, shots=shots), x, linear, torch.Generator().manual_seed(3))
    # A score is a sum of two values of variance <= 1 per shot; head, scales and shifts multiply it by less than 10.
    assert torch.allclose(found.gradient, wanted, atol=5 * 10 / shots**0.5)
    assert float(wanted.abs().max()) > 0.2
    assert torch.allclose(found.scores, exact(x), atol=0.05)


def test_by_angles_is_the_same_model():
    body = angle_model()
    noisy = NoisyClassifier(body, noise=NOISE)
    x = points(3)
    from counterspin.models.integrations.backends.work import angle_columns

    for model in (body, noisy):
        angles = angle_columns(model.circuit, x, model.weights.double())
        assert angles.shape == (3, 4)
        assert torch.allclose(by_angles(model)(angles), model(x), atol=1e-12)


def test_the_price_counts_every_shift_and_setting():
    model = SampledModel(NoisyClassifier(angle_model(), noise=NOISE), shots=50)
    price = MeasuredShift().price(model, rows=3)
    # Four gates hold a feature, two shifts each, and the circuit itself; one setting.
    assert (price.forwards, price.circuits, price.shots) == (3, 3 * 9, 3 * 9 * 50)
    found = MeasuredShift()(model, points(3), linear, torch.Generator().manual_seed(0))
    assert found.cost == price


def test_what_no_device_could_measure_is_refused():
    with pytest.raises(CapabilityError, match="finite shots"):
        MeasuredShift().check(angle_model())
    with pytest.raises(CapabilityError, match="finite shots"):
        MeasuredShift().check(LogisticRegression(Box.uniform(0.0, 1.0, features=2), classes=2))
    amplitudes = QuantumClassifier(
        amplitude_encoding(4), PauliExpectations.of("Z0", "Z1"), Box.uniform(0.0, 1.0, features=4)
    )
    with pytest.raises(CapabilityError, match="amplitudes"):
        MeasuredShift().check(SampledModel(amplitudes, shots=10))
    with pytest.raises(UsageError, match="generator is None"):
        MeasuredShift()(SampledModel(angle_model(), shots=10), points(), linear)
