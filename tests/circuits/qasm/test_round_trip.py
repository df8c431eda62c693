"""What is written comes back exactly, whatever the circuit."""

import numpy as np
import openqasm3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_circuits import random_circuit

from counterspin.circuits import Amplitudes, Angle, Circuit, Term, amplitude_encoding, feature, reuploading
from counterspin.circuits.binding import bind
from counterspin.circuits.qasm import read_program, read_qasm, write_qasm

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
INDICES = st.none() | st.integers(0, 12)
TERMS = st.tuples(NUMBERS, INDICES, INDICES).filter(lambda t: t[1:] != (None, None))


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.sampled_from([None, False, True]), st.booleans())
def test_random_circuits_with_every_gate(seed: int, qubits: int, amplitudes: bool | None, uploads: bool) -> None:
    encoding = None if amplitudes is None else Amplitudes(2**qubits - (qubits > 1), amplitudes)
    circuit = random_circuit(np.random.default_rng(seed), qubits, amplitudes=encoding, uploads=uploads)
    assert read_qasm(write_qasm(circuit)) == circuit


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_circuits_of_numbers_in_version_2(seed: int, qubits: int) -> None:
    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, qubits, amplitudes=Amplitudes(2, True))
    fixed = bind(
        circuit, inputs=rng.normal(size=circuit.inputs).tolist(), weights=rng.normal(size=circuit.weights).tolist()
    )
    assert read_qasm(write_qasm(fixed, version=2)) == fixed


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(NUMBERS, st.lists(TERMS, max_size=4))
def test_every_angle_to_the_last_bit(constant: float, terms: list[tuple[float, int | None, int | None]]) -> None:
    circuit = Circuit(1).add("RX", 0, Angle(constant, tuple(Term(*term) for term in terms)))
    back = read_qasm(write_qasm(circuit))
    assert back == circuit
    assert (back.inputs, back.weights) == (circuit.inputs, circuit.weights)


@pytest.mark.slow
@given(st.lists(st.integers(0, 3), max_size=6).map(sorted).map(tuple))
def test_layers_also_empty_ones(layers: tuple[int, ...]) -> None:
    circuit = Circuit(2, Circuit(2).add("H", 0).add("CNOT", (0, 1)).add("X", 1).gates, layers=layers)
    assert read_qasm(write_qasm(circuit)) == read_qasm(write_qasm(circuit, version=2)) == circuit


@pytest.mark.parametrize("circuit", [reuploading(3, 2), amplitude_encoding(5), Circuit(4).add("MCZ", (3, 0, 1, 2))])
def test_circuits_as_they_are_built_here(circuit: Circuit) -> None:
    assert read_qasm(write_qasm(circuit)) == circuit


@pytest.mark.one_fast
@pytest.mark.parametrize("seed", range(8))
def test_the_reference_parser_of_version_3_accepts_what_is_written(seed: int) -> None:
    circuit = random_circuit(np.random.default_rng(seed), 3, amplitudes=Amplitudes(8))
    text = write_qasm(circuit, measured=(1,))
    statements = openqasm3.parse(text).statements
    gates = [s for s in statements if isinstance(s, openqasm3.ast.QuantumGate)]
    inputs = [s for s in statements if isinstance(s, openqasm3.ast.IODeclaration)]
    assert len(gates) == len(circuit.gates)
    assert len(inputs) == len(read_program(text).declared) == 3 + 4


def test_a_term_without_factors_is_part_of_the_constant() -> None:
    angle = Angle(1.0, (Term(0.5), Term(2.0, input=0)))
    assert read_qasm(write_qasm(Circuit(1).add("RX", 0, angle))) == Circuit(1).add("RX", 0, 1.5 + 2.0 * feature(0))
