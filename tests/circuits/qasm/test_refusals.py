"""Every refusal is one sentence that says where, what, and what is allowed."""

import pytest
import torch

from counterspin.circuits import Circuit, Given, feature
from counterspin.circuits.qasm import expansion, read_qasm, write_qasm
from counterspin.errors import InputError, UsageError

TWO = 'OPENQASM 2.0; include "qelib1.inc"; qreg q[3]; creg c[3];\n'
THREE = 'OPENQASM 3.0; include "stdgates.inc"; qubit[3] q; bit[3] c;\n'

TELEPORT = TWO + "h q[1];\ncx q[1], q[2];\ncx q[0], q[1];\nh q[0];\nmeasure q[0] -> c[0];\nif (c == 1) z q[2];\n"


@pytest.mark.one_fast
@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("h q[0];", "line 1, column 1", "expected 'OPENQASM'"),
        ("OPENQASM 4.0;", "line 1, column 10", "version '4.0' found; OpenQASM 2.0, 3.0 and 3.1 are read"),
        (TELEPORT, "line 7, column 1", "depends on measured bits"),
        (TWO + "measure q[0] -> c[0];\nx q[0];", "line 3, column 1", "'x' acts on qubit 0, which is measured before"),
        (TWO + "measure q[0] -> c[0]; measure q[0] -> c[1];", "line 2, column 23", "measured before"),
        (TWO + "measure q[0] -> c[0]; measure q[1] -> c[0];", "line 2, column 23", "bit 0 is written twice"),
        (TWO + "measure q -> c[0];", "line 2, column 1", "3 qubits measured into 1 bits"),
        (TWO + "measure c -> q;", "line 2, column 9", "'c' is no quantum register; declared: q"),
        (TWO + "reset q[0];", "line 2, column 1", "a reset found; allowed are include, qreg"),
        (TWO + "opaque g a;", "line 2, column 1", "an opaque gate"),
        (TWO + "qubit[2] r;", "line 2, column 6", "'[' found; expected a qubit or a register"),
        (THREE + "input float x0; rx(2**x0) q[0];", "line 2, column 21", "a power to an input"),
        (THREE + "for int i in [0:2] { h q[i]; }", "line 2, column 1", "'for' found; allowed are include, qubit"),
        (THREE + "pow(2) @ x q[0];", "line 2, column 1", "modifier 'pow' found; allowed are ctrl"),
        (THREE + "ctrl @ u3(1,2,3) q[0], q[1];", "line 2, column 8", "gate u3 under 1 control found"),
        (THREE + "ctrl(0) @ x q[0];", "line 2, column 1", "0 controls"),
        (THREE + "h q[0:1];", "line 2, column 6", "expected ']'"),
        (THREE + "h $0;", "line 2, column 3", "'$' found"),
        (THREE + "c[0] = q[0];", "line 2, column 8", "only measurements are assigned"),
        (THREE + "input int n;", "line 2, column 7", "type 'int' of an input found"),
        (THREE + "input float theta;", "line 2, column 13", "says neither feature nor weight; name features x0"),
        (THREE + "input float x0; input array[float, 2] x;", "line 2, column 39", "has the number of another"),
        (THREE + "input float x0; input float x0;", "line 2, column 29", "declared twice"),
        (THREE + "input float x0; rx(x0*x0) q[0];", "line 2, column 22", "not affine"),
        (THREE + "input float x0; rx(sin(x0)) q[0];", "line 2, column 20", "sin of an input or weight"),
        (THREE + "input float x0; rx(1/x0) q[0];", "line 2, column 21", "a division by an input"),
        (THREE + "input float x0; rx(x0**2) q[0];", "line 2, column 22", "a power of an input"),
        (THREE + "rx(x0) q[0];", "line 2, column 4", "'x0' is no known parameter or input; known here: pi"),
        (THREE + "rx(1/2) q[0];", "line 2, column 5", "write 1.0/2"),
        (THREE + "rx(2^2) q[0];", "line 2, column 5", "a power is written **"),
        (TWO + "rx(2**2) q[0];", "line 2, column 5", "a power is written ^"),
        (TWO + "rx(1/0) q[0];", "line 2, column 5", "a division by zero"),
        (TWO + "rx(sqrt(-1)) q[0];", "line 2, column 4", "sqrt(-1) has no finite real value"),
        (TWO + "rx(exp(1000)) q[0];", "line 2, column 4", "no finite real value"),
        (TWO + "rx((-2)^0.5) q[0];", "line 2, column 8", "not a finite real number"),
        (TWO + "rx(10.0^400) q[0];", "line 2, column 8", "not a finite real number"),
        (TWO + "rx(1e999) q[0];", "line 2, column 4", "too large for a float"),
        (TWO + "rx(" + "9" * 5000 + ") q[0];", "line 2, column 4", "an integer of 5000 digits"),
        (TWO + "rx(foo(1)) q[0];", "line 2, column 4", "'foo' is no known function; known: sin"),
        (TWO + "rx(" + "(" * 5000 + "1" + ")" * 5000 + ") q[0];", "line 2, column", "more than 100 deep"),
        (TWO + "rx(" + "-" * 5000 + "1) q[0];", "line 2, column", "more than 100 deep"),
        (TWO + "rx q[0];", "line 2, column 1", "gate rx with 0 angles found; it takes 1"),
        (TWO + "cx q[0];", "line 2, column 1", "gate cx with 1 qubits found; it takes 2"),
        (TWO + "cx q[0], q[0];", "line 2, column 1", "on one qubit twice"),
        (TWO + "x q[3];", "line 2, column 3", "index 3 of register 'q' found; allowed: 0 to 2"),
        (TWO + "x r[0];", "line 2, column 3", "'r' is no quantum register; declared: q"),
        (TWO + "qreg q[2];", "line 2, column 6", "'q' is declared twice"),
        (TWO + "qreg r[0];", "line 2, column 6", "size 0"),
        (TWO + "qreg r[2]; cx q, r;", "line 2, column 12", "registers of 3, 2 qubits"),
        (TWO + "foo q[0];", "line 2, column 1", "gate 'foo' is unknown; known here: CX, U, c3x"),
        ("OPENQASM 2.0;\nqreg q[1];\nh q[0];", "line 3, column 1", "gate 'h' is unknown; define it or include \"qel"),
        (
            TWO + 'include "mine.inc";',
            "line 2, column 1",
            "include of 'mine.inc' found; files that are read: qelib1.inc",
        ),
        (TWO + "gate g a { g a; }", "line 2, column 12", "gate 'g' is unknown"),
        (TWO + "gate g a { x b; } g q[0];", "line 2, column 14", "'b' is no qubit of the gate; its qubits: a"),
        (TWO + "gate g a, a { }", "line 2, column 11", "a qubit 'a' is named twice"),
        (TWO + "gate g a { reset a; }", "line 2, column 12", "a gate consists of gates only"),
        (TWO + "gate g a { measure a; }", "line 2, column 12", "a gate consists of gates only"),
        (TWO + "gate g a { x a; } gate g a { }", "line 2, column 24", "gate 'g' is known before"),
        (TWO + "h q; gate h a { x a; }", "line 2, column 11", "gate 'h' is known before"),
        (TWO + "x q[0]", "line 2, column 7", "the end of the program found; expected ';'"),
        (TWO + "x q[0]; ?", "line 2, column 9", "'?' begins no OpenQASM token"),
        (TWO + "/* x q[0];", "line 2, column 1", "found; expected a statement"),
        (TWO + "// counterspin: nonsense", "line 2, column 1", "directive 'nonsense' found; allowed: layer"),
        (THREE + "x(1) q[0];", "line 2, column 1", "gate x with 1 angles found; it takes 0"),
    ],
)
def test_what_cannot_be_read(text: str, place: str, what: str) -> None:
    with pytest.raises(InputError) as caught:
        read_qasm(text)
    message = str(caught.value)
    assert message.startswith(place), message
    assert what in message, message
    assert message.endswith(".")
    assert "\n" not in message


