"""Programs read and written by us against Qiskit's readers, which share no line with ours; 1e-10."""

import numpy as np
import pytest
from dense_oracle import unitary
from qasm_oracle import foreign_circuit, foreign_unitary, same_up_to_phase
from random_circuits import random_circuit

from counterspin.circuits import GATES, Circuit
from counterspin.circuits.binding import bind
from counterspin.circuits.qasm import read_program, read_qasm, write_qasm
from counterspin.circuits.qasm.library import INCLUDES, NATIVE, derived

pytestmark = pytest.mark.slow  # importing takes seconds

NOTHING = np.zeros(0)
HEADS = {2: 'OPENQASM 2.0; include "qelib1.inc"; qreg q[5];', 3: 'OPENQASM 3.0; include "stdgates.inc"; qubit[5] q;'}
ANGLES = ("0.3", "-1.7*pi/5", "2.9", "pi/3 - 0.1")


# A start that leaves no column of the unitary simple.
SPREAD = "".join(f"u3(0.{k + 1}, 0.{2 * k + 1}, -0.{k + 3}) q[{k}];" for k in range(3))


def _numbers(name: str) -> tuple[int, int]:
    kind = NATIVE.get(name)
    if kind is None:
        gate = derived()[name]
        return len(gate.parameters), len(gate.qubits)
    return GATES[kind].angles, GATES[kind].qubits


def _applied(name: str, modifiers: str = "", controls: int = 0) -> str:
    angles, qubits = _numbers(name)
    inside = f"({', '.join(ANGLES[:angles])})" if angles else ""
    order = (2, 0, 4, 1, 3)[: qubits + controls]
    return f"{modifiers}{name}{inside} {', '.join(f'q[{k}]' for k in order)};"


@pytest.mark.parametrize("name", sorted(INCLUDES["qelib1.inc"] - {"ryy", "u0"}))
def test_every_gate_of_version_2_means_what_it_means_elsewhere(name: str) -> None:
    text = HEADS[2] + SPREAD + _applied(name)
    theirs = foreign_unitary(text, strict=False)
    assert same_up_to_phase(unitary(read_qasm(text), NOTHING, NOTHING), theirs) < 1e-10


@pytest.mark.one_fast
@pytest.mark.parametrize("name", sorted(INCLUDES["stdgates.inc"]))
@pytest.mark.parametrize("modifier", ["", "inv @ "])
def test_every_gate_of_version_3_and_its_inverse_mean_what_they_mean_elsewhere(name: str, modifier: str) -> None:
    text = HEADS[3] + SPREAD + _applied(name, modifier)
    assert same_up_to_phase(unitary(read_qasm(text), NOTHING, NOTHING), foreign_unitary(text)) < 1e-10


@pytest.mark.one_fast
@pytest.mark.parametrize(
    ("name", "controls"),
    [
        *((name, 1) for name in "x y h s sdg t tdg sx rx ry rz p u1 phase cx CX ccx swap z cz".split()),
        ("x", 2),
        ("x", 3),
        ("x", 4),
        ("cx", 2),
        ("cx", 3),
        ("ccx", 2),
        ("z", 2),
        ("z", 4),
        ("cz", 3),
    ],
)
@pytest.mark.parametrize("inverted", ["", "inv @ "])
def test_controlled_gates_keep_the_phase_that_counts(name: str, controls: int, inverted: str) -> None:
    text = HEADS[3] + SPREAD + _applied(name, f"ctrl({controls}) @ {inverted}", controls)
    assert same_up_to_phase(unitary(read_qasm(text), NOTHING, NOTHING), foreign_unitary(text)) < 1e-10


@pytest.mark.parametrize("controls", [1, 2])
def test_a_controlled_global_phase_is_a_gate(controls: int) -> None:
    text = HEADS[3] + SPREAD + f"ctrl({controls}) @ gphase(0.7) {', '.join(f'q[{k}]' for k in range(controls))};"
    wires = "q[0];" if controls == 1 else "q[0], q[1];"
    same = HEADS[3] + SPREAD + ("p(0.7) " if controls == 1 else "cp(0.7) ") + wires
    ours = unitary(read_qasm(text), NOTHING, NOTHING)
    assert same_up_to_phase(ours, foreign_unitary(same)) < 1e-10


