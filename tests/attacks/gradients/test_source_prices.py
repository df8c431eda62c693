"""Each gradient source says beforehand what it then costs."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.attacks.gradients import EOT, SPSA, Autodiff, ParameterShift, TransferGradient, Twin
from counterspin.circuits import PauliExpectations, amplitude_encoding, reuploading, strongly_entangling
from counterspin.models import QuantumClassifier, SampledModel
from counterspin.types import Box

ANGLES = QuantumClassifier(reuploading(2, 2), PauliExpectations.of("Z0", "X1", "X0"), Box.uniform(0, 1, 2))
AMPLITUDES = QuantumClassifier(
    amplitude_encoding(4) + strongly_entangling(2, 1), PauliExpectations.of("Z0", "Z1"), Box.uniform(0, 1, 4)
)
SAMPLED = SampledModel(ANGLES, shots=7)
CASES = [
    (Autodiff(), ANGLES),
    (SPSA(directions=3), ANGLES),
    (SPSA(directions=3), SAMPLED),
    (EOT(source=Twin(), samples=3), SAMPLED),
    (TransferGradient(surrogate=ANGLES), SAMPLED),
    (ParameterShift(), ANGLES),
    (ParameterShift(shots=5), ANGLES),
    (ParameterShift(), AMPLITUDES),
]


@pytest.mark.one_fast
@pytest.mark.parametrize(("source", "model"), CASES, ids=lambda value: type(value).__name__)
@settings(max_examples=5, deadline=None)
@given(rows=st.integers(1, 6))
def test_the_price_is_the_cost(source, model, rows):
    x = torch.rand(rows, model.bounds.features, generator=torch.Generator().manual_seed(rows), dtype=torch.float64)
    found = source(model, x, lambda scores, **_: scores[:, 0], torch.Generator().manual_seed(0))
    assert found.cost == source.price(model, rows)


def test_shifted_circuits_are_counted_per_setting():
    # Two rotations with data per qubit and layer, two shifts each; Z and X readouts take two settings.
    held = sum(bool(angle.inputs) for gate in ANGLES.circuit.gates for angle in gate.angles)
    assert ParameterShift().price(ANGLES, 3).circuits == 3 * 2 * (1 + 2 * held)
    assert ParameterShift().price(AMPLITUDES, 1).circuits == 1 + 2 * 4
