"""Capabilities that some mitigations have: they are fitted to a circuit, cost something to fit, look at the samples."""

from __future__ import annotations

from typing import Protocol, TypeGuard, runtime_checkable

import torch
from torch import Tensor

from counterspin.circuits import Circuit, Measurement
from counterspin.mitigation.base import Mitigation
from counterspin.mitigation.clifford import rotation_angles
from counterspin.noise import NoiseModel
from counterspin.types import Cost

__all__ = ["Fittable", "LooksAtSamples", "at_samples", "fit_to", "fitting_cost", "looks_at_samples"]


@runtime_checkable
class Fittable(Protocol):
    """A mitigation that learns from the circuit it is used on."""

    def fit(
        self,
        circuit: Circuit,
        inputs: Tensor,
        weights: Tensor,
        noise: NoiseModel,
        measurement: Measurement,
        /,
        *,
        generator: torch.Generator,
        shots: int | None = None,
    ) -> Mitigation:
        """The same mitigation, fitted; `shots` per training circuit, setting and variant."""
        ...


@runtime_checkable
class LooksAtSamples(Mitigation, Protocol):
    """A mitigation whose combination may depend on the samples, not on their measured values alone."""

    @property
    def looks_at_samples(self) -> bool:
        """Whether it does."""
        ...

    def at(self, circuit: Circuit, angles: Tensor, inputs: Tensor, /) -> Mitigation:
        """The mitigation for a batch of samples with all their angles, attached to autograd for both."""
        ...


@runtime_checkable
class _PricesFitting(Protocol):
    @property
    def fitting_cost(self) -> Cost: ...


def fit_to(
    mitigation: Mitigation,
    circuit: Circuit,
    inputs: Tensor,
    weights: Tensor,
    noise: NoiseModel,
    measurement: Measurement,
    *,
    generator: torch.Generator,
    shots: int | None = None,
) -> Mitigation:
    """The mitigation fitted to a circuit, or itself where there is nothing to fit.

    Args:
        mitigation: any technique.
        circuit: what will be mitigated.
        inputs: samples `(batch, inputs)` that training circuits are made of.
        weights: `(weights,)`.
        noise: what the circuit runs under.
        measurement: what is measured.
        generator: source of training circuits and shots.
        shots: per training or calibration circuit; None: infinitely many.
    """
    if not isinstance(mitigation, Fittable):
        return mitigation
    return mitigation.fit(circuit, inputs, weights, noise, measurement, generator=generator, shots=shots)


def at_samples(mitigation: Mitigation, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Mitigation:
    """The mitigation told the samples whose values it will combine, or itself where it does not look at them."""
    if not looks_at_samples(mitigation):
        return mitigation
    return mitigation.at(circuit, rotation_angles(circuit, inputs, weights), inputs)


def looks_at_samples(mitigation: Mitigation) -> TypeGuard[LooksAtSamples]:
    """Whether it must be told the samples before it combines their values.

    Example:
        >>> from counterspin.mitigation.learned import LearnedMitigation
        >>> looks_at_samples(LearnedMitigation()), looks_at_samples(LearnedMitigation(features="angles"))
        (False, True)
    """
    return isinstance(mitigation, LooksAtSamples) and mitigation.looks_at_samples


def fitting_cost(mitigation: Mitigation) -> Cost:
    """Circuits and shots its fit took, once; nothing for a technique without one.

    Example:
        >>> from counterspin.mitigation.unmitigated import Unmitigated
        >>> fitting_cost(Unmitigated()).circuits
        0
    """
    return mitigation.fitting_cost if isinstance(mitigation, _PricesFitting) else Cost()
