"""Qiskit circuits as sequences of known gates: composite instructions opened, measurements taken apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from counterspin.models.integrations.reading import Unreadable

__all__ = ["Encoding", "NotUnitary", "Operation", "Unrolled", "unroll"]

_STANDARD = ("qiskit.circuit.library.", "qiskit.circuit.measure", "qiskit.circuit.reset", "qiskit_machine_learning.")
_DROPPED = {"barrier", "delay", "id", "global_phase"}
_QUARTER, _HALF = math.pi / 4, math.pi / 2


class NotUnitary(Unreadable):
    """A circuit with random outcomes in its middle: state vectors of it are random too, so it is not wrapped either."""


@dataclass(frozen=True, eq=False)
class Operation:
    """One gate by our name; its angles are numbers or Qiskit parameter expressions."""

    kind: str
    qubits: tuple[int, ...]
    angles: tuple[Any, ...] = ()


@dataclass(frozen=True, eq=False)
class Encoding:
    """Amplitudes that depend on parameters: entry k belongs to the outcome whose bit b is read at `qubits[b]`."""

    amplitudes: tuple[Any, ...]
    qubits: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Unrolled:
    """A circuit of known gates.

    Args:
        qubits: number of qubits.
        operations: gates, first applied first.
        encoding: amplitude encoding at the start, if any.
        measured: qubit by classical bit, of the measurements at the end.
    """

    qubits: int
    operations: tuple[Operation, ...]
    encoding: Encoding | None
    measured: dict[int, int]

    @property
    def touched(self) -> frozenset[int]:
        """Qubits any gate acts on; the others stay in |0⟩."""
        used = {q for operation in self.operations for q in operation.qubits}
        return frozenset(used | set(self.encoding.qubits if self.encoding else ()))


Rule = Callable[[tuple[int, ...], list[Any]], list[Operation]]


def _gate(kind: str, *angles: float) -> Rule:
    """One of our gates with the angles of Qiskit's, or with fixed ones."""
    return lambda qubits, parameters: [Operation(kind, qubits, angles or tuple(parameters))]


def _sandwich(before: Operation, inner: str, after: Operation) -> Rule:
    """A gate between two others on its last qubit."""

    def rule(qubits: tuple[int, ...], parameters: list[Any]) -> list[Operation]:
        ends = [Operation(o.kind, (qubits[-1],), o.angles) for o in (before, after)]
        return [ends[0], Operation(inner, qubits, tuple(parameters)), ends[1]]

    return rule


_H = Operation("H", (0,))
_FLIPPED = _sandwich(_H, "MCZ", _H)
_RULES: dict[str, Rule] = {
    "x": _gate("X"),
    "y": _gate("Y"),
    "z": _gate("Z"),
    "h": _gate("H"),
    "s": _gate("S"),
    "t": _gate("T"),
    "sdg": _gate("P", -_HALF),
    "tdg": _gate("P", -_QUARTER),
    "sx": _gate("SX"),
    # Up to a global phase, which no measurement sees; controlled ones come by other names.
    "sxdg": _gate("RX", -_HALF),
    "rx": _gate("RX"),
    "ry": _gate("RY"),
    "rz": _gate("RZ"),
    "p": _gate("P"),
    "u1": _gate("P"),
    "u": _gate("U3"),
    "u3": _gate("U3"),
    "u2": lambda qubits, p: [Operation("U3", qubits, (_HALF, p[0], p[1]))],
    "r": lambda qubits, p: [Operation("U3", qubits, (p[0], p[1] - _HALF, _HALF - p[1]))],
    "cx": _gate("CNOT"),
    "cy": _sandwich(Operation("P", (0,), (-_HALF,)), "CNOT", Operation("S", (0,))),
    "cz": _gate("CZ"),
    "swap": _gate("SWAP"),
    "ecr": _gate("ECR"),
    "crx": _gate("CRX"),
    "cry": _gate("CRY"),
    "crz": _gate("CRZ"),
    "cp": _gate("CP"),
    "cu1": _gate("CP"),
    "rxx": _gate("RXX"),
    "ryy": _gate("RYY"),
    "rzz": _gate("RZZ"),
    "rzx": _sandwich(_H, "RZZ", _H),
    "ccz": _gate("MCZ"),
    "ccx": _FLIPPED,
    "mcx": _FLIPPED,
}


