"""A circuit with channels as rotations about an axis and constant maps: what both transfer engines run.

Rotations of two qubits become a Clifford gate, a rotation of one qubit and the Clifford gate again, exactly; a channel
placed behind such a gate stays behind the whole of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
import torch

from counterspin.circuits import GATES, Angle, Circuit, Gate, Given, feature
from counterspin.errors import CapabilityError
from counterspin.noise.kraus import Placed
from counterspin.noise.pauli import superoperator_to_transfer

__all__ = ["AXES", "Constant", "Primitives", "Turn", "primitives"]

AXES = "XYZ"

# Products of cosines that should be zero.
_ROUNDING = 1e-14


@dataclass(frozen=True)
class Turn:
    """exp(-i angle/2 P) on a qubit, with P the Pauli matrix of the axis."""

    qubit: int
    axis: str
    angle: Angle


@dataclass(frozen=True, eq=False)
class Constant:
    """The same map for all samples: Pauli transfer matrix `(4**k, 4**k)` float64, first qubit most significant."""

    qubits: tuple[int, ...]
    transfer: np.ndarray


@dataclass(frozen=True, eq=False)
class Primitives:
    """What is run, first applied first.

    Args:
        steps: turns and constant maps.
        given: tensors given as gate angles; the angles name them as inputs after the circuit's own.
    """

    steps: tuple[Turn | Constant, ...]
    given: tuple[Given, ...]


def primitives(circuit: Circuit, channels: Sequence[Placed]) -> Primitives:
    """The circuit and its channels taken apart.

    Raises:
        CapabilityError: a gate that has angles and is not known here.

    Example:
        >>> from counterspin.circuits import feature
        >>> found = primitives(Circuit(2).add("RZZ", (0, 1), feature(0)), ())
        >>> [type(step).__name__ for step in found.steps]
        ['Constant', 'Turn', 'Constant']
    """
    placed: dict[int, list[Placed]] = {}
    for place in channels:
        placed.setdefault(place.after, []).append(place)
    given: list[Given] = []
    steps: list[Turn | Constant] = []
    for index in range(-1, len(circuit.gates)):
        if index >= 0:
            gate = circuit.gates[index]
            angles = [_expression(angle, given, circuit.inputs) for angle in gate.angles]
            steps += _fixed_turns(_taken_apart(gate, angles))
        steps += [Constant(p.qubits, cleaned(p.channel.transfer.numpy())) for p in placed.get(index, ())]
    return Primitives(tuple(steps), tuple(given))


def cleaned(transfer: np.ndarray) -> np.ndarray:
    """The matrix without the rounding errors of products that vanish; its first row is that of a preserved trace."""
    found = np.where(np.abs(transfer) < _ROUNDING, 0.0, transfer)
    found[0] = np.eye(1, len(found))
    return found


def _expression(angle: Angle | Given, given: list[Given], inputs: int) -> Angle:
    if isinstance(angle, Angle):
        return angle
    if not any(angle is known for known in given):
        given.append(angle)
    return feature(inputs + next(k for k, known in enumerate(given) if known is angle))


def _fixed_turns(steps: Iterator[Turn | Constant]) -> Iterator[Turn | Constant]:
    """Turns by a number are constant maps."""
    for step in steps:
        if isinstance(step, Turn) and not step.angle.terms:
            yield Constant((step.qubit,), _rotation(step.axis, step.angle.constant))
        else:
            yield step


def _taken_apart(gate: Gate, angles: list[Angle]) -> Iterator[Turn | Constant]:
    first, last = gate.qubits[0], gate.qubits[-1]
    match gate.kind:
        case "RX" | "RY" | "RZ":
            yield Turn(first, gate.kind[1], angles[0])
        case "P":
            yield Turn(first, "Z", angles[0])
        case "Rot":
            yield from (Turn(first, axis, angle) for axis, angle in zip("ZYZ", angles, strict=True))
        case "U3":
            theta, phi, lam = angles
            yield from (Turn(first, "Z", lam), Turn(first, "Y", theta), Turn(first, "Z", phi))
        case "CRX" | "CRY" | "CRZ":
            yield from _controlled(gate.qubits, gate.kind[2], angles[0])
        case "CP":
            # diag(1, 1, 1, e^{iθ}) is RZ(θ/2) on the control, then CRZ(θ), up to a phase.
            yield Turn(first, "Z", 0.5 * angles[0])
            yield from _controlled(gate.qubits, "Z", angles[0])
        case "RXX" | "RYY" | "RZZ":
            # The Clifford gates turn X₀ into X₀X₁, Y₀ into Y₀Y₁ and Z₁ into Z₀Z₁.
            around = Constant(gate.qubits, _clifford("CY" if gate.kind == "RYY" else "CNOT"))
            yield from (around, Turn(last if gate.kind == "RZZ" else first, gate.kind[1], angles[0]), around)
        case "MCZ":
            yield from _signs(gate.qubits)
        case kind if not gate.angles:
            yield Constant(gate.qubits, _clifford(kind))
        case kind:
            raise CapabilityError(f"the Pauli-transfer engine does not know gate {kind}; use engine='density'.")


def _controlled(qubits: tuple[int, ...], axis: str, angle: Angle) -> Iterator[Turn | Constant]:
    """Half the turn, and half of it backwards between two gates that reverse it where the control is 1."""
    around = Constant(qubits, _clifford("CZ" if axis == "X" else "CNOT"))
    yield from (Turn(qubits[1], axis, 0.5 * angle), around, Turn(qubits[1], axis, -0.5 * angle), around)


def _signs(qubits: tuple[int, ...]) -> Iterator[Constant]:
    r"""Multi-controlled Z: :math:`\exp(i\pi 2^{-k} \sum_S (-1)^{|S|} Z_S)` over all sets S of its k qubits."""
    if len(qubits) <= 2:
        yield Constant(qubits, _clifford("Z" if len(qubits) == 1 else "CZ"))
        return
    for size in range(1, len(qubits) + 1):
        angle = (math.pi if size % 2 else -math.pi) / 2 ** (len(qubits) - 1)
        for chosen in combinations(qubits, size):
            ladder = [Constant((q, chosen[-1]), _clifford("CNOT")) for q in chosen[:-1]]
            yield from (*ladder, Constant(chosen[-1:], _rotation("Z", angle)), *ladder)


@lru_cache(maxsize=64)
def _clifford(kind: str) -> np.ndarray:
    """Transfer matrix of a gate without angles, or of the controlled Y."""
    if kind == "CY":
        unitary = torch.eye(4, dtype=torch.complex128)
        unitary[2:, 2:] = torch.tensor([[0, -1j], [1j, 0]])
    else:
        unitary = GATES[kind].matrix(torch.zeros(0, dtype=torch.complex128))
    return cleaned(superoperator_to_transfer(torch.kron(unitary, unitary.conj())).numpy())


def _rotation(axis: str, angle: float) -> np.ndarray:
    a, b = {"X": (2, 3), "Y": (3, 1), "Z": (1, 2)}[axis]
    found = np.eye(4)
    found[[a, b], [a, b]] = math.cos(angle)
    found[b, a], found[a, b] = math.sin(angle), -math.sin(angle)
    return cleaned(found)
