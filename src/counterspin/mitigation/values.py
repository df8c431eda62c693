"""Values of the circuits that a mitigation runs, and their combination: exact or with finite shots."""

from __future__ import annotations

import torch
from torch import Tensor

from counterspin.circuits import Circuit, Measurement, Readout
from counterspin.errors import UsageError
from counterspin.mitigation.base import Mitigation, Variant, constructed
from counterspin.mitigation.corrected import corrected_settings
from counterspin.noise import NoiseModel
from counterspin.simulation.measurement import measured_values, settings
from counterspin.simulation.noise_engine import noise_engine, state_engine
from counterspin.simulation.run import outcome_distributions, run
from counterspin.simulation.shots import sampled_distribution
from counterspin.simulation.transfer import transfer_values

__all__ = ["mitigated_values", "variant_values"]


def variant_values(
    variant: Variant,
    inputs: Tensor,
    weights: Tensor,
    measurement: Measurement,
    *,
    shots: int | None = None,
    generator: torch.Generator | None = None,
    engine: str = "auto",
) -> Tensor:
    """Measured values `(batch, values)` of one variant, times its coefficient; attached to autograd without shots.

    Args:
        variant: what to run.
        inputs: `(batch, inputs)`.
        weights: `(weights,)`.
        measurement: what is measured.
        shots: measurements per sample and setting; None: exact values.
        generator: source of shots and trajectories.
        engine: as `simulation.run` takes it.

    Raises:
        UsageError: shots without a generator, or fewer than one.

    Example:
        >>> from counterspin.circuits import PauliExpectations
        >>> half = Variant(circuit=Circuit(1), noise=NoiseModel(global_depolarizing=0.5))
        >>> variant_values(half, torch.zeros(1, 0), torch.zeros(0), PauliExpectations.of("Z0")).tolist()
        [[0.5]]
    """
    readout = Readout(measurement)
    if variant.correction is None:
        values = run(
            variant.circuit,
            inputs,
            weights,
            readout,
            noise=variant.noise,
            shots=shots,
            generator=generator,
            engine=engine,
        )
        return variant.coefficient * values
    _check_shots(shots, generator)
    exact = shots is None and variant.correction.linear
    if exact and noise_engine(variant.circuit, variant.noise, engine).name == "transfer":
        values = transfer_values(
            variant.circuit,
            inputs,
            weights,
            corrected_settings(variant, measurement),
            variant.noise.place(variant.circuit),
            engine=state_engine(engine),
        )
        return variant.coefficient * values
    distributions = outcome_distributions(
        variant.circuit, inputs, weights, readout, noise=variant.noise, generator=generator, engine=engine
    )
    if shots is not None and generator is not None:
        distributions = [sampled_distribution(d, shots, generator) for d in distributions]
    corrected = [variant.correction.apply(d) for d in distributions]
    return variant.coefficient * measured_values(corrected, settings(measurement, variant.circuit.qubits))


def mitigated_values(
    mitigation: Mitigation,
    circuit: Circuit,
    inputs: Tensor,
    weights: Tensor,
    measurement: Measurement,
    noise: NoiseModel,
    *,
    shots: int | None = None,
    generator: torch.Generator | None = None,
    engine: str = "auto",
) -> Tensor:
    """Mitigated values `(batch, values)`: one batched run per variant, then their combination.

    Args:
        mitigation: how the circuit is varied and its values are combined.
        circuit: what is mitigated.
        inputs: `(batch, inputs)`.
        weights: `(weights,)`.
        measurement: what is measured.
        noise: what the circuit runs under.
        shots: measurements per sample, setting and variant; None: exact values, attached to autograd.
        generator: source of shots and trajectories.
        engine: as `simulation.run` takes it.

    Raises:
        UsageError: shots without a generator, or fewer than one.
    """
    values = [
        variant_values(v, inputs, weights, measurement, shots=shots, generator=generator, engine=engine)
        for v in constructed(mitigation, circuit, noise)
    ]
    return mitigation.combine(torch.stack(values))


def _check_shots(shots: int | None, generator: torch.Generator | None) -> None:
    if shots is not None and shots < 1:
        raise UsageError(f"shots is {shots}; give at least 1, or None for exact values.")
    if shots is not None and generator is None:
        raise UsageError("finite shots are random and generator is None; give a torch.Generator.")
