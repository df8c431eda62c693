r"""The two stages of every mitigation: *construct* the circuits to run, *combine* their values.

What is combined are the measured values of circuits, before any head, so that a mitigated classifier stays
differentiable and batched. A combination that is linear with fixed coefficients commutes with expectation values,
:math:`\sum_c A_c \langle E\rangle_c = \langle \sum_c A_c\,\Phi_c^\dagger(E)\rangle`, and so enters folding and the
exact certificate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from counterspin.circuits import Circuit, Measurement, Readout
from counterspin.errors import ConditionsError, UsageError
from counterspin.noise import NoiseModel
from counterspin.simulation.folding import EffectiveObservables, fold
from counterspin.simulation.measurement import Setting, measured_values, scored, settings
from counterspin.simulation.readout_noise import misread
from counterspin.simulation.run import outcome_distributions, run
from counterspin.simulation.shots import sampled_distribution
from counterspin.simulation.transfer import transfer_observables
from counterspin.types import Cost

__all__ = [
    "Correction",
    "Mitigation",
    "Variant",
    "constructed",
    "fold_mitigated",
    "mitigated_values",
    "mitigation_cost",
    "variant_values",
]


@runtime_checkable
class Correction(Protocol):
    """A map of outcome distributions that undoes readout errors."""

    @property
    def linear(self) -> bool:
        """Whether it is one matrix for all distributions."""
        ...

    def apply(self, distribution: Tensor, /) -> Tensor:
        """Quasi-probabilities `(batch, 2**qubits)` of outcome probabilities of that shape, attached to autograd."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Variant:
    """One of the circuits that a mitigation runs, with the noise it runs under.

    Args:
        circuit: its inputs and weights are those of the circuit that is mitigated.
        noise: what it runs under.
        correction: of its outcome distributions, before values are read; None: none.
        coefficient: multiplies its values; the sign and weight of a circuit drawn from quasi-probabilities.
    """

    circuit: Circuit
    noise: NoiseModel
    correction: Correction | None = None
    coefficient: float = 1.0


