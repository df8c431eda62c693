"""What circuits lower to, and every gate alone against dense matrices."""

import itertools
import math

import numpy as np
import pytest
import torch
from compiled_engine import each_kernel
from dense_oracle import angle_value, gate_matrix, observables, start, unitary

from counterspin.circuits import (
    GATES,
    Amplitudes,
    Angle,
    Circuit,
    Given,
    OutcomeGroups,
    PauliExpectations,
    brick,
    feature,
    hardware_efficient,
    reuploading,
    strongly_entangling,
    weight,
)
from counterspin.simulation.kernels import Kernel, Pass, PassKind, kernel_values, lower

Z0 = PauliExpectations.of("Z0")
SINGLE = [name for name, gate in GATES.items() if gate.qubits == 1]
COUPLING = [name for name, gate in GATES.items() if gate.qubits != 1]


def passes(circuit: Circuit) -> tuple[Pass, ...]:
    return lower(circuit, Z0).passes


def kinds(circuit: Circuit) -> list[str]:
    return [step.kind.name for step in passes(circuit)]


def test_a_cnot_ring_costs_no_pass() -> None:
    # Eight qubits, two at a time, three layers.
    assert kinds(strongly_entangling(8, 3)) == ["LOCAL_PAIR"] * 4 * 3
    assert kinds(reuploading(8, 3)) == ["LOCAL_PAIR"] * 4 * 3
    assert kinds(reuploading(5, 2)) == ["LOCAL_PAIR", "LOCAL_PAIR", "LOCAL"] * 2


def test_a_ladder_of_cz_is_one_sign_table_per_layer() -> None:
    assert kinds(hardware_efficient(4, 3)) == ["LOCAL_PAIR", "LOCAL_PAIR", "SIGNS"] * 3
    table = next(step for step in passes(hardware_efficient(4, 3)) if step.kind is PassKind.SIGNS)
    neighbours = {i: sum(i >> q & i >> (q + 1) & 1 for q in range(3)) for i in range(16)}
    assert table.signs == tuple(i for i, count in neighbours.items() if count % 2)


def test_a_brick_layer_has_one_pass_for_each_coupling_and_pairs_the_rest() -> None:
    steps = passes(brick(4, 2))
    assert sum(step.kind is PassKind.PHASE_PAIR for step in steps) == 3
    assert [step.kind.name for step in steps if step.kind is not PassKind.PHASE_PAIR] == ["LOCAL_PAIR"] * 4


def test_permutations_are_free() -> None:
    circuit = Circuit(3).add("X", 0).add("SWAP", (0, 2)).add("CNOT", (1, 2)).add("X", 1).add("CNOT", (2, 0))
    assert passes(circuit) == ()
    # Only behind rotations that have not been applied yet X is a rotation among them.
    (step,) = passes(Circuit(1).add("X", 0).add("RY", 0, weight(0)).add("X", 0))
    assert [rotation.axis for rotation in step.runs[0]] == ["Y", "X"]


def test_swapped_qubits_carry_their_rotations_along() -> None:
    (step,) = passes(Circuit(2).add("RX", 0, weight(0)).add("SWAP", (0, 1)).add("RZ", 1, weight(1)))
    assert str(step) == "q1: RX(w0) RZ(w1)"


def test_signs_wait_for_what_does_not_commute_with_them() -> None:
    between = Circuit(3).add("CZ", (0, 1)).add("RX", 2, weight(0)).add("RZZ", (0, 2), weight(1)).add("CZ", (1, 0))
    assert kinds(between) == ["LOCAL", "PHASE_PAIR"]
    assert kinds(Circuit(2).add("CZ", (0, 1)).add("RX", 0, weight(0)).add("CZ", (0, 1))) == ["SIGNS", "LOCAL", "SIGNS"]
    assert kinds(Circuit(2).add("CZ", (0, 1)).add("RXX", (0, 1), weight(0))) == ["SIGNS", "FLIP_PAIR"]


def test_controlled_rotations_of_the_same_qubits_are_one_pass() -> None:
    same = Circuit(2).add("CRX", (0, 1), weight(0)).add("CRZ", (0, 1), weight(1)).add("CRY", (0, 1), weight(2))
    (step,) = passes(same)
    assert str(step) == "q0 controls q1: RX(w0) RZ(w1) RY(w2)"
    assert kinds(same.add("CRX", (1, 0), weight(0))) == ["CONTROLLED"] * 2
    assert kinds(same.add("RZ", 1, weight(3)).add("CRX", (0, 1), weight(0))) == ["CONTROLLED", "LOCAL", "CONTROLLED"]


def test_tensors_given_as_angles_become_inputs_behind_the_circuits_own() -> None:
    first, second = Given(torch.tensor(0.1)), Given(torch.tensor(0.1))
    circuit = Circuit(1).add("RX", 0, feature(1)).add("RY", 0, first).add("RZ", 0, second).add("RX", 0, first)
    program = lower(circuit, Z0)
    assert program.given == (first, second)
    assert (circuit.inputs, program.inputs) == (2, 4)
    assert str(program.passes[0]) == "q0: RX(x1) RY(x2) RZ(x3) RX(x2)"


def test_a_program_is_lowered_once_for_equal_circuits_and_measurements() -> None:
    first, second = (lower(reuploading(2, 2), PauliExpectations.of("Z0", "Z1")) for _ in range(2))
    assert first is second
    assert lower(reuploading(2, 2), Z0) is not first


