"""What fitted mitigation learns from: noisy values of training circuits, and the exact ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.circuits import Measurement, Readout
from counterspin.mitigation.base import Mitigation, variant_values
from counterspin.mitigation.clifford import TrainingCircuits
from counterspin.noise import NoiseModel
from counterspin.simulation.measurement import settings
from counterspin.simulation.run import run
from counterspin.types import Cost

__all__ = ["TrainingSet", "training_set"]


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingSet:
    """Values of training circuits, detached.

    Args:
        noisy: `(variants, count, values)` float64.
        exact: the same circuits without noise, `(count, values)` float64.
        cost: circuits and shots of the noisy ones; the exact ones are computed.
    """

    noisy: Tensor
    exact: Tensor
    cost: Cost


@torch.no_grad()
def training_set(
    mitigation: Mitigation,
    circuits: TrainingCircuits,
    measurement: Measurement,
    noise: NoiseModel,
    *,
    shots: int | None = None,
    generator: torch.Generator | None = None,
) -> TrainingSet:
    """Run every variant of the training circuits, all circuits as one batch, and simulate them without noise.

    Args:
        mitigation: whose variants are run; its `combine` is not used.
        circuits: the training circuits.
        measurement: what is measured.
        noise: what the circuits run under.
        shots: measurements per circuit, setting and variant; None: exact noisy values.
        generator: of the shots.
    """
    variants = mitigation.construct(circuits.circuit, noise)
    noisy = [
        variant_values(v, circuits.inputs, circuits.weights, measurement, shots=shots, generator=generator)
        for v in variants
    ]
    exact = run(circuits.circuit, circuits.inputs, circuits.weights, Readout(measurement))
    runs = len(variants) * circuits.count * len(settings(measurement, circuits.circuit.qubits))
    cost = Cost(circuits=runs, shots=runs * (shots or 0), jobs=int(shots is not None))
    return TrainingSet(noisy=torch.stack(noisy), exact=exact, cost=cost)
