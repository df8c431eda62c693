"""From a circuit to OpenQASM."""

from __future__ import annotations

import math
from collections import Counter

from counterspin.circuits.angles import Angle, Given, Term
from counterspin.circuits.circuit import Circuit
from counterspin.circuits.gates import Gate
from counterspin.circuits.qasm.definitions import definition, written_name
from counterspin.circuits.qasm.tokens import DIRECTIVE
from counterspin.errors import UsageError

__all__ = ["write_qasm"]


def write_qasm(circuit: Circuit, *, version: int = 3, measured: tuple[int, ...] = ()) -> str:
    """The circuit as an OpenQASM program that `read_qasm` reads back exactly and other readers accept.

    Inputs and weights in angles become `input float[64] x0;` and `w0`, which only version 3 has. Gates the standard
    files lack (`Rot`, `MCZ`, two-qubit rotations in version 3) are defined in the program. Layers and the amplitude
    encoding are written as comments that begin with `// counterspin:`; to other readers the circuit starts in |0…0⟩.

    Args:
        circuit: gates on numbers, inputs and weights.
        version: 2 or 3.
        measured: qubits to measure at the end, the first one into classical bit 0.

    Raises:
        UsageError: inputs or weights in version 2 (see `bind`), angles given as tensors or not finite, another
            version.

    Example:
        >>> print(write_qasm(Circuit(2).add("H", 0).add("CNOT", (0, 1)), version=2), end="")
        OPENQASM 2.0;
        include "qelib1.inc";
        qreg q[2];
        h q[0];
        cx q[0], q[1];
    """
    if version not in (2, 3):
        raise UsageError(f"version is {version}; OpenQASM is written in version 2 or 3.")
    lines = ["OPENQASM 2.0;", 'include "qelib1.inc";'] if version == 2 else ["OPENQASM 3.0;", 'include "stdgates.inc";']
    declarations = _declarations(circuit)
    if declarations and version == 2:
        raise UsageError(
            "the circuit has inputs or weights in gate angles, which OpenQASM 2 cannot declare; write version 3, or "
            "put numbers in their place with `bind`."
        )
    if circuit.amplitudes is not None:
        kind = " complex" if circuit.amplitudes.complex_data else ""
        lines.append(f"{DIRECTIVE} amplitudes {circuit.amplitudes.length}{kind}")
    lines += declarations
    # A dictionary: each definition once, in the order of first use.
    lines += dict.fromkeys(text for gate in circuit.gates if (text := definition(gate, version)) is not None)
    lines.append(f"qreg q[{circuit.qubits}];" if version == 2 else f"qubit[{circuit.qubits}] q;")
    if measured:
        lines.append(f"creg c[{len(measured)}];" if version == 2 else f"bit[{len(measured)}] c;")
    ends = Counter(circuit.layers)
    lines += [f"{DIRECTIVE} layer"] * ends[0]
    for position, gate in enumerate(circuit.gates, start=1):
        lines.append(_applied(gate, version))
        lines += [f"{DIRECTIVE} layer"] * ends[position]
    for bit, qubit in enumerate(measured):
        lines.append(f"measure q[{qubit}] -> c[{bit}];" if version == 2 else f"c[{bit}] = measure q[{qubit}];")
    return "\n".join(lines) + "\n"


def _declarations(circuit: Circuit) -> list[str]:
    angles = [angle for gate in circuit.gates for angle in gate.angles if isinstance(angle, Angle)]
    inputs = sorted({index for angle in angles for index in angle.inputs})
    weights = sorted({index for angle in angles for index in angle.weights})
    return [f"input float[64] x{k};" for k in inputs] + [f"input float[64] w{k};" for k in weights]


def _applied(gate: Gate, version: int) -> str:
    angles = f"({', '.join(_expression(angle) for angle in gate.angles)})" if gate.angles else ""
    return f"{written_name(gate, version)}{angles} {', '.join(f'q[{qubit}]' for qubit in gate.qubits)};"


def _expression(angle: Angle | Given) -> str:
    if isinstance(angle, Given):
        raise UsageError("a circuit with angles given as tensors cannot be written; make them inputs of the circuit.")
    parts = [_number(angle.constant)] if angle.constant or not angle.terms else []
    for term in angle.terms:
        written = _term(term)
        if parts:
            parts.append(f"- {written[1:]}" if written.startswith("-") else f"+ {written}")
        else:
            parts.append(written)
    return " ".join(parts)


def _term(term: Term) -> str:
    names = [] if term.input is None else [f"x{term.input}"]
    names += [] if term.weight is None else [f"w{term.weight}"]
    if abs(term.coefficient) == 1.0 and names:
        return ("-" if term.coefficient < 0 else "") + "*".join(names)
    return "*".join([_number(term.coefficient), *names])


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise UsageError(f"an angle holds {value}, which OpenQASM cannot write; use finite numbers.")
    mantissa, *exponent = repr(float(value)).split("e")
    # Version 2 takes an exponent only behind a decimal point.
    mantissa = mantissa if "." in mantissa else f"{mantissa}.0"
    return "e".join([mantissa, *exponent])
