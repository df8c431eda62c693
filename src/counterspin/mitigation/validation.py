"""Errors of a mitigation on given circuits: without shots, and from a total budget of shots."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.circuits import Circuit, Measurement, Readout
from counterspin.mitigation.base import Mitigation
from counterspin.mitigation.cost import shots_per_variant
from counterspin.mitigation.values import mitigated_values
from counterspin.noise import NoiseModel
from counterspin.simulation.run import run

__all__ = ["Errors", "mitigation_errors"]


@dataclass(frozen=True, kw_only=True)
class Errors:
    """Root mean squares over circuits and measured values.

    Args:
        total: of mitigated minus exact values, as measured with the shots there were.
        bias: the same with infinitely many shots.
        worst: the largest error of any value, as measured.
    """

    total: float
    bias: float
    worst: float


@torch.no_grad()
def mitigation_errors(
    mitigation: Mitigation,
    circuit: Circuit,
    inputs: Tensor,
    weights: Tensor,
    measurement: Measurement,
    noise: NoiseModel,
    *,
    shots: int | None = None,
    generator: torch.Generator | None = None,
) -> Errors:
    """Errors of mitigated values on the circuits of a batch, computed in float64.

    Args:
        mitigation: fitted, and told the samples, where it is to be.
        circuit: what is mitigated.
        inputs: `(batch, inputs)`: one circuit per row.
        weights: `(weights,)`.
        measurement: what is measured.
        noise: what the circuit runs under.
        shots: per circuit and setting, in total over the variants, which share them equally; None: infinitely many.
        generator: of the shots and of trajectories.

    Raises:
        UsageError: fewer shots than variants.

    Example:
        >>> from counterspin.circuits import PauliExpectations
        >>> from counterspin.mitigation.unmitigated import Unmitigated
        >>> noise, z = NoiseModel(global_depolarizing=0.25), PauliExpectations.of("Z0")
        >>> mitigation_errors(Unmitigated(), Circuit(1), torch.zeros(1, 0), torch.zeros(0), z, noise).total
        0.25
    """
    each = None if shots is None else shots_per_variant(mitigation, circuit, noise, shots)
    inputs = inputs.double()
    exact = run(circuit, inputs, weights, Readout(measurement))
    unlimited = mitigated_values(mitigation, circuit, inputs, weights, measurement, noise, generator=generator)
    measured = unlimited
    if each is not None:
        measured = mitigated_values(
            mitigation, circuit, inputs, weights, measurement, noise, shots=each, generator=generator
        )
    return Errors(
        total=float((measured - exact).square().mean().sqrt()),
        bias=float((unlimited - exact).square().mean().sqrt()),
        worst=float((measured - exact).abs().max()),
    )
