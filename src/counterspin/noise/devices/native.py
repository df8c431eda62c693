"""Gates in terms of what devices have: RZ by the clock, SX pulses, and CNOT, CZ or ECR between neighbours."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from counterspin.circuits import Angle, Circuit, Gate, Given
from counterspin.errors import UsageError
from counterspin.noise.devices.snapshot import Snapshot

__all__ = ["cancelled", "coupled", "reduced"]

_QUARTER = math.pi / 2
_LARGEST_MCZ = 3


def reduced(circuit: Circuit) -> list[Gate]:
    """The circuit in RZ, SX and CNOT, up to a global phase; angles stay the expressions or tensors they are.

    Rotations of one qubit take two SX, SWAP takes three CNOT, every two-qubit rotation two, a Z controlled twice six.

    Raises:
        UsageError: a multi-controlled Z on more than 3 qubits.

    Example:
        >>> [gate.kind for gate in reduced(Circuit(1).add("RY", 0, 0.3))]
        ['SX', 'RZ', 'RZ', 'SX', 'RZ']
    """
    return [part for gate in circuit.gates for part in _reduced(gate)]


def cancelled(gates: Sequence[Gate]) -> list[Gate]:
    """The gates without pairs of equal CNOT that nothing separates; RZ, SX, X and CNOT only.

    Gates that commute with the CNOT do not separate: RZ on its control, SX and X on its target, CNOT that share one.

    Example:
        >>> twice = Circuit(2).add("CNOT", (0, 1)).add("RZ", 0, 0.1).add("CNOT", (0, 1))
        >>> [gate.kind for gate in cancelled(twice.gates)]
        ['RZ']
    """
    kept: list[Gate] = []
    for gate in gates:
        partner = _partner(kept, gate) if gate.kind == "CNOT" else None
        if partner is None:
            kept.append(gate)
        else:
            kept.pop(partner)
    return kept


def coupled(gates: Sequence[Gate], device: Snapshot) -> list[Gate]:
    """The gates with every CNOT written by what the device has between its two qubits.

    Args:
        gates: RZ, SX, X and CNOT.
        device: its qubits numbered as those of the gates.

    Raises:
        UsageError: two qubits without a working gate between them.
    """
    found: list[Gate] = []
    for gate in gates:
        if gate.kind == "CNOT":
            found += _coupled(gate.qubits[0], gate.qubits[1], *device.entangler(*gate.qubits))
        else:
            found.append(gate)
    return found


def _reduced(gate: Gate) -> Iterator[Gate]:
    first, last = gate.qubits[0], gate.qubits[-1]
    match gate.kind:
        case "RZ" | "P":
            yield _rz(first, gate.angles[0])
        case "Z" | "S" | "T":
            yield _rz(first, {"Z": math.pi, "S": _QUARTER, "T": _QUARTER / 2}[gate.kind])
        case "SX":
            yield gate
        case "X":
            yield from _pulses(first, 2)
        case "Y":
            yield from (*_pulses(first, 2), _rz(first, math.pi))
        case "H":
            yield from _hadamard(first)
        case "RX":
            yield from (_rz(first, _QUARTER), *_ry(first, gate.angles[0]), _rz(first, -_QUARTER))
        case "RY":
            yield from _ry(first, gate.angles[0])
        case "Rot":
            phi, theta, omega = gate.angles
            yield from (_rz(first, phi), *_ry(first, theta), _rz(first, omega))
        case "U3":
            theta, phi, lam = gate.angles
            yield from (_rz(first, lam), *_ry(first, theta), _rz(first, phi))
        case "CNOT":
            yield gate
        case "CZ":
            yield from (*_hadamard(last), Gate("CNOT", gate.qubits), *_hadamard(last))
        case "ECR":
            quarters = (_rz(first, _QUARTER), *_pulses(first, 2), *_pulses(last, 1))
            yield from (Gate("CNOT", gate.qubits), *quarters)
        case "SWAP":
            yield from (Gate("CNOT", (first, last)), Gate("CNOT", (last, first)), Gate("CNOT", (first, last)))
        case "CRX":
            yield from (*_hadamard(last), *_crz(first, last, gate.angles[0]), *_hadamard(last))
        case "CRY":
            yield from (*_pulses(last, 1), *_crz(first, last, gate.angles[0]), *_unpulse(last))
        case "CRZ":
            yield from _crz(first, last, gate.angles[0])
        case "CP":
            yield from (_rz(first, _scaled(gate.angles[0], 0.5)), *_crz(first, last, gate.angles[0]))
        case "RXX":
            turned = (*_hadamard(first), *_hadamard(last))
            yield from (*turned, *_rzz(first, last, gate.angles[0]), *turned)
        case "RYY":
            yield from (*_pulses(first, 1), *_pulses(last, 1))
            yield from _rzz(first, last, gate.angles[0])
            yield from (*_unpulse(first), *_unpulse(last))
        case "RZZ":
            yield from _rzz(first, last, gate.angles[0])
        case _:
            yield from _multi_controlled_z(gate.qubits)


def _multi_controlled_z(qubits: tuple[int, ...]) -> Iterator[Gate]:
    if len(qubits) > _LARGEST_MCZ:
        raise UsageError(
            f"a multi-controlled Z on {len(qubits)} qubits has no device translation here; write it in gates on up to "
            f"{_LARGEST_MCZ} qubits."
        )
    if len(qubits) == 1:
        yield _rz(qubits[0], math.pi)
    elif len(qubits) == 2:
        yield from _reduced(Gate("CZ", qubits))
    else:
        a, b, c = qubits
        eighth = _QUARTER / 2
        for control, angle in ((b, -eighth), (a, eighth), (b, -eighth), (a, eighth)):
            yield from (Gate("CNOT", (control, c)), _rz(c, angle))
        yield from (_rz(b, eighth), Gate("CNOT", (a, b)), _rz(a, eighth), _rz(b, -eighth), Gate("CNOT", (a, b)))


def _coupled(control: int, target: int, kind: str, order: tuple[int, int]) -> Iterator[Gate]:
    """A CNOT by the device's gate."""
    native = Gate(kind, order)
    if kind == "CZ":
        yield from (*_hadamard(target), native, *_hadamard(target))
    elif order != (control, target):
        # Hadamard gates on both sides let control and target change places.
        turned = (*_hadamard(control), *_hadamard(target))
        yield from (*turned, *_coupled(target, control, kind, order), *turned)
    elif kind == "CNOT":
        yield native
    else:
        yield from (native, *_pulses(control, 2), _rz(control, -_QUARTER), *_unpulse(target))


