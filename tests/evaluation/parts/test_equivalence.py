"""Equivalence by simulation, against dense unitaries, closed forms and (where installed) MQT QCEC."""

import math

import numpy as np
import pytest
import torch
from dense_oracle import unitary

from counterspin.circuits import Circuit, feature, reuploading, strongly_entangling, weight, write_qasm
from counterspin.errors import ConditionsError, UsageError
from counterspin.evaluation.parts.equivalence import (
    accept_probability,
    probes_needed,
    process_fidelity,
    same_circuit,
    signature,
)

NOTHING = torch.zeros(1, 0, dtype=torch.float64)


def test_process_fidelity_equals_the_trace_of_dense_unitaries():
    one = reuploading(3, 1)
    other = Circuit(3, (*one.gates[:4], *one.gates[5:])).add("RXX", (0, 2), 0.4)
    x = torch.rand(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    w = torch.linspace(-1, 2, one.weights).double()
    found = process_fidelity(one, other, x, w)
    for row, value in zip(x.numpy(), found, strict=True):
        trace = np.trace(unitary(one, row, w.numpy()).conj().T @ unitary(other, row, w.numpy())) / 8
        assert float(value) == pytest.approx(abs(trace) ** 2, abs=1e-12)
    assert float(found.max()) < 0.99


@pytest.mark.parametrize("angle", [0.1, 0.7, 2.0])
def test_an_extra_rotation_by_hand(angle):
    """The trace of RX(a) is 2 cos(a/2), so the fidelity is cos(a/2) squared."""
    found = process_fidelity(Circuit(2).add("H", 1), Circuit(2).add("H", 1).add("RX", 0, angle), NOTHING, NOTHING[0])
    assert found.item() == pytest.approx(math.cos(angle / 2) ** 2, abs=1e-12)


def test_a_global_phase_is_no_difference_and_a_relative_one_is():
    h = Circuit(2).add("H", 0).add("H", 1)
    assert same_circuit(h.add("RZ", 0, 0.4), h.add("P", 0, 0.4), NOTHING, NOTHING[0])
    assert not same_circuit(h.add("CRZ", (1, 0), 0.4), h.add("CP", (1, 0), 0.4), NOTHING, NOTHING[0])
    assert same_circuit(Circuit(1).add("RX", 0, weight(0)), Circuit(1).add("RX", 0, 0.5), NOTHING, torch.tensor([0.5]))


def test_circuits_that_agree_on_one_input_differ_on_another():
    one = Circuit(1).add("RX", 0, feature(0))
    x = torch.tensor([[0.0], [1.0]]).double()
    assert process_fidelity(one, Circuit(1), x, NOTHING[0]).tolist() == pytest.approx([1.0, math.cos(0.5) ** 2])


def test_random_states_pass_the_inversion_test_as_often_as_said():
    """Mean overlap over Haar-random states, 5 standard errors."""
    one = strongly_entangling(2, 1)
    w = torch.linspace(0, 1, 6).double()
    other = one.add("RYY", (0, 1), 0.9)
    delta = 1 - process_fidelity(one, other, NOTHING, w).item()
    states = torch.randn(20_000, 4, dtype=torch.complex128, generator=torch.Generator().manual_seed(2))
    states = states / torch.linalg.vector_norm(states, dim=1, keepdim=True)
    u, v = (torch.tensor(unitary(c, np.zeros(0), w.numpy())) for c in (one, other))
    passed = ((states @ u.T).conj() * (states @ v.T)).sum(dim=1).abs().square()
    assert passed.mean().item() == pytest.approx(accept_probability(delta, 2, 1), abs=5 * passed.std().item() / 141)


@pytest.mark.parametrize(("infidelity", "qubits", "wrong"), [(0.1, 6, 0.01), (0.5, 1, 0.05), (1e-3, 8, 1e-6)])
def test_probes_are_the_smallest_number_that_suffices(infidelity, qubits, wrong):
    shots = probes_needed(infidelity, qubits, wrong)
    assert accept_probability(infidelity, qubits, shots) <= wrong < accept_probability(infidelity, qubits, shots - 1)


def test_a_signature_names_what_was_added_and_dropped():
    one = Circuit(2).add("H", 0).add("CNOT", (0, 1))
    found = signature(one, Circuit(2).add("H", 0).add("X", 1).add("X", 0), NOTHING, NOTHING[0])
    assert (found.gates, found.depth, found.kinds) == ((2, 3), (2, 2), {"X": 2, "CNOT": -1})
    same = signature(one, one, NOTHING, NOTHING[0])
    assert (same.kinds, same.infidelity < 1e-12, same.shots) == ({}, True, None)


def test_what_cannot_be_compared_is_named():
    with pytest.raises(UsageError, match="have 1 and 2 qubits"):
        process_fidelity(Circuit(1), Circuit(2), NOTHING, NOTHING[0])
    with pytest.raises(ConditionsError, match="have 11 qubits"):
        process_fidelity(Circuit(11), Circuit(11), NOTHING, NOTHING[0])
    with pytest.raises(UsageError, match=r"give numbers in \(0, 1\)"):
        probes_needed(0.0, 3)


@pytest.mark.slow
@pytest.mark.parametrize("extra", [None, 0.3])
def test_mqt_qcec_agrees(extra, tmp_path):
    """An independent equivalence checker, decision diagrams and ZX calculus."""
    qcec = pytest.importorskip("mqt.qcec")
    one = Circuit(3).add("H", 0).add("CNOT", (0, 1)).add("RZ", 1, 0.4).add("CNOT", (1, 2))
    other = Circuit(3).add("H", 0).add("CNOT", (0, 1)).add("P", 1, 0.4).add("CNOT", (1, 2))
    if extra is not None:
        other = other.add("RX", 2, extra)
    paths = []
    for name, circuit in (("one", one), ("other", other)):
        paths.append(tmp_path / f"{name}.qasm")
        paths[-1].write_text(write_qasm(circuit, version=2))
    verdict = qcec.verify(str(paths[0]), str(paths[1])).considered_equivalent()
    assert verdict is same_circuit(one, other, NOTHING, NOTHING[0])
