"""Measurements as settings: a basis change, then a table of what each outcome counts for.

Finite shots and readout errors act on outcome distributions, so every measurement is written that way; commuting
observables share one setting and its shots.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from counterspin.circuits import Circuit, Gate, Linear, Measurement, OutcomeGroups, PauliExpectations, Readout, Scale
from counterspin.circuits.angles import Angle

__all__ = ["Setting", "every_outcome", "in_basis", "measured_values", "rotated", "scored", "settings"]

_R = 1 / math.sqrt(2)
# Rotations that turn the eigenbasis of a Pauli into the computational basis.
_BASIS = {"X": ((_R, _R), (_R, -_R)), "Y": ((_R, -1j * _R), (_R, 1j * _R))}


@dataclass(frozen=True, eq=False)
class Setting:
    """One way to measure all qubits.

    Args:
        basis: qubits measured in X or Y, the others in Z.
        table: value of each outcome, `(2**qubits, values)`; zero for values of other settings.
    """

    basis: tuple[tuple[int, str], ...]
    table: np.ndarray


@lru_cache(maxsize=256)
def settings(measurement: Measurement, qubits: int) -> tuple[Setting, ...]:
    """The settings of a measurement; qubit-wise commuting Pauli strings share one.

    Example:
        >>> len(settings(PauliExpectations.of("Z0", "Z0 Z1", "X0"), 2))
        2
    """
    if isinstance(measurement, OutcomeGroups):
        return (Setting((), _group_table(measurement, qubits)),)
    bases: list[dict[int, str]] = []
    members: list[list[int]] = []
    for index, string in enumerate(measurement.observables):
        for basis, indices in zip(bases, members, strict=True):
            if all(basis.get(q, p) == p for q, p in string):
                basis.update(string)
                indices.append(index)
                break
        else:
            bases.append(dict(string))
            members.append([index])
    return tuple(
        Setting(
            tuple((q, p) for q, p in sorted(basis.items()) if p != "Z"), _parity_table(measurement, indices, qubits)
        )
        for basis, indices in zip(bases, members, strict=True)
    )


def rotated(state: Tensor, setting: Setting, qubits: int) -> Tensor:
    """The states in the basis of a setting, `(batch, 2**qubits)`."""
    for qubit, pauli in setting.basis:
        matrix = torch.tensor(_BASIS[pauli], dtype=state.dtype, device=state.device)
        blocks = state.reshape(state.shape[0], 2**qubit, 2, 2 ** (qubits - 1 - qubit))
        state = (matrix @ blocks).flatten(1)
    return state


def in_basis(circuit: Circuit, setting: Setting) -> Circuit:
    """The circuit followed by rotations after which outcomes in the computational basis are those of the setting.

    Example:
        >>> circuit = in_basis(Circuit(1), settings(PauliExpectations.of("X0"), 1)[0])
        >>> str(circuit.gates[0])
        'RY(-1.57) q0'
    """
    turns = {"X": ("RY", -math.pi / 2), "Y": ("RX", math.pi / 2)}
    gates = tuple(Gate(turns[pauli][0], (qubit,), (Angle(turns[pauli][1]),)) for qubit, pauli in setting.basis)
    return replace(circuit, gates=circuit.gates + gates) if gates else circuit


@lru_cache(maxsize=16)
def every_outcome(measured: tuple[int, ...]) -> OutcomeGroups:
    """The measurement that tells every outcome of some qubits apart.

    Example:
        >>> every_outcome((0,)).groups
        ((0,), (1,))
    """
    return OutcomeGroups(measured, tuple((outcome,) for outcome in range(2 ** len(measured))))


def measured_values(distributions: list[Tensor], chosen: tuple[Setting, ...]) -> Tensor:
    """Values `(batch, values)` of outcome distributions `(batch, 2**qubits)`, one per setting."""
    tables = [
        torch.as_tensor(s.table, dtype=d.dtype, device=d.device) for s, d in zip(chosen, distributions, strict=True)
    ]
    return torch.stack([d @ t for d, t in zip(distributions, tables, strict=True)]).sum(0)


def scored(operators: Tensor, readout: Readout) -> Tensor:
    """Operators `(classes, D, D)` of the class scores from those of the measured values `(values, D, D)` complex128."""
    match readout.head:
        case Scale(value):
            return value.cpu().double() * operators
        case Linear(weight, bias):
            mixed = torch.einsum("kv,vij->kij", weight.cpu().to(operators.dtype), operators)
            identity = torch.eye(operators.shape[-1], dtype=operators.dtype)
            return mixed + bias.cpu().double()[:, None, None] * identity
        case _:
            return operators


def _group_table(measurement: OutcomeGroups, qubits: int) -> np.ndarray:
    states = np.arange(2**qubits)
    outcome = np.zeros_like(states)
    for qubit in measurement.measured:
        outcome = 2 * outcome + ((states >> (qubits - 1 - qubit)) & 1)
    return np.stack([np.isin(outcome, group).astype(float) for group in measurement.groups], axis=1)


def _parity_table(measurement: PauliExpectations, indices: list[int], qubits: int) -> np.ndarray:
    states = np.arange(2**qubits)
    table = np.zeros((2**qubits, measurement.values))
    for index in indices:
        bits = [(states >> (qubits - 1 - q)) & 1 for q, _ in measurement.observables[index]]
        table[:, index] = 1.0 - 2.0 * (np.sum(bits, axis=0) % 2)
    return table
