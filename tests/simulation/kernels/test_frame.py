"""The frame against explicit permutations of basis states."""

from collections.abc import Iterable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.simulation.kernels.frame import Frame, PhysicalQubit, bit_parity

Move = tuple[str, int, int]


@st.composite
def moves(draw: st.DrawFn) -> tuple[int, list[Move]]:
    qubits = draw(st.integers(1, 6))
    wires = st.permutations(range(qubits)).map(lambda order: (order[0], order[-1]))
    kinds = st.sampled_from(["x"] if qubits == 1 else ["x", "cnot", "swap"])
    return qubits, draw(st.lists(st.tuples(kinds, wires).map(lambda move: (move[0], *move[1])), max_size=20))


def moved(qubits: int, sequence: Iterable[Move]) -> Frame:
    frame = Frame(qubits)
    for kind, a, b in sequence:
        if kind == "x":
            frame.x(a)
        else:
            getattr(frame, kind)(a, b)
    return frame


def bits_after(qubits: int, sequence: Iterable[Move]) -> np.ndarray:
    """Where every basis state goes, `(2**qubits, qubits)` bits, by the gates' truth tables."""
    bits = np.arange(2**qubits)[:, None] >> np.arange(qubits)[::-1] & 1
    for kind, a, b in sequence:
        if kind == "x":
            bits[:, a] = 1 - bits[:, a]
        elif kind == "cnot":
            bits[:, b] = bits[:, b] ^ bits[:, a]
        else:
            bits[:, [a, b]] = bits[:, [b, a]]
    return bits


deterministic = settings(max_examples=60, deadline=None, derandomize=True, database=None)


@deterministic
@given(moves())
def test_values_are_those_of_the_permuted_basis_states(case: tuple[int, list[Move]]) -> None:
    qubits, sequence = case
    frame, expected = moved(qubits, sequence), bits_after(qubits, sequence)
    for q in range(qubits):
        assert frame.values(q).tolist() == expected[:, q].tolist()
        physical = frame.qubit(q)
        read = [bit_parity(i & physical.mask) ^ physical.offset for i in range(2**qubits)]
        assert read == expected[:, q].tolist()


@deterministic
@given(moves())
def test_flipping_a_qubit_changes_its_value_and_no_other(case: tuple[int, list[Move]]) -> None:
    qubits, sequence = case
    frame = moved(qubits, sequence)
    physical = [frame.qubit(q) for q in range(qubits)]
    for a in range(qubits):
        for b in range(qubits):
            assert bit_parity(physical[a].mask & physical[b].flip) == (a == b)
            assert physical[a].commutes_with(physical[b]) == (a != b)
    indices = np.arange(2**qubits)
    values = np.stack([frame.values(q) for q in range(qubits)])
    for q in range(qubits):
        changed = values ^ values[:, indices ^ physical[q].flip]
        assert changed.tolist() == [[int(other == q)] * 2**qubits for other in range(qubits)]


@deterministic
@given(moves())
def test_a_sequence_undone_is_the_identity(case: tuple[int, list[Move]]) -> None:
    qubits, sequence = case
    frame, fresh = moved(qubits, [*sequence, *reversed(sequence)]), Frame(qubits)
    assert [frame.qubit(q) for q in range(qubits)] == [fresh.qubit(q) for q in range(qubits)]


def test_qubits_of_different_frames_may_share_amplitudes() -> None:
    # After a CNOT the control's flip moves the target too: rotations of the old target and the new control do not
    # commute, although they are different qubits.
    frame = Frame(2)
    before = frame.qubit(1)
    frame.cnot(0, 1)
    assert before == PhysicalQubit(flip=1, mask=1, offset=0)
    assert frame.qubit(0) == PhysicalQubit(flip=3, mask=2, offset=0)
    assert not before.commutes_with(frame.qubit(0))
