"""What programs of other hands mean: registers, parameters, definitions, measurements."""

import pytest

from counterspin.circuits import Amplitudes, Angle, Circuit, Gate, feature, weight
from counterspin.circuits.qasm import load_qasm, read_program, read_qasm

TWO = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'
THREE = 'OPENQASM 3;\ninclude "stdgates.inc";\n'


def gates(text: str) -> list[str]:
    return [str(gate) for gate in read_qasm(text).gates]


def test_bell() -> None:
    expected = Circuit(2).add("H", 0).add("CNOT", (0, 1))
    assert read_qasm(TWO + "qreg q[2]; creg c[2]; h q[0]; cx q[0],q[1]; measure q -> c;") == expected
    assert read_qasm(THREE + "qubit[2] q; bit[2] c; h q[0]; cx q[0],q[1]; c = measure q;") == expected


def test_qubits_are_numbered_in_the_order_of_their_registers() -> None:
    circuit = read_qasm(TWO + "qreg b[2]; qreg a[1]; x a[0]; cz b[1], a[0];")
    assert circuit == Circuit(3).add("X", 2).add("CZ", (1, 2))


def test_gates_on_registers_act_on_their_qubits_in_turn() -> None:
    assert gates(TWO + "qreg a[2]; qreg b[2]; h a; cx a, b; cx a[1], b;") == [
        *("H q0", "H q1"),
        *("CNOT q0,q2", "CNOT q1,q3"),
        *("CNOT q1,q2", "CNOT q1,q3"),
    ]


def test_measured_qubits_come_in_the_order_of_the_classical_bits() -> None:
    text = THREE + "bit last; qubit[3] q; bit[2] c; c[1] = measure q[0]; measure q[2] -> last; c[0] = measure q[1];"
    assert read_program(text).measured == (2, 1, 0)
    assert read_program(TWO + "qreg q[1];").measured == ()


def test_gates_on_other_qubits_may_follow_a_measurement() -> None:
    assert gates(TWO + "qreg q[2]; creg c[2]; measure q[0] -> c[0]; x q[1];") == ["X q1"]


@pytest.mark.parametrize(
    ("declared", "angle", "expected"),
    [
        ("input float[64] x3; input float w0;", "x3*w0 + pi", feature(3) * weight(0) + 3.141592653589793),
        ("input array[float[64], 4] x; input angle[32] w1;", "2*x[2] - w1/4", 2.0 * feature(2) - 0.25 * weight(1)),
        ("// counterspin: weights theta\ninput float theta;", "-theta", -weight(0)),
        (
            "// counterspin: inputs a b\ninput array[float, 2] a; input float b;",
            "(a[1] + b)*3",
            3.0 * feature(1) + 3.0 * feature(2),
        ),
    ],
)
def test_declared_inputs_and_weights(declared: str, angle: str, expected: Angle) -> None:
    circuit = read_qasm(f"{THREE}{declared}\nqubit q; rx({angle}) q;")
    assert circuit.gates == (Gate("RX", (0,), (expected,)),)


def test_declared_names_are_told() -> None:
    assert read_program(THREE + "input float x0; input array[float, 2] w; qubit q;").declared == ("x0", "w")


def test_definitions_are_expanded_with_their_own_names() -> None:
    text = TWO + "gate inner(x) a { rx(2*x) a; } gate outer(y, z) a, b { inner(y - z) b; cx b, a; barrier a; }"
    assert gates(text + "qreg q[2]; outer(3, 1) q[0], q[1];") == ["RX(4) q1", "CNOT q1,q0"]


def test_inputs_pass_through_definitions() -> None:
    text = THREE + "gate twice(t) a { ry(t/2) a; ry(t/2) a; } input float x0; qubit q; twice(1 + x0) q;"
    assert gates(text) == ["RY(0.5 + 0.5·x0) q0"] * 2


def test_a_definition_takes_the_place_of_a_standard_gate() -> None:
    assert gates(TWO + "gate h a { x a; } qreg q[1]; h q[0];") == ["X q0"]


def test_the_inverse_of_a_defined_gate() -> None:
    text = THREE + "gate g(t) a, b { s a; u3(t, 1, 2) b; cx a, b; t b; } qubit[2] q; inv @ g(0.5) q[0], q[1];"
    expected = ["P(-0.785) q1", "CNOT q0,q1", "U3(-0.5, -2, -1) q1", "P(-1.57) q0"]
    assert gates(text) == expected
    assert gates(text.replace("inv @", "inv @ inv @ inv @")) == expected


def test_a_gate_that_only_bears_the_name_of_one_of_ours_is_what_it_says() -> None:
    text = "gate rot(alpha, beta, gamma) q { rz(alpha) q; ry(beta) q; rz(alpha) q; } qubit q; rot(1, 2, 3) q;"
    assert gates(THREE + text) == ["RZ(1) q0", "RY(2) q0", "RZ(1) q0"]
    ours = text.replace("rz(alpha) q; }", "rz(gamma)  q;\n}")
    assert gates(THREE + ours) == ["Rot(1, 2, 3) q0"]


def test_comments_for_us_describe_encoding_and_layers() -> None:
    text = "// counterspin: amplitudes 3 complex\nqubit[2] q;\nh q[0];\n// counterspin: layer\nh q[1];\n"
    assert read_qasm(THREE + text) == Circuit(2, amplitudes=Amplitudes(3, True)).add("H", 0).end_layer().add("H", 1)


def test_comments_pragmas_and_annotations_say_nothing() -> None:
    text = (
        "/* x\n*/ OPENQASM 3.0; // y\n#pragma a b;\npragma c\n@bound 3\nqubit q; @x\nbarrier q; U(0.1, 0.2, 0.3) q;\n"
    )
    assert gates(text) == ["U3(0.1, 0.2, 0.3) q0"]


def test_a_global_phase_is_dropped() -> None:
    assert gates(THREE + "qubit q; gphase(pi/3); x q;") == ["X q0"]


@pytest.mark.slow
def test_long_sums_do_not_run_out_of_stack() -> None:
    assert gates(TWO + f"qreg q[1]; rx({'+'.join(['0.5'] * 2_000)}) q[0];") == ["RX(1e+03) q0"]


def test_a_file_and_the_errors_of_files(tmp_path) -> None:
    path = tmp_path / "bell.qasm"
    path.write_text(TWO + "qreg q[1]; h q[0];")
    assert load_qasm(path).circuit == Circuit(1).add("H", 0)
    with pytest.raises(Exception, match=r"none\.qasm cannot be read \(No such file or directory\)"):
        load_qasm(tmp_path / "none.qasm")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(Exception, match="no UTF-8 text"):
        load_qasm(path)
    path.write_text(TWO + "qreg q[1];\nfoo q[0];")
    with pytest.raises(Exception, match=r"bell\.qasm, line 4, column 1: gate 'foo' is unknown"):
        load_qasm(path)


def test_what_is_said_of_the_circuit_as_a_model_is_kept() -> None:
    program = read_program(
        "OPENQASM 3.0;\n// counterspin: readout P[0,1]: 00 11 |  01 10\n// counterspin: bounds 0 1\n"
        "input float x0; input array[float[64], 2] w; qubit[2] q; U(x0 + w[1], w[0], 0) q[1];\n"
        "// counterspin: values w=0.1,0.2\n"
    )
    assert program.notes == {"readout": "P[0,1]: 00 11 | 01 10", "bounds": "0 1", "values": "w=0.1,0.2"}
    assert program.weights == {"w[0]": 0, "w[1]": 1}
    assert program.declared == ("x0", "w")
