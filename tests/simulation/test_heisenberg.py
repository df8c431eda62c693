"""Products with forms that are never written down, against the folded forms."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.circuits import (
    Amplitudes,
    Linear,
    OutcomeGroups,
    PauliExpectations,
    Readout,
    Scale,
    amplitude_encoding,
    angle_encoding,
    strongly_entangling,
)
from counterspin.errors import ConditionsError
from counterspin.simulation import fold
from counterspin.simulation.heisenberg import form_times, score_range
from tests.support.random_circuits import random_circuit, random_groups, random_paulis


def _readout(rng, qubits, kind):
    measurement = random_groups(rng, qubits) if kind == "groups" else random_paulis(rng, qubits, 3)
    if kind == "linear":
        weight = torch.as_tensor(rng.normal(size=(3, measurement.values)))
        return Readout(measurement, Linear(weight, torch.as_tensor(rng.normal(size=3))))
    return Readout(measurement, Scale(torch.tensor(2.5)) if kind == "scale" else None)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    kind=st.sampled_from(["groups", "paulis", "linear", "scale"]),
    complex_data=st.booleans(),
    length=st.integers(3, 8),
)
def test_products_and_spectrum_agree_with_the_folded_forms(seed, kind, complex_data, length):
    rng = np.random.default_rng(seed)
    amplitudes = Amplitudes(length, complex_data)
    circuit = random_circuit(rng, 3, amplitudes=amplitudes, uploads=False)
    weights = torch.as_tensor(rng.normal(size=circuit.weights))
    readout = _readout(rng, 3, kind)
    folded = fold(circuit, weights, readout)
    c = torch.as_tensor(rng.normal(size=readout.classes))
    x = torch.as_tensor(rng.normal(size=(4, amplitudes.features))) * 10.0 ** rng.integers(-3, 4)
    form = torch.einsum("k,kij->ij", c, folded.forms())
    product = form_times(circuit, weights, readout, c, x)
    torch.testing.assert_close(product, x @ form, rtol=1e-11, atol=1e-12 * float(x.abs().max()))

    low, high = score_range(readout, 3, c)
    spectrum = torch.linalg.eigvalsh(torch.einsum("k,kij->ij", c.to(torch.complex128), folded.matrices))
    assert low <= spectrum[0] + 1e-9
    assert high >= spectrum[-1] - 1e-9
    if kind == "groups":
        assert low == pytest.approx(spectrum[0].item(), abs=1e-9)
        assert high == pytest.approx(spectrum[-1].item(), abs=1e-9)


def test_zero_rows_give_zero():
    circuit = amplitude_encoding(4) + strongly_entangling(2, 1)
    readout = Readout(OutcomeGroups((0,), ((0,), (1,))))
    weights = torch.full((circuit.weights,), 0.3)
    x = torch.tensor([[0.0] * 4, [1.0, 2.0, 3.0, 4.0]], dtype=torch.float64)
    product = form_times(circuit, weights, readout, torch.tensor([1.0, -1.0]), x)
    assert torch.equal(product[0], torch.zeros(4, dtype=torch.float64))
    assert bool(product[1].any())


def test_range_of_a_linear_head_counts_the_bias():
    head = Linear(torch.tensor([[2.0], [0.0]]), torch.tensor([0.5, 0.25]))
    readout = Readout(PauliExpectations.of("Z0"), head)
    assert score_range(readout, 2, torch.tensor([1.0, -1.0])) == (-1.75, 2.25)


def test_angle_encodings_are_refused():
    readout = Readout(PauliExpectations.of("Z0", "Z1"))
    with pytest.raises(ConditionsError, match="gate angles"):
        form_times(angle_encoding(2), torch.zeros(0), readout, torch.ones(2), torch.ones(1, 2))