def test_reads_follow_the_permutations() -> None:
    circuit = Circuit(2).add("CNOT", (0, 1)).add("X", 1)
    # Z1 is now the parity of both bits, negated; X0 flips both; Y1 has both masks and a quarter turn.
    program = lower(circuit, PauliExpectations.of("Z1", "X0", "Y1"))
    assert program.paulis == ((0, 0b11, 1, 0), (0b11, 0, 0, 0), (0b01, 0b11, 1, 1))
    # Outcomes 00, 01, 10, 11 of (qubit 1, qubit 0) at the physical indices 0 to 3.
    groups = lower(circuit, OutcomeGroups((1, 0), ((0,), (3, 2))))
    assert groups.group.tolist() == [1, 0, -1, 1]


@pytest.mark.parametrize("kind", SINGLE)
def test_single_qubit_gates_are_products_of_rotations_up_to_a_phase(kind: str) -> None:
    angles = [0.7, -1.1, 2.3][: GATES[kind].angles]
    # Behind a rotation, so that X becomes one too.
    (step,) = passes(Circuit(1).add("RY", 0, 0.4).add(kind, 0, *angles))
    product = np.eye(2)
    for rotation in step.runs[0]:
        product = gate_matrix(f"R{rotation.axis}", [angle_value(rotation.angle, np.zeros(0), np.zeros(0))], 1) @ product
    expected = gate_matrix(kind, angles, 1) @ gate_matrix("RY", [0.4], 1)
    assert abs(np.trace(expected.conj().T @ product)) == pytest.approx(2, abs=1e-14)


def test_a_controlled_phase_is_half_a_rotation_of_the_control_and_a_controlled_one() -> None:
    local, controlled = passes(Circuit(2).add("CP", (0, 1), 1.4))
    assert (str(local), str(controlled)) == ("q0: RZ(0.7)", "q0 controls q1: RZ(1.4)")
    rz = np.kron(gate_matrix("RZ", [0.7], 1), np.eye(2))
    product = gate_matrix("CRZ", [1.4], 2) @ rz
    phase = np.exp(0.25j * 1.4)
    assert np.allclose(phase * product, gate_matrix("CP", [1.4], 2), atol=1e-15)


def all_strings(qubits: int) -> PauliExpectations:
    """Every Pauli string: together they fix the state up to its phase."""
    strings = []
    for letters in itertools.product("IXYZ", repeat=qubits):
        string = tuple((q, letter) for q, letter in enumerate(letters) if letter != "I")
        strings += [string] if string else []
    return PauliExpectations(tuple(strings))


def check_against_matrices(kernel: Kernel, circuit: Circuit) -> None:
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(3, circuit.inputs)), rng.normal(size=circuit.weights)
    measurement = all_strings(circuit.qubits)
    states = [unitary(circuit, row, w) @ start(circuit, row) for row in x]
    expected = [[np.vdot(s, o @ s).real for o in observables(measurement, circuit.qubits)] for s in states]
    values = kernel_values(kernel, circuit, torch.tensor(x), torch.tensor(w), measurement)
    assert np.allclose(values.numpy(), expected, atol=1e-13, rtol=0)


@each_kernel
@pytest.mark.parametrize("kind", SINGLE)
def test_single_qubit_gates_alone(kind: str, kernel: Kernel) -> None:
    for qubits in (1, 2):
        circuit = Circuit(qubits, amplitudes=Amplitudes(2**qubits, complex_data=True))
        angles = [feature(k) * weight(k) + 0.3 for k in range(GATES[kind].angles)]
        check_against_matrices(kernel, circuit.add(kind, qubits - 1, *angles))


@pytest.mark.one_fast
@each_kernel
@pytest.mark.parametrize("kind", COUPLING)
def test_gates_on_two_qubits_alone_in_every_order(kind: str, kernel: Kernel) -> None:
    for wires in itertools.permutations(range(3), 2):
        circuit = Circuit(3, amplitudes=Amplitudes(8, complex_data=True))
        angles = [Angle(0.3) + weight(0)] * GATES[kind].angles
        # Again behind a permutation, where a qubit is no longer one bit.
        circuit = circuit.add(kind, wires, *angles).add("CNOT", wires).add("CNOT", (wires[1], wires[0]))
        check_against_matrices(kernel, circuit.add(kind, wires, *angles))


@pytest.mark.one_fast
@each_kernel
@pytest.mark.parametrize("controls", range(1, 5))
def test_multi_controlled_z(controls: int, kernel: Kernel) -> None:
    circuit = Circuit(4, amplitudes=Amplitudes(16, complex_data=True)).add("CNOT", (3, 0))
    check_against_matrices(kernel, circuit.add("MCZ", tuple(range(controls))).add("MCZ", (3,)))


@each_kernel
def test_a_rotation_turns_the_poles_into_each_other(kernel: Kernel) -> None:
    x = torch.tensor([[0.0], [0.5], [1.0]], dtype=torch.float64)
    for axis in "XY":
        circuit = Circuit(1).add(f"R{axis}", 0, math.pi * feature(0))
        values = kernel_values(kernel, circuit, x, torch.zeros(0, dtype=torch.float64), Z0)
        assert values.flatten().tolist() == pytest.approx([1.0, 0.0, -1.0], abs=1e-15)
