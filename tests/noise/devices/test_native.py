"""Translations of single gates against dense matrices, up to a phase, 1e-13."""

import itertools

import numpy as np
import pytest
import torch
from dense_oracle import unitary
from hypothesis import given, settings
from hypothesis import strategies as st
from qasm_oracle import same_up_to_phase
from toy_devices import line, toy

from counterspin.circuits import GATES, Angle, Circuit, Gate, Given, feature, weight
from counterspin.errors import UsageError
from counterspin.noise.devices.native import cancelled, coupled, reduced

X, W = np.array([0.43, -1.7]), np.array([1.9, 0.6])
NATIVE = {"RZ", "SX", "CNOT"}
COUPLINGS = {
    "CNOT": 1,
    "CZ": 1,
    "ECR": 1,
    "SWAP": 3,
    "CRX": 2,
    "CRY": 2,
    "CRZ": 2,
    "CP": 2,
    "RXX": 2,
    "RYY": 2,
    "RZZ": 2,
}


def off(first: Circuit, second: Circuit) -> float:
    return same_up_to_phase(unitary(first, X, W), unitary(second, X, W))


@pytest.mark.parametrize("kind", GATES)
def test_every_gate_is_its_translation(kind: str) -> None:
    size = GATES[kind].qubits or 3
    angles = [0.3 + 0.8 * feature(k % 2) * weight(0) - 0.4 * weight(1) for k in range(GATES[kind].angles)]
    for wires in itertools.permutations(range(3), size):
        circuit = Circuit(3).add(kind, wires, *angles)
        parts = reduced(circuit)
        assert {part.kind for part in parts} <= NATIVE
        assert off(Circuit(3, tuple(parts)), circuit) < 1e-13
        assert sum(part.kind == "CNOT" for part in parts) == COUPLINGS.get(kind, 6 if kind == "MCZ" else 0)


@pytest.mark.parametrize("kind", [name for name, gate in GATES.items() if gate.angles])
def test_tensors_as_angles_stay_attached_and_keep_their_value(kind: str) -> None:
    values = torch.tensor([0.4, -1.1, 2.3], dtype=torch.float64, requires_grad=True)[: GATES[kind].angles]
    wires = tuple(range(GATES[kind].qubits))
    parts = reduced(Circuit(2).add(kind, wires, *values.unbind()))
    tensors = [angle for part in parts for angle in part.angles if isinstance(angle, Given)]
    assert tensors
    assert all(angle.value.requires_grad for angle in tensors)
    constant = [
        Gate(g.kind, g.qubits, tuple(Angle(a.value.item()) if isinstance(a, Given) else a for a in g.angles))
        for g in parts
    ]
    assert off(Circuit(2, tuple(constant)), Circuit(2).add(kind, wires, *values.detach().tolist())) < 1e-13


def test_controls_beyond_two_are_refused() -> None:
    assert [str(gate) for gate in reduced(Circuit(1).add("MCZ", 0))] == ["RZ(3.14) q0"]
    with pytest.raises(UsageError, match="multi-controlled Z on 4 qubits"):
        reduced(Circuit(4).add("MCZ", (0, 1, 2, 3)))


@pytest.mark.parametrize("kind", ["CNOT", "CZ", "ECR"])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("wanted", [(0, 1), (1, 0)])
def test_a_cnot_by_every_coupling_in_both_directions(
    kind: str, order: tuple[int, int], wanted: tuple[int, int]
) -> None:
    circuit = Circuit(2).add("CNOT", wanted)
    native = coupled(circuit.gates, toy([order], kind))
    assert off(Circuit(2, tuple(native)), circuit) < 1e-14
    assert [gate.qubits for gate in native if len(gate.qubits) == 2] == [order]
    assert {gate.kind for gate in native} <= {"RZ", "SX", kind}


def test_a_pair_without_a_coupling_is_refused() -> None:
    with pytest.raises(UsageError, match="qubits 0 and 2"):
        coupled([Gate("CNOT", (0, 2))], line(3))


GATE = st.one_of(
    st.tuples(st.just("CNOT"), st.permutations(range(3)).map(lambda wires: tuple(wires[:2]))),
    st.tuples(st.sampled_from(["SX", "X", "RZ"]), st.integers(0, 2).map(lambda wire: (wire,))),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(GATE, max_size=12))
def test_cancelling_changes_nothing_but_the_number_of_cnots(drawn: list) -> None:
    gates = [Gate(kind, wires, (0.3 + weight(0),) if kind == "RZ" else ()) for kind, wires in drawn]
    kept = cancelled(gates)
    assert off(Circuit(3, tuple(kept)), Circuit(3, tuple(gates))) < 1e-13
    assert [gate for gate in kept if gate.kind != "CNOT"] == [gate for gate in gates if gate.kind != "CNOT"]
    # A second look finds no more pairs that stand side by side.
    assert not any(a == b and a.kind == "CNOT" for a, b in itertools.pairwise(kept))


@pytest.mark.parametrize(
    ("between", "left"),
    [
        ([], 0),
        ([("RZ", (0,))], 0),
        ([("SX", (1,))], 0),
        ([("CNOT", (0, 2)), ("CNOT", (2, 1))], 0),
        ([("RZ", (1,))], 2),
        ([("SX", (0,))], 2),
        ([("CNOT", (1, 2))], 2),
        ([("CNOT", (1, 0))], 2),
    ],
)
def test_which_gates_separate_two_cnots(between: list, left: int) -> None:
    inner = [Gate(kind, wires, (Angle(0.3),) if kind == "RZ" else ()) for kind, wires in between]
    ends = Gate("CNOT", (0, 1))
    assert cancelled([ends, *inner, ends]).count(ends) == left
