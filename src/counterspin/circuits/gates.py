"""The gate set: matrices, and the frequencies that give each angle its exact shift rule."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.circuits.angles import Angle, Given
from counterspin.errors import UsageError

__all__ = ["GATES", "Gate", "GateKind"]

Matrix = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class GateKind:
    """One kind of gate.

    Args:
        name: short name, as in a drawing.
        qubits: how many qubits it acts on; 0: any number.
        frequencies: for each angle, the positive frequencies of an expectation value as a function of that angle,
            multiples of the smallest. `(1,)` gives the two-term shift rule, `(½, 1)` (controlled rotations) the
            four-term rule (Wierichs et al., arXiv:2107.12390).
        matrix: angles `(..., angles)` (complex dtype) -> matrices `(..., 2**qubits, 2**qubits)`, the first qubit most
            significant.
        permutation: the gate permutes basis states.
        diagonal: the gate is diagonal.
    """

    name: str
    qubits: int
    frequencies: tuple[tuple[float, ...], ...]
    matrix: Matrix
    permutation: bool = False
    diagonal: bool = False

    @property
    def angles(self) -> int:
        """How many angles it takes."""
        return len(self.frequencies)


@dataclass(frozen=True)
class Gate:
    """One gate of a circuit: its kind, the qubits it acts on (controls first), its angles."""

    kind: str
    qubits: tuple[int, ...]
    angles: tuple[Angle | Given, ...] = ()

    def __post_init__(self) -> None:
        """Refuse unknown kinds and wrong numbers of qubits or angles."""
        if self.kind not in GATES:
            raise UsageError(f"gate {self.kind!r} is unknown; known gates: {', '.join(GATES)}.")
        kind = GATES[self.kind]
        if (kind.qubits and len(self.qubits) != kind.qubits) or not self.qubits:
            raise UsageError(f"gate {self.kind} acts on {kind.qubits or 'one or more'} qubits; got {self.qubits}.")
        if len(set(self.qubits)) != len(self.qubits) or min(self.qubits) < 0:
            raise UsageError(f"gate {self.kind} got qubits {self.qubits}; give distinct indices from 0.")
        if len(self.angles) != kind.angles:
            raise UsageError(f"gate {self.kind} takes {kind.angles} angles; got {len(self.angles)}.")

    def __str__(self) -> str:
        """For example `RX(3.14·x0) q2`."""
        angles = f"({', '.join(str(a) for a in self.angles)})" if self.angles else ""
        return f"{self.kind}{angles} " + ",".join(f"q{q}" for q in self.qubits)


def _constant(rows: list[list[complex]]) -> Matrix:
    def matrix(angles: Tensor) -> Tensor:
        fixed = torch.tensor(rows, dtype=angles.dtype, device=angles.device)
        return fixed.expand(*angles.shape[:-1], *fixed.shape)

    return matrix


def _square(rows: list[list[Tensor]]) -> Tensor:
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def _rx(angles: Tensor) -> Tensor:
    half = angles[..., 0] / 2
    c, s = torch.cos(half), -1j * torch.sin(half)
    return _square([[c, s], [s, c]])


def _ry(angles: Tensor) -> Tensor:
    half = angles[..., 0] / 2
    c, s = torch.cos(half), torch.sin(half)
    return _square([[c, -s], [s, c]])


def _rz(angles: Tensor) -> Tensor:
    phase = torch.exp(0.5j * angles[..., 0])
    zero = torch.zeros_like(phase)
    return _square([[phase.conj(), zero], [zero, phase]])


def _phase(angles: Tensor) -> Tensor:
    phase = torch.exp(1j * angles[..., 0])
    return _square([[torch.ones_like(phase), torch.zeros_like(phase)], [torch.zeros_like(phase), phase]])


def _rot(angles: Tensor) -> Tensor:
    # RZ(ω) RY(θ) RZ(φ) written out: one kernel call per entry instead of two matrix products.
    phi, theta, omega = angles.unbind(-1)
    c, s = torch.cos(theta / 2), torch.sin(theta / 2)
    plus, minus = torch.exp(0.5j * (phi + omega)), torch.exp(0.5j * (phi - omega))
    return _square([[plus.conj() * c, -minus * s], [minus.conj() * s, plus * c]])


def _u3(angles: Tensor) -> Tensor:
    theta, phi, lam = angles.unbind(-1)
    c, s = torch.cos(theta / 2), torch.sin(theta / 2)
    return _square([[c, -torch.exp(1j * lam) * s], [torch.exp(1j * phi) * s, torch.exp(1j * (phi + lam)) * c]])


def _controlled(block: Matrix) -> Matrix:
    def matrix(angles: Tensor) -> Tensor:
        lower = block(angles)
        out = torch.zeros(*lower.shape[:-2], 4, 4, dtype=lower.dtype, device=lower.device)
        out[..., 0, 0] = out[..., 1, 1] = 1.0
        out[..., 2:, 2:] = lower
        return out

    return matrix


def _two_qubit_rotation(pauli: str) -> Matrix:
    rows = {"X": [[0, 1], [1, 0]], "Y": [[0, -1j], [1j, 0]], "Z": [[1, 0], [0, -1]]}[pauli]

    def matrix(angles: Tensor) -> Tensor:
        single = torch.tensor(rows, dtype=angles.dtype, device=angles.device)
        identity = torch.eye(4, dtype=angles.dtype, device=angles.device)
        half = angles[..., 0, None, None] / 2
        return torch.cos(half) * identity - 1j * torch.sin(half) * torch.kron(single, single)

    return matrix


def _multi_controlled_z(angles: Tensor) -> Tensor:
    # Never used as a matrix (any number of qubits): the engines treat it as a sign table.
    raise UsageError("a multi-controlled Z has no fixed-size matrix; it is applied as a sign on the all-ones state.")


_R = 1 / math.sqrt(2)
_PLUS, _MINUS = complex(0.5, 0.5), complex(0.5, -0.5)
_T = complex(_R, _R)
_ONE, _CONTROLLED = ((1.0,),), ((0.5, 1.0),)
# Echoed cross-resonance: (X⊗1 - Y⊗X)/√2, its own inverse.
_ECHOED: list[list[complex]] = [[0, 0, _R, 1j * _R], [0, 0, 1j * _R, _R], [_R, -1j * _R, 0, 0], [-1j * _R, _R, 0, 0]]

GATES: dict[str, GateKind] = {
    kind.name: kind
    for kind in (
        GateKind("X", 1, (), _constant([[0, 1], [1, 0]]), permutation=True),
        GateKind("Y", 1, (), _constant([[0, -1j], [1j, 0]])),
        GateKind("Z", 1, (), _constant([[1, 0], [0, -1]]), diagonal=True),
        GateKind("H", 1, (), _constant([[_R, _R], [_R, -_R]])),
        GateKind("S", 1, (), _constant([[1, 0], [0, 1j]]), diagonal=True),
        GateKind("T", 1, (), _constant([[1, 0], [0, _T]]), diagonal=True),
        GateKind("SX", 1, (), _constant([[_PLUS, _MINUS], [_MINUS, _PLUS]])),
        GateKind("RX", 1, _ONE, _rx),
        GateKind("RY", 1, _ONE, _ry),
        GateKind("RZ", 1, _ONE, _rz, diagonal=True),
        GateKind("P", 1, _ONE, _phase, diagonal=True),
        GateKind("Rot", 1, _ONE * 3, _rot),
        GateKind("U3", 1, _ONE * 3, _u3),
        GateKind("CNOT", 2, (), _controlled(_constant([[0, 1], [1, 0]])), permutation=True),
        GateKind("CZ", 2, (), _controlled(_constant([[1, 0], [0, -1]])), diagonal=True),
        GateKind("SWAP", 2, (), _constant([[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]), permutation=True),
        GateKind("ECR", 2, (), _constant(_ECHOED)),
        GateKind("CRX", 2, _CONTROLLED, _controlled(_rx)),
        GateKind("CRY", 2, _CONTROLLED, _controlled(_ry)),
        GateKind("CRZ", 2, _CONTROLLED, _controlled(_rz), diagonal=True),
        GateKind("CP", 2, _ONE, _controlled(_phase), diagonal=True),
        GateKind("RXX", 2, _ONE, _two_qubit_rotation("X")),
        GateKind("RYY", 2, _ONE, _two_qubit_rotation("Y")),
        GateKind("RZZ", 2, _ONE, _two_qubit_rotation("Z"), diagonal=True),
        GateKind("MCZ", 0, (), _multi_controlled_z, diagonal=True),
    )
}