@runtime_checkable
class Mitigation(Protocol):
    """A mitigation technique: a frozen configuration with two pure stages."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    @property
    def linear(self) -> bool:
        """Whether its stages are linear with fixed coefficients, so that it can be folded."""
        ...

    def construct(self, circuit: Circuit, noise: NoiseModel, /) -> tuple[Variant, ...]:
        """The circuits to run; the same ones whenever it is called with the same arguments."""
        ...

    def combine(self, values: Tensor, /) -> Tensor:
        """Mitigated values `(batch, values)` of the variants' `(variants, batch, values)`, attached to autograd.

        They may leave the range of the measurement: they are raw scores, of which no logarithm is taken.
        """
        ...

    def linear_map(self, variants: int, values: int, /) -> tuple[Tensor, Tensor]:
        """`combine` as `Σ_c A_c v_c + b`: `A` `(variants, values, values)` and `b` `(values,)`, float64.

        Raises:
            ConditionsError: it is no such map.
        """
        ...

    def shot_factor(self, circuit: Circuit, noise: NoiseModel, /) -> float:
        """How many times the shots, in total over the variants, reach the standard error of an unmitigated value."""
        ...


def constructed(mitigation: Mitigation, circuit: Circuit, noise: NoiseModel) -> tuple[Variant, ...]:
    """`mitigation.construct(circuit, noise)`, kept: the engines prepare themselves once per variant, not per call."""
    try:
        hash(mitigation)
    except TypeError:  # a configuration that holds a dictionary, for example
        return mitigation.construct(circuit, noise)
    return _constructed(mitigation, circuit, noise)


@lru_cache(maxsize=16)
def _constructed(mitigation: Mitigation, circuit: Circuit, noise: NoiseModel) -> tuple[Variant, ...]:
    return mitigation.construct(circuit, noise)


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


def mitigation_cost(
    mitigation: Mitigation, circuit: Circuit, noise: NoiseModel, samples: int, shots: int | None, settings: int
) -> Cost:
    """What mitigated values of `samples` samples cost on a device.

    Args:
        mitigation: what is priced.
        circuit: what is mitigated.
        noise: what it runs under.
        samples: how many rows.
        shots: measurements per sample, setting and variant; None: exact values of a simulator, which takes no job.
        settings: bases the measurement is read in.

    Returns:
        One circuit per variant, sample and setting, all of them in one job.

    Raises:
        UsageError: a negative number of samples, or none of settings or shots.
    """
    if samples < 0 or settings < 1 or (shots is not None and shots < 1):
        raise UsageError(
            f"samples is {samples}, settings {settings} and shots {shots}; give samples from 0, settings and shots "
            "from 1 (shots None: exact values)."
        )
    circuits = len(constructed(mitigation, circuit, noise)) * samples * settings
    return Cost(
        forwards=samples,
        circuits=circuits,
        shots=0 if shots is None else circuits * shots,
        jobs=int(shots is not None and circuits > 0),
    )


@torch.no_grad()
def fold_mitigated(
    mitigation: Mitigation, circuit: Circuit, weights: Tensor, readout: Readout, noise: NoiseModel
) -> EffectiveObservables:
    r"""The mitigated scores of a frozen amplitude-encoded circuit as one observable per class.

    .. math:: M_k = \sum_c \sum_j (A_c)_{kj}\, \Phi_c^\dagger(E_j) + b_k 1

    State preparation is taken as ideal, as in all folding.

    Args:
        mitigation: a linear one.
        circuit: amplitude-encoded, without inputs in gate angles.
        weights: `(weights,)`, frozen.
        readout: measurement and head.
        noise: what the circuit runs under.

    Raises:
        ConditionsError: the mitigation is not linear with fixed coefficients, or data enter through gate angles.
    """
    variants = constructed(mitigation, circuit, noise) if mitigation.linear else ()
    if not variants or any(v.correction is not None and not v.correction.linear for v in variants):
        raise ConditionsError(
            f"mitigation {mitigation.name} is not linear in the measured values, so that it has no effective "
            "observables; use a linear one (Richardson or polynomial ZNE, PEC, inverted readout errors) or a "
            "certificate that needs none."
        )
    folded = [_folded_values(v, weights, readout) for v in variants]
    matrices = torch.stack([v.coefficient * f.matrices for v, f in zip(variants, folded, strict=True)])
    maps, offset = mitigation.linear_map(len(variants), readout.measurement.values)
    identity = torch.eye(matrices.shape[-1], dtype=matrices.dtype)
    mixed = torch.einsum("ckj,cjab->kab", maps.to(matrices.dtype), matrices) + offset[:, None, None] * identity
    return replace(folded[0], matrices=scored(mixed, readout))


def _folded_values(variant: Variant, weights: Tensor, readout: Readout) -> EffectiveObservables:
    """Observables of the variant's measured values, its coefficient left out."""
    measurement, circuit, noise = readout.measurement, variant.circuit, variant.noise
    if variant.correction is None or circuit.amplitudes is None:
        return fold(circuit, weights, Readout(measurement), noise)
    # Row o: how the outcome o, there for certain, counts after it was read and corrected.
    certain = torch.eye(2**circuit.qubits, dtype=torch.float64)
    read = variant.correction.apply(misread(certain, noise.readout_errors(circuit.qubits)))
    p, chosen = noise.global_depolarizing, []
    for setting in settings(measurement, circuit.qubits):
        table = read @ torch.as_tensor(setting.table)
        chosen.append(Setting(setting.basis, ((1 - p) * table + p * table.mean(0)).numpy()))
    matrices = transfer_observables(circuit, weights.cpu().double(), chosen, noise.place(circuit))
    return EffectiveObservables(matrices, circuit.amplitudes.length, circuit.amplitudes.complex_data)


def _check_shots(shots: int | None, generator: torch.Generator | None) -> None:
    if shots is not None and shots < 1:
        raise UsageError(f"shots is {shots}; give at least 1, or None for exact values.")
    if shots is not None and generator is None:
        raise UsageError("finite shots are random and generator is None; give a torch.Generator.")
