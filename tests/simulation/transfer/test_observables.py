"""Operators carried back on Pauli vectors against the dense Heisenberg picture."""

import numpy as np
import pytest
import torch
from placed_channels import places
from random_circuits import random_circuit, random_groups, random_paulis

from counterspin.circuits import Amplitudes, Circuit, PauliExpectations, Readout, feature
from counterspin.errors import ConditionsError, InputError
from counterspin.simulation.density import noisy_observables
from counterspin.simulation.transfer import transfer_observables, transfer_values


@pytest.mark.parametrize("qubits", [1, 2, 4])
def test_equals_dense_operators(qubits):
    rng = np.random.default_rng(qubits)
    circuit = random_circuit(rng, qubits, inputs=1, uploads=False)
    weights, channels = torch.tensor(rng.normal(size=circuit.weights)), places(rng, circuit, 8)
    for measurement in (random_paulis(rng, qubits), random_groups(rng, qubits)):
        found = transfer_observables(circuit, weights, measurement, channels)
        expected = noisy_observables(circuit, weights, Readout(measurement), channels)
        assert torch.allclose(found, expected, rtol=0, atol=1e-12)
        assert torch.equal(found, found.mH) or torch.allclose(found, found.mH, atol=1e-14)


def test_quadratic_form_is_the_value():
    rng = np.random.default_rng(0)
    circuit = random_circuit(rng, 3, amplitudes=Amplitudes(8), inputs=8, uploads=False)
    weights, channels = torch.tensor(rng.normal(size=circuit.weights)).requires_grad_(), places(rng, circuit, 8)
    x, measurement = torch.tensor(rng.normal(size=(4, 8))), random_paulis(rng, 3)
    unit = (x / x.norm(dim=1, keepdim=True)).to(torch.complex128)
    forms = transfer_observables(circuit, weights, measurement, channels)
    found = torch.einsum("bi,vij,bj->bv", unit, forms, unit).real
    expected = transfer_values(circuit, x, weights, measurement, channels)
    assert torch.allclose(found, expected, rtol=0, atol=1e-12)
    slopes = [torch.autograd.grad(values.sum(), weights)[0] for values in (found, expected)]
    assert torch.allclose(*slopes, rtol=0, atol=1e-11)
    assert slopes[0].abs().max() > 1e-3


def test_refusals():
    z = PauliExpectations.of("Z0")
    with pytest.raises(ConditionsError, match="hold inputs"):
        transfer_observables(Circuit(1).add("RY", 0, feature(0)), torch.zeros(0), z, ())
    with pytest.raises(InputError, match="weights have shape"):
        transfer_observables(Circuit(1), torch.zeros(1), z, ())