@pytest.mark.one_fast
@pytest.mark.parametrize("seed", range(6))
def test_written_programs_with_inputs_and_weights_mean_the_same_elsewhere(seed: int) -> None:
    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, 1 + seed % 4)
    x, w = rng.normal(size=circuit.inputs), rng.normal(size=circuit.weights)
    values = {f"x{k}": v for k, v in enumerate(x)} | {f"w{k}": v for k, v in enumerate(w)}
    theirs = foreign_unitary(write_qasm(circuit), values)
    assert same_up_to_phase(unitary(circuit, x, w), theirs) < 1e-10


@pytest.mark.one_fast
@pytest.mark.parametrize("seed", range(6))
def test_written_programs_of_version_2_mean_the_same_elsewhere(seed: int) -> None:
    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, 1 + seed % 4)
    x, w = rng.normal(size=circuit.inputs), rng.normal(size=circuit.weights)
    text = write_qasm(bind(circuit, inputs=x.tolist(), weights=w.tolist()), version=2)
    for strict in (True, False):
        assert same_up_to_phase(unitary(circuit, x, w), foreign_unitary(text, strict=strict)) < 1e-10


@pytest.mark.parametrize("size", range(1, 7))
def test_a_multi_controlled_z_without_controls_is_a_network_of_parities(size: int) -> None:
    circuit = Circuit(size).add("MCZ", range(size))
    diagonal = np.ones(2**size)
    diagonal[-1] = -1
    assert same_up_to_phase(np.diag(diagonal), foreign_unitary(write_qasm(circuit, version=2))) < 1e-10


@pytest.mark.parametrize("version", [2, 3])
def test_measured_qubits_land_in_the_same_bits(version: int) -> None:
    text = write_qasm(Circuit(3).add("H", 0), version=version, measured=(2, 0))
    theirs = foreign_circuit(text)
    found = {
        theirs.find_bit(i.clbits[0]).index: theirs.find_bit(i.qubits[0]).index
        for i in theirs.data
        if i.operation.name == "measure"
    }
    assert found == {0: 2, 1: 0}
    assert read_program(text).measured == (2, 0)


GHZ = """
OPENQASM 2.0;
include "qelib1.inc";
qreg a[1]; qreg b[3]; creg c[4];
gate chain(theta, phi) p, r { u3(theta/2, -phi, pi - phi^2) p; barrier p, r; cx p, r; CX r, p; }
h a; cx a[0], b;                 // one qubit with each of a register
barrier a, b[1];
U(pi/2, 0, cos(pi/3)) b;
chain(0.3, 2*(1 + 0.25)) b[2], a[0];
measure a[0] -> c[3]; measure b -> c;
"""
QFT = """
/* a comment
   of two lines */
OPENQASM 3.1;
include "stdgates.inc";
@annotated by somebody
gate turn(θ) a, b { ctrl @ p(θ/2) a, b; inv @ s a; gphase(θ); }
qubit[3] q; qubit extra; bit[3] c;
pragma something of no concern
h q[0]; turn(π) q[1], q[0]; turn(pi/2) q[2], q[0];
h q[1]; cp(pi*1/2) q[2], q[1]; h q[2];
swap q[0], q[2]; cx q, extra; inv @ turn(-2.5 * 3) extra, q[1];
c = measure q;
"""


@pytest.mark.parametrize("text", [GHZ.replace("measure b -> c;", ""), QFT], ids=["GHZ", "QFT"])
def test_programs_of_other_hands(text: str) -> None:
    plain = "\n".join(line for line in text.splitlines() if not line.startswith(("@", "pragma")))
    ours = unitary(read_qasm(text), NOTHING, NOTHING)
    assert same_up_to_phase(ours, foreign_unitary(plain)) < 1e-10
