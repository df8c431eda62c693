"""Readout errors: outcomes as a device reads them."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from counterspin.circuits import Measurement
from counterspin.noise import NoiseModel, ReadoutErrors
from counterspin.simulation.measurement import Setting, settings

__all__ = ["misread", "noisy_settings", "noisy_tables", "on_factors"]


def misread(distribution: Tensor, errors: ReadoutErrors | None) -> Tensor:
    """Outcome distributions `(batch, 2**qubits)` as they are read.

    Args:
        distribution: probabilities of the true outcomes.
        errors: of all qubits; None: none.

    Example:
        >>> misread(torch.tensor([[1.0, 0.0]]), ReadoutErrors.uniform((0.25, 0.0), 1)).tolist()
        [[0.75, 0.25]]
    """
    return distribution if errors is None else on_factors(distribution, errors.factors())


def on_factors(distribution: Tensor, factors: Sequence[tuple[tuple[int, ...], Tensor]]) -> Tensor:
    """Matrices applied to groups of qubits of distributions `(batch, 2**qubits)`, attached to autograd.

    Example:
        >>> flip = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> on_factors(torch.tensor([[0.5, 0.25, 0.125, 0.125]]), [((1,), flip)]).tolist()
        [[0.25, 0.5, 0.125, 0.125]]
    """
    qubits = distribution.shape[1].bit_length() - 1
    for wires, matrix in factors:
        distribution = _on(distribution, matrix.to(distribution), wires, qubits)
    return distribution


def noisy_tables(measurement: Measurement, qubits: int, noise: NoiseModel | None) -> list[np.ndarray]:
    """The outcome tables of all settings with what goes wrong behind the gates absorbed.

    Each holds the expected value of every outcome that would be seen without global depolarising and readout errors.
    """
    tables = [setting.table for setting in settings(measurement, qubits)]
    if noise is None:
        return tables
    p, errors = noise.global_depolarizing, noise.readout_errors(qubits)
    found = []
    for table in tables:
        values = torch.from_numpy(np.ascontiguousarray(table.T))
        for wires, confusion in [] if errors is None else errors.factors():
            values = _on(values, confusion.mT, wires, qubits)
        # Depolarising comes before the readout, whose errors the mean holds already.
        found.append(((1 - p) * values + p * values.mean(dim=1, keepdim=True)).numpy().T)
    return found


@lru_cache(maxsize=64)
def noisy_settings(measurement: Measurement, qubits: int, noise: NoiseModel | None) -> tuple[Setting, ...]:
    """The settings of a measurement with the tables of `noisy_tables`; the same objects for the same arguments."""
    chosen = settings(measurement, qubits)
    tables = noisy_tables(measurement, qubits, noise)
    return tuple(Setting(setting.basis, table) for setting, table in zip(chosen, tables, strict=True))


def _on(rows: Tensor, matrix: Tensor, wires: tuple[int, ...], qubits: int) -> Tensor:
    axes, ends = [1 + q for q in wires], list(range(-len(wires), 0))
    moved = rows.reshape(len(rows), *(2,) * qubits).movedim(axes, ends)
    read = moved.reshape(len(rows), 2 ** (qubits - len(wires)), len(matrix)) @ matrix.mT
    return read.reshape(moved.shape).movedim(ends, axes).flatten(1)
