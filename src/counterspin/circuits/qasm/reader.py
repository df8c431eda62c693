"""From OpenQASM to a circuit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from counterspin.circuits.circuit import Circuit
from counterspin.circuits.qasm.building import Builder
from counterspin.circuits.qasm.parser import parse
from counterspin.errors import InputError

__all__ = ["QasmProgram", "load_qasm", "read_program", "read_qasm"]


@dataclass(frozen=True, kw_only=True)
class QasmProgram:
    """What a program describes.

    Args:
        circuit: its gates; qubits are numbered in the order of their declaration, the first one most significant.
        version: 2 or 3.
        measured: measured qubits in the order of the classical bits they are stored in; empty: no measurement.
        declared: names of the declared inputs and weights.
        weights: names of the weights with their numbers, elements of arrays one by one (`w[0]`).
        notes: what comments `// counterspin: readout …`, `bounds …` and `values …` say, by their first word.
    """

    circuit: Circuit
    version: int
    measured: tuple[int, ...]
    declared: tuple[str, ...]
    weights: dict[str, int]
    notes: dict[str, str]


def read_qasm(text: str) -> Circuit:
    """The circuit of an OpenQASM 2 or 3 program.

    Gates of `qelib1.inc` and `stdgates.inc`, definitions of gates, registers, barriers and final measurements are read;
    global phases are dropped. In version 3 an `input float x2;` is input 2, `input float w3;` weight 3, and arrays `x`
    and `w` are all inputs and weights in order; a comment `// counterspin: inputs a b` or `weights c d` before the
    declarations says the same of other names. What `write_qasm` wrote comes back exactly.

    Raises:
        InputError: anything else, with line and column: syntax, unknown gates, resets, conditions, gates on measured
            qubits, angles that are not affine in inputs and weights.

    Example:
        >>> print(read_qasm('OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; h q[0]; cx q[0], q[1];').draw())
        q0: ──H──●──
        q1: ─────X──
    """
    return read_program(text).circuit


def read_program(text: str) -> QasmProgram:
    """The circuit of a program with its measured bits and declared names, as `read_qasm`."""
    program = parse(text)
    builder = Builder(program.version)
    for statement in program.statements:
        builder.add(statement)
    return QasmProgram(
        circuit=builder.circuit(),
        version=program.version,
        measured=builder.measured,
        declared=builder.declared,
        weights=builder.weights,
        notes=builder.notes,
    )


def load_qasm(path: Path) -> QasmProgram:
    """The program in a file.

    Raises:
        InputError: a file that cannot be read, or what `read_qasm` refuses, with its name.
    """
    try:
        return read_program(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise InputError(f"{path} is no UTF-8 text; give an OpenQASM 2 or 3 program.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give an OpenQASM 2 or 3 program.") from None
    except InputError as error:
        raise InputError(f"{path}, {error}") from None
