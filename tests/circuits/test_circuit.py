"""The circuit value: counting, joining, frequencies, JSON."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_circuits import random_circuit

from counterspin.circuits import Amplitudes, Angle, Circuit, Given, feature, reuploading, strongly_entangling, weight
from counterspin.errors import UsageError


def test_counts_inputs_and_weights() -> None:
    circuit = Circuit(2, amplitudes=Amplitudes(3, complex_data=True)).add("RX", 0, weight(4))
    assert (circuit.inputs, circuit.weights) == (6, 5)
    assert not circuit.depends_on_inputs_by_gates
    circuit = circuit.add("RY", 1, feature(7) * weight(2))
    assert (circuit.inputs, circuit.weights) == (8, 5)
    assert circuit.scaling_weights == {2}
    assert circuit.depends_on_inputs_by_gates
    assert (Circuit(1).inputs, Circuit(1).weights) == (0, 0)


def test_circuits_are_values() -> None:
    first, second = (Circuit(1).add("RX", 0, feature(0)).end_layer() for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)
    assert first != first.add("H", 0)


def test_tensors_become_given_angles() -> None:
    value = torch.zeros(3)
    (gate,) = Circuit(1).add("RX", 0, value).gates
    (angle,) = gate.angles
    assert isinstance(angle, Given)
    assert angle.value is value
    assert Circuit(1).add("RX", 0, value).depends_on_inputs_by_gates


def test_joining_shares_inputs_and_appends_weights() -> None:
    joined = strongly_entangling(2, 1) + reuploading(2, 1)
    assert joined.inputs == 2
    assert joined.weights == 6 + 8
    assert joined.layers == (4, 4 + 6)
    assert joined.scaling_weights == {6, 7}


def test_joining_keeps_given_angles() -> None:
    given_angle = Given(torch.tensor(0.1))
    joined = Circuit(1).add("RX", 0, weight(0)) + Circuit(1).add("RX", 0, given_angle).add("RY", 0, weight(0))
    assert joined.gates[1].angles == (given_angle,)
    assert joined.gates[2].angles == (weight(1),)


def test_frequencies_follow_gate_and_slope() -> None:
    circuit = Circuit(2).add("RX", 0, 3.0 * feature(0) * weight(0) - feature(0)).add("CRZ", (0, 1), 2.0 * feature(0))
    circuit = circuit.add("RY", 0, feature(1))
    assert circuit.frequencies(0, [2.0]) == ((5.0,), (1.0, 2.0))
    assert circuit.frequencies(0, torch.tensor([1.0])) == ((2.0,), (1.0, 2.0))
    assert Circuit(1).add("RX", 0, feature(0) - feature(0)).frequencies(0) == ()
    assert circuit.frequencies(1) == ((1.0,),)
    assert circuit.frequencies(7) == ()
    with pytest.raises(UsageError, match="weights has 0 values"):
        circuit.frequencies(0)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), qubits=st.integers(1, 5), encoded=st.booleans())
def test_json_round_trip(seed: int, qubits: int, encoded: bool) -> None:
    amplitudes = Amplitudes(2**qubits - 1, complex_data=True) if encoded else None
    circuit = random_circuit(np.random.default_rng(seed), qubits, amplitudes=amplitudes)
    assert Circuit.from_json(json.loads(json.dumps(circuit.to_json()))) == circuit


def test_tensors_cannot_be_saved() -> None:
    with pytest.raises(UsageError, match="cannot be saved"):
        Circuit(1).add("RX", 0, torch.tensor(0.1)).to_json()


def test_wrong_circuits_are_refused() -> None:
    with pytest.raises(UsageError, match="qubits is 0"):
        Circuit(0)
    with pytest.raises(UsageError, match=r"gate CNOT q0,q2 acts outside the circuit's 2 qubits \(0 to 1\)"):
        Circuit(2).add("CNOT", (0, 2))
    for length in (0, 5):
        with pytest.raises(UsageError, match=f"encoding of {length} values does not fit 2 qubits; give 1 to 4"):
            Circuit(2, amplitudes=Amplitudes(length))
    for layers in ((2,), (1, 0), (-1,)):
        with pytest.raises(UsageError, match="ascending numbers of gates, 0 to 1"):
            Circuit(1, Circuit(1).add("H", 0).gates, layers=layers)


def test_circuits_that_do_not_fit_cannot_be_joined() -> None:
    with pytest.raises(UsageError, match="with 2 and 3 qubits cannot be joined"):
        Circuit(2) + Circuit(3)
    with pytest.raises(UsageError, match="an amplitude encoding in the middle"):
        Circuit(2) + Circuit(2, amplitudes=Amplitudes(4))


def test_numbers_become_constant_angles() -> None:
    assert Circuit(1).add("RX", 0, 2).gates[0].angles == (Angle(2.0),)
