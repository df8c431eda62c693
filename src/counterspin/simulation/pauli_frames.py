r"""Pauli errors carried through a circuit: they leave its gates in place and turn signs of its angles.

A Pauli string :math:`F` in front of a gate is another one behind it, :math:`U F = F' U`, where the gate is a Clifford
gate; rotations :math:`e^{-i\theta P/2}` let it through with :math:`\theta \mapsto \pm\theta`, minus where F and P
anticommute. So a circuit with drawn Pauli errors is the same circuit with other angles, followed by one Pauli string
that changes signs of expectation values, or bits of outcomes. In front of any other gate the string is turned into
gates of its own, `RX(π)` and `RZ(π)`, which merge with their neighbours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from counterspin.circuits import GATES, Angle, Circuit, Gate, feature
from counterspin.noise.kraus import Placed
from counterspin.noise.pauli import pauli_operators, pauli_words
from counterspin.noise.representations import pauli_probabilities

__all__ = ["FramePlan", "Frames", "frame_plan"]

# The Pauli string of each angle's rotation; those of a gate act one after the other, all with the same frame in front.
_ROTATIONS = {
    **{f"R{axis}": (axis,) for axis in "XYZ"},
    **{f"R{axis}{axis}": (axis * 2,) for axis in "XYZ"},
    "P": ("Z",),
    "Rot": ("Z", "Y", "Z"),
    "U3": ("Y", "Z", "Z"),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Frames:
    """Distinct drawn errors.

    Args:
        factors: what the base value of each angle of the plan's circuit is multiplied by, `(frames, columns)`.
        x: whether the string behind the last gate flips a qubit, `(frames, qubits)` bool.
        z: whether it changes the sign of a qubit's 1.
        shares: share of the draws each stands for, `(frames,)` float64.
    """

    factors: np.ndarray
    x: np.ndarray
    z: np.ndarray
    shares: np.ndarray


@dataclass(frozen=True, kw_only=True)
class _Clifford:
    qubits: tuple[int, ...]
    table: np.ndarray


@dataclass(frozen=True, kw_only=True)
class _Turn:
    column: int
    qubits: tuple[int, ...]
    pauli: str


@dataclass(frozen=True, kw_only=True)
class _Flush:
    column: int
    qubit: int


@dataclass(frozen=True, kw_only=True)
class _Error:
    qubits: tuple[int, ...]
    cumulative: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class FramePlan:
    """A circuit with Pauli channels, ready for drawing errors.

    Args:
        circuit: its inputs are the encoded amplitudes' features, then one input per angle (`columns`).
        sources: for each column the angle of the original circuit it is a multiple of; -1 for π itself.
        steps: what happens to the string of errors, in order.
    """

    circuit: Circuit
    sources: np.ndarray
    steps: tuple[_Clifford | _Turn | _Flush | _Error, ...]

    def draw(self, trajectories: int, generator: torch.Generator) -> Frames:
        """Errors of so many runs; equal ones are listed once."""
        places = [step for step in self.steps if isinstance(step, _Error)]
        uniform = torch.rand(
            trajectories, len(places), generator=generator, dtype=torch.float64, device=generator.device
        ).cpu()
        draws = iter(uniform.numpy().T)
        x, z = (np.zeros((trajectories, self.circuit.qubits), dtype=np.int8) for _ in range(2))
        factors = np.ones((trajectories, len(self.sources)), dtype=np.int8)
        for step in self.steps:
            match step:
                case _Clifford(qubits=wires, table=table):
                    bits = np.concatenate([x[:, wires], z[:, wires]], axis=1) @ table % 2
                    x[:, wires], z[:, wires] = bits[:, : len(wires)], bits[:, len(wires) :]
                case _Turn(column=column, qubits=wires, pauli=pauli):
                    odd = sum(
                        x[:, q] * (axis in "YZ") + z[:, q] * (axis in "XY")
                        for q, axis in zip(wires, pauli, strict=True)
                    )
                    factors[:, column] = 1 - 2 * (odd % 2)
                case _Flush(column=column, qubit=qubit):
                    factors[:, column], factors[:, column + 1] = x[:, qubit], z[:, qubit]
                    x[:, qubit] = z[:, qubit] = 0
                case _Error(qubits=wires, cumulative=cumulative):
                    word = np.searchsorted(cumulative, next(draws), side="right")
                    for position, qubit in enumerate(reversed(wires)):
                        digit = word >> (2 * position) & 3
                        x[:, qubit] ^= ((digit == 1) | (digit == 2)).astype(np.int8)
                        z[:, qubit] ^= (digit >= 2).astype(np.int8)
        distinct, counts = np.unique(np.concatenate([factors, x, z], axis=1), axis=0, return_counts=True)
        columns, qubits = len(self.sources), self.circuit.qubits
        return Frames(
            factors=distinct[:, :columns],
            x=distinct[:, columns : columns + qubits].astype(bool),
            z=distinct[:, columns + qubits :].astype(bool),
            shares=counts / trajectories,
        )

    def rows(self, frames: Frames, amplitudes: Tensor, angles: Tensor) -> Tensor:
        """Inputs of the plan's circuit `(batch * frames, inputs)`, the frames of one sample one after the other.

        Args:
            frames: what was drawn.
            amplitudes: the samples' inputs that are encoded as amplitudes, `(batch, features)`, possibly none.
            angles: the angles of the original circuit `(batch, angles)`, attached to autograd.
        """
        values = torch.cat([angles, angles.new_full((len(angles), 1), math.pi)], dim=1)[:, self.sources]
        turned = values[:, None] * torch.as_tensor(frames.factors).to(values)
        return torch.cat([amplitudes[:, None].expand(-1, len(frames.shares), -1), turned], dim=2).flatten(0, 1)


@lru_cache(maxsize=64)
def frame_plan(circuit: Circuit, channels: tuple[Placed, ...]) -> FramePlan | None:
    """The plan of a circuit whose channels are all mixtures of Pauli strings; None if one is not.

    Args:
        circuit: what is run.
        channels: what acts between its gates, in order.
    """
    by_gate: dict[int, list[_Error]] = {}
    for placed in channels:
        mixture = pauli_probabilities(placed.channel)
        if mixture is None:
            return None
        # Rounding must not leave a draw above the last sum.
        cumulative = np.append(mixture.numpy().clip(min=0.0).cumsum()[:-1], np.inf)
        by_gate.setdefault(placed.after, []).append(_Error(qubits=placed.qubits, cumulative=cumulative))
    plan = _Planning(circuit)
    plan.steps += by_gate.get(-1, [])
    for index, gate in enumerate(circuit.gates):
        plan.add(gate)
        plan.steps += by_gate.get(index, [])
    planned = Circuit(circuit.qubits, tuple(plan.gates), circuit.amplitudes)
    return FramePlan(circuit=planned, sources=np.array(plan.sources, dtype=np.int64), steps=tuple(plan.steps))


class _Planning:
    """The plan so far."""

    def __init__(self, circuit: Circuit) -> None:
        self.gates: list[Gate] = []
        self.steps: list[_Clifford | _Turn | _Flush | _Error] = []
        self.sources: list[int] = []
        self._first = 0 if circuit.amplitudes is None else circuit.amplitudes.features
        self._angle = 0

    def add(self, gate: Gate) -> None:
        table = _clifford_table(gate.kind) if not gate.angles else None
        if table is not None:
            self.steps.append(_Clifford(qubits=gate.qubits, table=table))
        elif gate.kind not in _ROTATIONS:
            for qubit in gate.qubits:
                self.steps.append(_Flush(column=len(self.sources), qubit=qubit))
                self.gates += [Gate(kind, (qubit,), (self._column(-1),)) for kind in ("RX", "RZ")]
        for position in range(len(gate.angles)):
            if gate.kind in _ROTATIONS:
                pauli = _ROTATIONS[gate.kind][position]
                self.steps.append(_Turn(column=len(self.sources) + position, qubits=gate.qubits, pauli=pauli))
        columns = tuple(self._column(self._angle + position) for position in range(len(gate.angles)))
        self._angle += len(columns)
        self.gates.append(replace(gate, angles=columns))

    def _column(self, source: int) -> Angle:
        self.sources.append(source)
        return feature(self._first + len(self.sources) - 1)


@lru_cache(maxsize=64)
def _clifford_table(kind: str) -> np.ndarray | None:
    """What a fixed gate makes of X and Z bits, `(2k, 2k)`: row i is what becomes of bit i; None: no Clifford."""
    qubits = GATES[kind].qubits
    if qubits == 0:  # on any number of qubits
        return None
    unitary = GATES[kind].matrix(torch.zeros(0, dtype=torch.complex128))
    words, strings = pauli_words(qubits), pauli_operators(qubits)
    rows = []
    for letter, place in [(letter, q) for letter in "XZ" for q in range(qubits)]:
        word = "I" * place + letter + "I" * (qubits - 1 - place)
        turned = unitary @ strings[words.index(word)] @ unitary.mH
        overlaps = torch.einsum("wij,ji->w", strings, turned).abs() / 2**qubits
        best = int(overlaps.argmax())
        if float(overlaps[best]) < 1 - 1e-9:
            return None
        rows.append([letter in "XY" for letter in words[best]] + [letter in "YZ" for letter in words[best]])
    return np.array(rows, dtype=np.int8)