def _partner(kept: list[Gate], gate: Gate) -> int | None:
    """Position of the last equal CNOT if all that follows it commutes with it."""
    control, target = gate.qubits
    for position in range(len(kept) - 1, -1, -1):
        other = kept[position]
        if other == gate:
            return position
        on_control = (
            control not in other.qubits or other.kind == "RZ" or (other.kind, other.qubits[0]) == ("CNOT", control)
        )
        on_target = (
            target not in other.qubits
            or other.kind in ("SX", "X")
            or (other.kind, other.qubits[-1]) == ("CNOT", target)
        )
        if not (on_control and on_target):
            return None
    return None


def _rz(qubit: int, angle: Angle | Given | float) -> Gate:
    return Gate("RZ", (qubit,), (angle if isinstance(angle, Angle | Given) else Angle(angle),))


def _pulses(qubit: int, count: int) -> tuple[Gate, ...]:
    return (Gate("SX", (qubit,)),) * count


def _unpulse(qubit: int) -> tuple[Gate, ...]:
    return (_rz(qubit, math.pi), *_pulses(qubit, 1), _rz(qubit, math.pi))


def _hadamard(qubit: int) -> tuple[Gate, ...]:
    return (_rz(qubit, _QUARTER), *_pulses(qubit, 1), _rz(qubit, _QUARTER))


def _ry(qubit: int, angle: Angle | Given) -> tuple[Gate, ...]:
    # π in a gate of its own: nothing can be added to a tensor.
    turns = (_rz(qubit, angle), _rz(qubit, math.pi))
    return (*_pulses(qubit, 1), *turns, *_pulses(qubit, 1), _rz(qubit, math.pi))


def _rzz(first: int, last: int, angle: Angle | Given) -> tuple[Gate, ...]:
    flip = Gate("CNOT", (first, last))
    return (flip, _rz(last, angle), flip)


def _crz(control: int, target: int, angle: Angle | Given) -> tuple[Gate, ...]:
    flip = Gate("CNOT", (control, target))
    return (_rz(target, _scaled(angle, 0.5)), flip, _rz(target, _scaled(angle, -0.5)), flip)


def _scaled(angle: Angle | Given, factor: float) -> Angle | Given:
    return Given(angle.value * factor) if isinstance(angle, Given) else angle * factor