@pytest.mark.slow
def test_short_programs_that_stand_for_endless_circuits_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expansion, "_MOST_GATES", 2_000)  # not to wait for the real ones
    levels = "".join(f"gate g{k + 1} a {{ g{k} a; g{k} a; }}\n" for k in range(40))
    with pytest.raises(InputError, match="more than 2,000 gates"):
        read_qasm(TWO + "gate g0 a { }\n" + levels + "g40 q[0];")
    chain = "".join(f"gate g{k + 1} a {{ g{k} a; }}\n" for k in range(200))
    with pytest.raises(InputError, match="more than 100 deep"):
        read_qasm(TWO + "gate g0 a { x a; }\n" + chain + "g200 q[0];")
    with pytest.raises(InputError, match="more than 2,000 gates"):
        read_qasm('OPENQASM 2.0; include "qelib1.inc"; qreg q[100000000000]; h q;')


def test_programs_without_a_circuit() -> None:
    with pytest.raises(InputError, match="declares no qubits"):
        read_qasm("OPENQASM 2.0;")
    with pytest.raises(InputError, match="describes no circuit: amplitude encoding of 9 values does not fit 3 qubits"):
        read_qasm(TWO + "// counterspin: amplitudes 9\n")


def test_circuits_that_cannot_be_written() -> None:
    with pytest.raises(UsageError, match="OpenQASM 2 cannot declare; write version 3"):
        write_qasm(Circuit(1).add("RX", 0, feature(0)), version=2)
    with pytest.raises(UsageError, match="given as tensors cannot be written"):
        write_qasm(Circuit(1).add("RX", 0, Given(torch.tensor(0.5))))
    with pytest.raises(UsageError, match="an angle holds inf"):
        write_qasm(Circuit(1).add("RX", 0, float("inf")))
    with pytest.raises(UsageError, match="version is 4"):
        write_qasm(Circuit(1), version=4)
    with pytest.raises(UsageError, match="on 11 qubits takes 2048 gates in OpenQASM 2"):
        write_qasm(Circuit(11).add("MCZ", range(11)), version=2)
