"""What fitted mitigation learns from: noisy values of training circuits, and the exact ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.circuits import Circuit, Measurement, Readout
from counterspin.mitigation.base import Mitigation
from counterspin.mitigation.clifford import TrainingCircuits, near_clifford
from counterspin.mitigation.values import variant_values
from counterspin.noise import NoiseModel
from counterspin.simulation.measurement import settings
from counterspin.simulation.run import run
from counterspin.types import Cost

__all__ = ["TrainingSet", "training_set"]


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingSet:
    """Values of training circuits, detached.

    Args:
        circuits: the training circuits.
        noisy: `(variants, count, values)` float64.
        exact: the same circuits without noise, `(count, values)` float64.
        cost: circuits and shots of the noisy ones; the exact ones are computed.
    """

    circuits: TrainingCircuits
    noisy: Tensor
    exact: Tensor
    cost: Cost


@torch.no_grad()
def training_set(
    mitigation: Mitigation,
    circuit: Circuit,
    inputs: Tensor,
    weights: Tensor,
    noise: NoiseModel,
    measurement: Measurement,
    *,
    count: int,
    kept: float,
    replacement: str,
    generator: torch.Generator,
    shots: int | None = None,
) -> TrainingSet:
    """Make training circuits, run every variant of them as one batch, and simulate them without noise.

    Args:
        mitigation: whose variants are run; its `combine` is not used.
        circuit: what will be mitigated.
        inputs: samples `(batch, inputs)` the training circuits are made of.
        weights: `(weights,)`.
        noise: what the circuits run under.
        measurement: what is measured.
        count: number of training circuits.
        kept: share of non-Clifford rotations left in them.
        replacement: how the others are replaced, see `near_clifford`.
        generator: makes the circuits and draws their shots.
        shots: measurements per circuit, setting and variant; None: exact noisy values.

    Raises:
        UsageError, InputError: as of `near_clifford`.
    """
    circuits = near_clifford(
        circuit, inputs, weights, count=count, kept=kept, replacement=replacement, generator=generator
    )
    variants = mitigation.construct(circuits.circuit, noise)
    noisy = [
        variant_values(v, circuits.inputs, circuits.weights, measurement, shots=shots, generator=generator)
        for v in variants
    ]
    exact = run(circuits.circuit, circuits.inputs, circuits.weights, Readout(measurement))
    runs = len(variants) * circuits.count * len(settings(measurement, circuits.circuit.qubits))
    cost = Cost(circuits=runs, shots=runs * (shots or 0), jobs=int(shots is not None))
    return TrainingSet(circuits=circuits, noisy=torch.stack(noisy), exact=exact, cost=cost)
