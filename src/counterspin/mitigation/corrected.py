"""Linear readout corrections as part of what is read: outcome tables that hold errors and correction alike."""

from __future__ import annotations

from functools import lru_cache

import torch

from counterspin.circuits import Measurement
from counterspin.mitigation.base import Variant
from counterspin.simulation.measurement import Setting, settings
from counterspin.simulation.readout_noise import misread

__all__ = ["corrected_settings"]


@lru_cache(maxsize=64)
def corrected_settings(variant: Variant, measurement: Measurement) -> tuple[Setting, ...]:
    """The settings of a measurement whose tables say how an outcome counts after it was read and corrected.

    Global depolarising is in them too. They give exact values without whole distributions; shots need these.

    Args:
        variant: with a linear correction.
        measurement: what is measured.

    Example:
        >>> from counterspin.circuits import Circuit, PauliExpectations
        >>> from counterspin.mitigation.readout import ReadoutMitigation
        >>> from counterspin.noise import NoiseModel
        >>> noise = NoiseModel(readout_flips=(0.1, 0.2), global_depolarizing=0.5)
        >>> (variant,) = ReadoutMitigation().construct(Circuit(1), noise)
        >>> corrected_settings(variant, PauliExpectations.of("Z0"))[0].table.round(9).tolist()
        [[0.5], [-0.5]]
    """
    qubits, noise = variant.circuit.qubits, variant.noise
    # Row o: how the outcome o, there for certain, counts after it was read and corrected.
    read = misread(torch.eye(2**qubits, dtype=torch.float64), noise.readout_errors(qubits))
    if variant.correction is not None:
        read = variant.correction.apply(read)
    p, chosen = noise.global_depolarizing, []
    for setting in settings(measurement, qubits):
        table = read @ torch.as_tensor(setting.table)
        chosen.append(Setting(setting.basis, ((1 - p) * table + p * table.mean(0)).numpy()))
    return tuple(chosen)
