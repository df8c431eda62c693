"""State preparation as gates against the encoded state itself."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.circuits import PauliExpectations, Readout, amplitude_encoding, feature, weight
from counterspin.errors import ConditionsError, InputError
from counterspin.noise import GateRule, NoiseModel, bit_flip
from counterspin.simulation import final_states, run
from counterspin.simulation.preparation import prepared_circuit, prepared_inputs


def both(circuit, x, w=None):
    w = torch.zeros(0) if w is None else w
    prepared = prepared_circuit(circuit)
    return (
        final_states(circuit, x, w, engine="torch"),
        final_states(prepared, prepared_inputs(circuit, x), w, engine="torch"),
    )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), qubits=st.integers(1, 5), data=st.data())
def test_the_gates_prepare_the_encoded_state(seed, qubits, data):
    length = data.draw(st.integers(1, 2**qubits))
    x = torch.randn(4, length, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    # Branches without any amplitude, and lengths far from 1.
    x[1, : length // 2] = 0
    x[2] *= 1e9
    ideal, gates = both(amplitude_encoding(length, qubits=qubits), x)
    torch.testing.assert_close(gates, ideal, atol=1e-12, rtol=0)


def test_counts_and_angles_of_two_qubits():
    circuit = prepared_circuit(amplitude_encoding(4))
    assert [gate.kind for gate in circuit.gates] == ["RY", "RY", "CNOT", "RY", "CNOT"]
    x = torch.tensor([[1.0, 2.0, -3.0, 4.0]], dtype=torch.float64)
    angles = prepared_inputs(amplitude_encoding(4), x)[0].tolist()
    first, low, high = 2 * math.atan2(5, math.sqrt(5)), 2 * math.atan2(2, 1), 2 * math.atan2(4, -3)
    assert angles == pytest.approx([first, (low + high) / 2, (low - high) / 2], abs=1e-12)
    for qubits in (1, 3, 5):
        kinds = [gate.kind for gate in prepared_circuit(amplitude_encoding(2**qubits)).gates]
        assert kinds.count("RY") == 2**qubits - 1
        assert kinds.count("CNOT") == 2**qubits - 2


def test_gates_of_the_circuit_keep_their_inputs_weights_and_layers():
    circuit = amplitude_encoding(3).add("RX", 0, feature(1) * weight(0)).end_layer().add("CNOT", (0, 1)).add("Z", 1)
    prepared = prepared_circuit(circuit)
    assert (prepared.weights, prepared.inputs, prepared.amplitudes) == (1, 3 + 2, None)
    assert prepared.layers == (len(prepared.gates) - 2,)
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ideal, gates = both(circuit, x, torch.tensor([0.7], dtype=torch.float64))
    torch.testing.assert_close(gates, ideal, atol=1e-12, rtol=0)


def test_gradients_reach_the_data():
    circuit = amplitude_encoding(7)
    x = torch.randn(3, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
    target = torch.randn(8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    slopes = [torch.autograd.grad((s.real @ target).square().sum(), x)[0] for s in both(circuit, x)]
    torch.testing.assert_close(slopes[1], slopes[0], atol=1e-12, rtol=0)
    empty = torch.tensor([[0.0, 0.0, 3.0, 4.0]], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(prepared_inputs(amplitude_encoding(4), empty).sum(), empty)
    assert bool(torch.isfinite(slope).all())


def test_noise_per_gate_acts_on_the_preparation():
    # One qubit: RY(θ), then a bit flip with p: <Z> = (1 - 2p) cos θ. Ideal preparation has no gate to be noisy.
    circuit, readout = amplitude_encoding(2), Readout(PauliExpectations.of("Z0"))
    x = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    noise = NoiseModel(rules=(GateRule(channel=bit_flip(0.1), targets="each"),))
    ideal = run(circuit, x, torch.zeros(0), readout, noise=noise)
    inputs = prepared_inputs(circuit, x)
    noisy = run(prepared_circuit(circuit), inputs, torch.zeros(0), readout, noise=noise, engine="density")
    assert ideal.item() == pytest.approx(-0.28, abs=1e-12)
    assert noisy.item() == pytest.approx(-0.28 * 0.8, abs=1e-12)


def test_refusals():
    with pytest.raises(ConditionsError, match="this one encodes complex ones"):
        prepared_circuit(amplitude_encoding(2, complex_data=True))
    with pytest.raises(ConditionsError, match="this one encodes none"):
        prepared_inputs(prepared_circuit(amplitude_encoding(2)), torch.zeros(1, 1))
    with pytest.raises(InputError, match="zero vector"):
        prepared_inputs(amplitude_encoding(2), torch.zeros(1, 2))
    with pytest.raises(InputError, match="inputs have shape"):
        prepared_inputs(amplitude_encoding(4), torch.zeros(1, 2))
