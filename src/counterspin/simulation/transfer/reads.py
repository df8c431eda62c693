"""What is read off the final Pauli vector: expectation values as sparse combinations of its entries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from counterspin.circuits import Measurement, OutcomeGroups, PauliExpectations
from counterspin.simulation.measurement import Setting, settings

__all__ = ["Reads", "distribution_reads", "reads"]

_LETTERS = "IXYZ"


@dataclass(frozen=True, eq=False)
class Reads:
    """Values as `Σ coefficient · r[index]`.

    Args:
        starts: where the terms of each value start, `(values + 1,)`.
        indices: entries of the Pauli vector, `(terms,)`.
        coefficients: `(terms,)` float64.
    """

    starts: np.ndarray
    indices: np.ndarray
    coefficients: np.ndarray

    @property
    def values(self) -> int:
        """How many values there are."""
        return len(self.starts) - 1

    def vectors(self, qubits: int) -> np.ndarray:
        """The observables themselves as Pauli vectors, `(values, 4**qubits)`."""
        found = np.zeros((self.values, 4**qubits))
        np.add.at(found, (np.repeat(np.arange(self.values), np.diff(self.starts)), self.indices), self.coefficients)
        return found


def reads(measured: Measurement | Sequence[Setting], qubits: int) -> Reads:
    """The values of a measurement, or of settings with tables of one's own (for example with readout errors in them).

    Example:
        >>> reads(PauliExpectations.of("Z0", "X0 Z1"), 2).indices.tolist()
        [12, 7]
    """
    if isinstance(measured, PauliExpectations):
        strings = [sum(_LETTERS.index(p) * 4 ** (qubits - 1 - q) for q, p in string) for string in measured.observables]
        return Reads(np.arange(len(strings) + 1), np.array(strings), np.ones(len(strings)))
    chosen = settings(measured, qubits) if isinstance(measured, OutcomeGroups) else measured
    found: list[tuple[np.ndarray, np.ndarray]] = [
        (_strings(setting, qubits), _transformed(setting.table) / 2**qubits) for setting in chosen
    ]
    indices = np.concatenate([strings for strings, _ in found])
    weights = np.concatenate([table for _, table in found])
    kept = [np.abs(column).nonzero()[0] for column in np.where(np.abs(weights) < 1e-15, 0.0, weights).T]
    return Reads(
        np.cumsum([0, *map(len, kept)]),
        np.concatenate([indices[rows] for rows in kept]),
        np.concatenate([column[rows] for rows, column in zip(kept, weights.T, strict=True)]),
    )


def distribution_reads(chosen: Sequence[Setting], qubits: int) -> Reads:
    """For each setting the expectation values of all strings of the measured letters, `2**qubits` values each."""
    indices = np.concatenate([_strings(setting, qubits) for setting in chosen])
    return Reads(np.arange(len(indices) + 1), indices, np.ones(len(indices)))


def _strings(setting: Setting, qubits: int) -> np.ndarray:
    """Index of the string with the setting's letters on the set bits of 0, 1, …, `(2**qubits,)`."""
    letters = dict(setting.basis)
    found = np.zeros(1, dtype=np.int64)
    for qubit in range(qubits):
        digit = _LETTERS.index(letters.get(qubit, "Z"))
        found = (4 * found[:, None] + np.array([0, digit])).ravel()
    return found


def _transformed(table: np.ndarray) -> np.ndarray:
    """Walsh–Hadamard transform of each column of `(2**qubits, values)`."""
    found = np.asarray(table, dtype=np.float64)
    shape, step = found.shape, 1
    while step < shape[0]:
        low, high = np.moveaxis(found.reshape(-1, 2, step, shape[1]), 1, 0)
        found = np.stack([low + high, low - high], axis=1).reshape(shape)
        step *= 2
    return found
