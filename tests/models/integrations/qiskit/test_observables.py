"""Observables as sums of Pauli strings, and outcomes as groups."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from counterspin.errors import ModelError
from counterspin.models.integrations.qiskit.observables import expectations, outcome_classes, pauli_sums
from counterspin.models.integrations.reading import Unreadable

pytestmark = pytest.mark.slow

PAULIS = {
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]),
    "I": np.eye(2),
}


def dense(terms: dict, qubits: int) -> np.ndarray:
    """The sum as a matrix in Qiskit's order, qubit 0 last."""
    total = np.zeros((2**qubits, 2**qubits), dtype=complex)
    for string, coefficient in terms.items():
        product = np.eye(1)
        for qubit in reversed(range(qubits)):
            product = np.kron(product, PAULIS[dict(string).get(qubit, "I")])
        total += coefficient * product
    return total


def test_sums_are_the_operators():
    from qiskit.quantum_info import Operator, Pauli, SparseObservable, SparsePauliOp

    several = SparsePauliOp(["XYZ", "IIZ", "III", "XYZ"], [0.5, -1.5, 2.0, 0.25])
    projector = SparseObservable("0+I")
    plus = np.full((2, 2), 0.5)
    expected = [
        Operator(several).data,
        np.kron(np.kron(np.diag([1, 0]), plus), np.eye(2)),
        -Operator(Pauli("ZZX")).data,
        Operator(Pauli("YIX")).data,
    ]
    sums = pauli_sums([several, projector, Pauli("-ZZX"), "YIX"], frozenset(range(3)))
    for terms, matrix in zip(sums, expected, strict=True):
        assert np.allclose(dense(terms, 3), matrix, atol=1e-15)


def test_idle_qubits_are_in_their_ground_state():
    from qiskit.quantum_info import SparsePauliOp

    (terms,) = pauli_sums([SparsePauliOp(["ZIX", "XIZ", "IYI", "ZII"], [1.0, 3.0, 0.5, 0.25])], frozenset({0}))
    assert terms == {((0, "X"),): 1.0, (): 0.25}


def test_the_head_adds_strings_up_on_our_qubits():
    measurement, head = expectations([{((5, "Z"), (2, "X")): 2.0, (): 0.5}, {((2, "Y"),): -1.0}], {5: 0, 2: 1})
    assert measurement.observables == (((0, "Z"), (1, "X")), ((1, "Y"),))
    assert head is not None
    assert head.weight.tolist() == [[2.0, 0.0], [0.0, -1.0]]
    assert head.bias.tolist() == [0.5, 0.0]
    assert expectations([{((5, "Z"),): 1.0}], {5: 0})[1] is None


def test_what_cannot_be_measured_is_named():
    from qiskit.circuit import Parameter
    from qiskit.quantum_info import SparsePauliOp

    qubits = frozenset({0})
    with pytest.raises(Unreadable, match="unbound coefficient c"):
        pauli_sums([SparsePauliOp(["Z"], np.array([Parameter("c")]))], qubits)
    with pytest.raises(Unreadable, match=r"complex coefficient 0\+1j"):
        pauli_sums([SparsePauliOp(["Z"], [1j])], qubits)
    with pytest.raises(Unreadable, match="an observable is a float"):
        pauli_sums([0.5], qubits)
    with pytest.raises(Unreadable, match="multiples of the identity"):
        expectations([{(): 1.0}], {0: 0})


def test_outcomes_are_grouped_by_what_they_are_interpreted_as():
    # Bit 0 of the integer is read at Qiskit's qubit 2, bit 1 at qubit 0; ours are numbered 1 and 0.
    measurement, head = outcome_classes({0: 2, 1: 0}, {2: 1, 0: 0}, lambda k: None if k == 3 else k, 4)
    assert measurement.measured == (0, 1)
    # Integer 1 is qubit 2 alone: outcome 01 of ours; integer 2 is qubit 0 alone: outcome 10.
    assert measurement.groups == ((0,), (1,), (2,))
    assert head is not None
    assert head.weight.tolist() == torch.eye(4, 3).tolist()
    assert outcome_classes({0: 2, 1: 0}, {2: 1, 0: 0}, lambda k: k % 2, 2)[0].groups == ((0, 2), (1, 3))


def test_interpretations_that_do_not_fit_are_refused():
    with pytest.raises(ModelError, match="interpret gives 2 for an outcome; the output shape allows 0 to 1"):
        outcome_classes({0: 0, 1: 1}, {0: 0, 1: 1}, lambda k: k, 2)
    with pytest.raises(Unreadable, match="it measures 20 qubits"):
        outcome_classes({k: k for k in range(20)}, {k: k for k in range(20)}, lambda k: 0, 2)
    with pytest.raises(Unreadable, match="no outcome counts for any value"):
        outcome_classes({0: 0}, {0: 0}, lambda k: None, 2)
