"""The flat program: its tables, the bits that enumerate cosets, its texts and counts."""

import ctypes

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.circuits import (
    Circuit,
    OutcomeGroups,
    PauliExpectations,
    amplitude_encoding,
    brick,
    feature,
    hardware_efficient,
    reuploading,
    weight,
)
from counterspin.simulation.kernels import PassKind, lower
from counterspin.simulation.kernels.program import FlatProgram

Z0 = PauliExpectations.of("Z0")
WEIGHTS, INPUTS = 1, 2


def span(flips: list[int]) -> list[int]:
    """All sums of the flips: the indices a pass acts on together with index 0."""
    sums = [0]
    for flip in flips:
        sums += [s ^ flip for s in sums]
    return sums


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 2**32 - 1), qubits=st.integers(2, 6), coupled=st.booleans())
def test_exactly_one_index_of_every_coset_has_its_pivots_zero(seed: int, qubits: int, coupled: bool) -> None:
    # The kernel enumerates the indices whose pivot bits are 0; each stands for one pair or quadruple of amplitudes.
    rng = np.random.default_rng(seed)
    circuit = Circuit(qubits)
    for _ in range(int(rng.integers(12))):
        a, b = (int(q) for q in rng.permutation(qubits)[:2])
        circuit = circuit.add(str(rng.choice(["CNOT", "SWAP"])), (a, b))
    a, b = (int(q) for q in rng.permutation(qubits)[:2])
    circuit = circuit.add("RZZ", (a, b), weight(0)) if coupled else circuit.add("RX", a, weight(0))
    program = lower(circuit, Z0)
    (step,), (row,) = program.passes, program.struct.tables["pass_"]
    together = span([qubit.flip for qubit in step.qubits])
    pivots = {int(row["low"]), int(row["high"])}
    assert len(together) == 2 ** len(pivots)
    assert row["low"] < row["high"] or not coupled
    for index in range(2**qubits):
        zeros = [i for i in (index ^ s for s in together) if not any(i >> bit & 1 for bit in pivots)]
        assert len(zeros) == 1


def test_equal_angles_share_one_entry_and_those_without_inputs_come_first() -> None:
    # Six layers encode the same four features.
    program = lower(reuploading(4, 6, trainable_scale=False), Z0)
    table = program.struct.tables["angle"]
    assert len(program.struct.tables["rotation"]) == 6 * 4 * 4
    assert (program.struct.angles, program.struct.shared) == (4 + 6 * 4 * 3, 6 * 4 * 3)
    assert table["needs"].tolist() == [WEIGHTS] * 72 + [INPUTS] * 4


def test_what_a_pass_needs_gradients_for() -> None:
    circuit = Circuit(2).add("RZZ", (0, 1), weight(0)).add("RXX", (0, 1), feature(0)).add("RYY", (0, 1), 0.3)
    circuit = circuit.add("Rot", 0, feature(0), 0.1, weight(1)).add("CZ", (0, 1)).add("CRX", (0, 1), weight(0) + 0.5)
    needs = [int(row["needs"]) for row in lower(circuit, Z0).struct.tables["pass_"]]
    assert needs == [WEIGHTS, INPUTS, 0, WEIGHTS | INPUTS, 0, WEIGHTS]


def test_rows_point_at_their_own_rotations_and_signs() -> None:
    program = lower(hardware_efficient(3, 2), Z0)
    tables = program.struct.tables
    rotations, signs = 0, 0
    for step, row in zip(program.passes, tables["pass_"], strict=True):
        assert row["kind"] == step.kind
        for run, name in zip(step.runs, ("first_run", "second_run"), strict=False):
            assert row[name].tolist() == (rotations, len(run))
            rotations += len(run)
        assert (row["signs_start"], row["signs_count"]) == (signs, len(step.signs))
        assert tables["signs"][signs : signs + len(step.signs)].tolist() == list(step.signs)
        signs += len(step.signs)
    assert rotations == len(tables["rotation"]) == 2 * 3 * 2
    assert "YZ" * 6 == "".join("XYZ"[axis] for axis in tables["rotation"]["axis"])


