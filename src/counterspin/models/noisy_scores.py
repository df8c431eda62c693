"""Scores, observables and price of a circuit under noise, mitigated or not."""

from __future__ import annotations

import torch
from torch import Tensor

from counterspin.circuits import Circuit, Readout
from counterspin.mitigation.base import Mitigation
from counterspin.mitigation.cost import mitigation_cost, shots_per_variant
from counterspin.mitigation.effective import fold_mitigated
from counterspin.mitigation.fitting import at_samples
from counterspin.mitigation.values import mitigated_values
from counterspin.noise import NoiseModel
from counterspin.simulation import EffectiveObservables, fold, run
from counterspin.simulation.measurement import settings
from counterspin.types import Cost

__all__ = ["noisy_observables", "noisy_price", "noisy_scores"]


def noisy_scores(
    circuit: Circuit,
    inputs: Tensor,
    weights: Tensor,
    readout: Readout,
    noise: NoiseModel,
    mitigation: Mitigation | None,
    *,
    shots: int | None,
    generator: torch.Generator,
    engine: str,
) -> Tensor:
    """Scores `(batch, classes)` of circuit inputs `(batch, inputs)`, attached to autograd without shots.

    Args:
        circuit: what runs.
        inputs: what enters the circuit.
        weights: `(weights,)`.
        readout: measurement and head.
        noise: what the circuit runs under.
        mitigation: of the measured values; None: none.
        shots: per sample and setting, shared by the circuits of the mitigation; None: infinitely many.
        generator: source of drawn errors and shots.
        engine: as of `simulation.run`.

    Raises:
        UsageError: fewer shots than the mitigation has circuits.
    """
    if mitigation is None:
        return run(circuit, inputs, weights, readout, noise=noise, shots=shots, generator=generator, engine=engine)
    told = at_samples(mitigation, circuit, inputs, weights)
    each = None if shots is None else shots_per_variant(told, circuit, noise, shots)
    values = mitigated_values(
        told, circuit, inputs, weights, readout.measurement, noise, shots=each, generator=generator, engine=engine
    )
    return readout.scores(values)


def noisy_observables(
    circuit: Circuit, weights: Tensor, readout: Readout, noise: NoiseModel, mitigation: Mitigation | None
) -> EffectiveObservables:
    """One observable per class, noise and linear mitigation included.

    Raises:
        ConditionsError: data enters through gate angles, drawn errors, or a mitigation that is not linear.
    """
    if mitigation is None:
        return fold(circuit, weights, readout, noise)
    return fold_mitigated(mitigation, circuit, weights, readout, noise)


def noisy_price(
    circuit: Circuit, readout: Readout, noise: NoiseModel, mitigation: Mitigation | None, rows: int
) -> Cost:
    """What one reading of `rows` rows costs on a device: every circuit of the mitigation, in every setting."""
    count = len(settings(readout.measurement, circuit.qubits))
    if mitigation is None:
        return Cost(forwards=rows, circuits=rows * count)
    return mitigation_cost(mitigation, circuit, noise, rows, None, count)