def unroll(circuit: Any) -> Unrolled:
    """A Qiskit circuit as gates we know.

    Standard gates are taken as they are, every other instruction is replaced by its definition. Barriers, delays and
    global phases are dropped, measurements at the end noted. Qiskit's qubit k is qubit k here.

    Raises:
        NotUnitary: resets, measurements in the middle, control flow, amplitudes of features after other gates, by name.
        Unreadable: an instruction without a definition, by name.
    """
    operations: list[Operation] = []
    encoding: Encoding | None = None
    measured: dict[int, int] = {}
    touched: set[int] = set()
    for name, gate, qubits, clbits in _instructions(circuit):
        if name == "measure":
            measured[clbits[0]] = qubits[0]
            continue
        fresh = touched.isdisjoint(qubits)
        if name == "reset" and fresh and not set(qubits) & set(measured.values()):
            continue
        if set(qubits) & set(measured.values()):
            raise NotUnitary(f"{name!r} acts on qubit {qubits[0]} after its measurement; measure at the end only")
        if name == "ParameterizedInitialize":
            if operations or encoding is not None:
                raise NotUnitary("its feature amplitudes are set after other gates; encode amplitudes first")
            encoding = Encoding(tuple(gate.params), qubits)
        elif name == "reset":
            raise NotUnitary(f"it resets qubit {qubits[0]} after other gates; take another qubit instead")
        else:
            operations += _RULES[name](qubits, list(gate.params))
        touched.update(qubits)
    return Unrolled(
        qubits=circuit.num_qubits,
        operations=tuple(operations),
        encoding=encoding,
        measured=dict(sorted(measured.items())),
    )


def _instructions(circuit: Any) -> Iterator[tuple[str, Any, tuple[int, ...], tuple[int, ...]]]:
    """Known instructions of a circuit in order: name, operation, qubits, classical bits."""
    stack = [iter(_numbered(circuit, range(circuit.num_qubits), range(circuit.num_clbits)))]
    while stack:
        entry = next(stack[-1], None)
        if entry is None:
            stack.pop()
            continue
        operation, qubits, clbits = entry
        name = operation.name
        if name in _DROPPED:
            continue
        # A gate of the user may bear a known name and be something else.
        standard = str(getattr(operation, "base_class", type(operation)).__module__).startswith(_STANDARD)
        if standard and (name in _RULES or name in ("measure", "reset", "ParameterizedInitialize")):
            yield name, operation, qubits, clbits
            continue
        definition = _definition(operation)
        stack.append(iter(_numbered(definition, qubits, clbits)))


def _numbered(circuit: Any, qubits: Any, clbits: Any) -> Iterator[tuple[Any, tuple[int, ...], tuple[int, ...]]]:
    wires = {bit: qubits[index] for index, bit in enumerate(circuit.qubits)}
    classical = {bit: clbits[index] for index, bit in enumerate(circuit.clbits)}
    for entry in circuit.data:
        yield entry.operation, tuple(wires[q] for q in entry.qubits), tuple(classical[c] for c in entry.clbits)


def _definition(operation: Any) -> Any:
    if getattr(operation, "blocks", ()):
        raise NotUnitary(f"it branches on measured bits ({operation.name!r}); only circuits without control flow")
    definition = getattr(operation, "definition", None) or _synthesised(operation)
    if definition is None:
        raise Unreadable(
            f"instruction {operation.name!r} has no definition in known gates; transpile the circuit first"
        )
    return definition


def _synthesised(operation: Any) -> Any | None:
    """What the transpiler makes of an operation that has no definition, such as an annotated one; None: nothing."""
    from qiskit import QuantumCircuit, transpile
    from qiskit.exceptions import QiskitError

    circuit = QuantumCircuit(operation.num_qubits, operation.num_clbits)
    circuit.append(operation, circuit.qubits, circuit.clbits)
    try:
        return transpile(circuit, basis_gates=["u", "p", "rx", "ry", "rz", "cx"], optimization_level=0)
    except QiskitError:
        return None