def test_structs_made_by_two_threads_at_once_keep_their_own_tables() -> None:
    program = lower(reuploading(2, 2), Z0)
    build = FlatProgram.struct.func
    first, second = build(program), build(program)
    for struct in (first, second):
        table = struct.tables["angle"]
        assert bytes((ctypes.c_char * table.nbytes).from_address(struct.angle)) == table.tobytes()
    assert first.angle != second.angle


def test_encoded_inputs() -> None:
    assert lower(reuploading(2, 1), Z0).encoded == 0
    assert lower(amplitude_encoding(5), Z0).encoded == 5
    assert lower(amplitude_encoding(5, complex_data=True), Z0).encoded == 10


def test_operations_add_up_over_passes_and_double_with_every_qubit() -> None:
    program = lower(brick(4, 2), Z0)
    parts = [step.flops(4) for step in program.passes[program.leading :]]
    assert program.costs[program.leading :] == tuple(parts)
    assert program.flops == (sum(f for f, _ in program.costs), sum(b for _, b in program.costs))
    for step in program.passes:
        assert step.flops(5) == (2 * step.flops(4)[0], 2 * step.flops(4)[1])
        # The way back takes two states back and multiplies them for the gradient.
        assert step.flops(4)[1] > 2 * step.flops(4)[0] > 0
    # One SU(2) on 2**n / 2 pairs: 16 products and 12 sums each. Two at a time: twice as much.
    (local,) = lower(Circuit(1).add("RX", 0, weight(0)), Z0).passes
    (pair,) = lower(Circuit(2).add("RX", 0, 0.1).add("RX", 1, 0.2), Z0).passes
    assert (local.flops(1)[0], pair.flops(2)[0]) == (28, 2 * 2 * 28)
    (signs,) = lower(Circuit(3).add("CZ", (0, 1)), Z0).passes
    assert signs.flops(3)[0] == 2 * len(signs.signs) == 4


@pytest.mark.parametrize(
    ("gate", "text"),
    [
        (("RX", 0, 3.0 * feature(0)), "q0: RX(3·x0)"),
        (("Rot", 1, weight(0), 0.5, feature(1)), "q1: RZ(w0) RY(0.5) RZ(x1)"),
        (("CRY", (1, 0), weight(2)), "q1 controls q0: RY(w2)"),
        (("RZZ", (0, 1), weight(2)), "RZZ(w2) q0,q1"),
        (("RXX", (0, 1), weight(2)), "RXX(w2) q0,q1"),
        (("RYY", (1, 0), weight(2)), "RYY(w2) q1,q0"),
        (("CZ", (0, 1)), "1 basis states"),
    ],
)
def test_passes_as_text(gate: tuple, text: str) -> None:
    (step,) = lower(Circuit(2).add(*gate), Z0).passes
    assert str(step) == text


def test_two_runs_as_text() -> None:
    (step,) = lower(Circuit(2).add("RX", 0, weight(0)).add("H", 1), OutcomeGroups((0,), ((0,), (1,)))).passes
    assert step.kind is PassKind.LOCAL_PAIR
    assert str(step) == "q0: RX(w0); q1: RZ(3.14) RY(1.57)"


def test_the_passes_that_make_a_product_state() -> None:
    # The second layer acts on qubits that the CNOTs have coupled.
    assert lower(reuploading(6, 2), Z0).leading == 3
    assert lower(Circuit(2).add("X", 0).add("RY", 0, 0.3).add("RX", 1, 0.2), Z0).leading == 1
    assert lower(Circuit(2).add("RY", 0, 0.3).add("CRX", (0, 1), 0.2).add("RY", 0, 0.1), Z0).leading == 1
    assert lower(amplitude_encoding(4).add("RY", 0, 0.3), Z0).leading == 0


def test_a_product_state_costs_two_products_per_amplitude_forward_and_its_reading_back() -> None:
    program = lower(reuploading(4, 1), Z0)
    assert program.leading == len(program.passes) == 2
    # 12 operations for each amplitude there is: 1 + 2, then 4 + 8; v is 12 operations per amplitude and qubit.
    assert program.costs == ((36.0, 384.0), (144.0, 384.0))
    assert program.flops == (180.0, 768.0)
