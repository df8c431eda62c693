"""Readout errors: each measured qubit is read wrong with its own two probabilities."""

import numpy as np
from torch import Tensor

from counterspin.circuits import Measurement
from counterspin.noise import NoiseModel
from counterspin.simulation.measurement import settings

__all__ = ["flipped", "noisy_tables"]


def flipped(distribution: Tensor, flips: tuple[float, float]) -> Tensor:
    """Outcome distributions `(batch, 2**qubits)` as read with asymmetric flips.

    Args:
        distribution: probabilities of the true outcomes.
        flips: P(read 1 | qubit 0) and P(read 0 | qubit 1), the same for every qubit.
    """
    if flips == (0.0, 0.0):
        return distribution
    up, down = flips
    batch, outcomes = distribution.shape
    confusion = distribution.new_tensor([[1 - up, down], [up, 1 - down]])
    for left in (2**qubit for qubit in range(outcomes.bit_length() - 1)):
        blocks = distribution.reshape(batch, left, 2, outcomes // (2 * left))
        distribution = (confusion @ blocks).reshape(batch, outcomes)
    return distribution


def noisy_tables(measurement: Measurement, qubits: int, noise: NoiseModel | None) -> list[np.ndarray]:
    """The outcome tables of all settings with readout errors absorbed: the expected value of each *true* outcome."""
    up, down = (0.0, 0.0) if noise is None else noise.readout_flips
    tables = []
    for setting in settings(measurement, qubits):
        table = setting.table
        for qubit in range(qubits if (up, down) != (0.0, 0.0) else 0):
            blocks = table.reshape(2**qubit, 2, -1)
            # Row t, column r: probability to read r where the truth is t.
            table = np.einsum("tr,arb->atb", np.array([[1 - up, up], [down, 1 - down]]), blocks).reshape(table.shape)
        tables.append(table)
    return tables
