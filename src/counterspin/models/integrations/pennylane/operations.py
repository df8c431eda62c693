"""PennyLane operations as gates of ours: everything is decomposed until only known gates are left."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from counterspin.models.integrations.pennylane.library import pennylane
from counterspin.models.integrations.reading import Unreadable

__all__ = ["Lowered", "lowered"]

_SAME = {
    "PauliX": "X",
    "PauliY": "Y",
    "PauliZ": "Z",
    "Hadamard": "H",
    "PhaseShift": "P",
    "U1": "P",
    "ControlledPhaseShift": "CP",
    "IsingXX": "RXX",
    "IsingYY": "RYY",
    "IsingZZ": "RZZ",
} | {name: name for name in "S T SX RX RY RZ Rot U3 CNOT CZ SWAP ECR CRX CRY CRZ".split()}
# A rotation stands for a gate up to a global phase, which no measurement sees.
_FIXED = {"Adjoint(S)": ("P", -math.pi / 2), "Adjoint(T)": ("P", -math.pi / 4)}
_NOTHING = {"Identity", "GlobalPhase", "Barrier", "Snapshot", "WireCut"}
_FLIPS = {"Toffoli", "MultiControlledX"}
_GATE_SET = {*_SAME, *_FIXED, *_NOTHING, *_FLIPS, "CCZ"}


@dataclass(frozen=True, eq=False)
class Lowered:
    """One gate: kind, qubits, and its angles as the tape holds them (numbers or tensors)."""

    kind: str
    qubits: tuple[int, ...]
    angles: tuple[Any, ...] = ()


def lowered(operations: list[Any], qubits: dict[Any, int]) -> list[Lowered]:
    """The operations as gates of ours, in order; global phases are dropped.

    Args:
        operations: operations of a tape.
        qubits: our qubit of each wire.

    Raises:
        Unreadable: an operation that is no unitary gate, or has no decomposition into known gates.
    """
    qml = pennylane()
    for operation in operations:
        _check(operation)
    try:
        # What cannot be decomposed is reported by the check below, with its name.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (tape,), _ = qml.transforms.decompose(qml.tape.QuantumScript(operations), gate_set=_GATE_SET)
    except Exception as error:  # decompositions are third-party code: any failure means it cannot be read
        raise Unreadable(f"an operation could not be decomposed into gates ({error})") from error
    return [gate for operation in tape.operations for gate in _gates(operation, qubits)]


def _check(operation: Any) -> None:
    qml = pennylane()
    if isinstance(operation, qml.ops.MidMeasure | qml.ops.Conditional):
        raise Unreadable("it measures in the middle of the circuit")
    if isinstance(operation, qml.operation.Channel):
        raise Unreadable(f"it holds the noise channel {operation.name}")


def _gates(operation: Any, qubits: dict[Any, int]) -> Iterator[Lowered]:
    name, wires = operation.name, tuple(qubits[w] for w in operation.wires)
    if name in _NOTHING:
        return
    if name in _SAME:
        yield Lowered(_SAME[name], wires, tuple(operation.parameters))
    elif name in _FIXED:
        kind, angle = _FIXED[name]
        yield Lowered(kind, wires, (angle,))
    elif name == "CCZ":
        yield Lowered("MCZ", wires)
    elif name in _FLIPS:
        # X on the target is H Z H; a control on 0 is a control on 1 between two X.
        wires = (*(qubits[w] for w in operation.control_wires), qubits[operation.target_wires[0]])
        inverted = [Lowered("X", (q,)) for q, v in zip(wires, operation.control_values, strict=False) if not int(v)]
        yield from (*inverted, Lowered("H", wires[-1:]), Lowered("MCZ", wires), Lowered("H", wires[-1:]), *inverted)
    else:
        raise Unreadable(f"the operation {name} is not one of the gates known here and has no decomposition into them")
