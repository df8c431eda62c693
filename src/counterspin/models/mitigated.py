"""A classifier with error mitigation inside: fitted to its own circuit where the technique learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from counterspin.errors import UsageError
from counterspin.mitigation.base import Mitigation
from counterspin.mitigation.fitting import fit_to
from counterspin.mitigation.registry import by_name
from counterspin.models.noisy import NoisyClassifier
from counterspin.models.noisy_circuit import CircuitPlacement
from counterspin.noise import NoiseModel

__all__ = ["TrainedOn", "mitigated"]


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedOn:
    """A mitigation with samples of its own to learn from: a model's training data, not the samples it is judged on.

    Args:
        mitigation: a technique or its name.
        x: `(batch, features)`; labels are not needed.

    Raises:
        UsageError: no sample.
    """

    mitigation: Mitigation | str
    x: Tensor

    def __post_init__(self) -> None:
        """Refuse empty training data."""
        if self.x.ndim != 2 or not len(self.x):
            raise UsageError(f"x of TrainedOn has shape {tuple(self.x.shape)}; give (samples, features), at least one.")

    @property
    def name(self) -> str:
        """That of the mitigation."""
        return self.mitigation if isinstance(self.mitigation, str) else self.mitigation.name


def mitigated(
    model: Any,
    mitigation: Mitigation | TrainedOn | str,
    x: Tensor,
    *,
    noise: NoiseModel | None = None,
    placement: CircuitPlacement | None = None,
    shots: int | None = None,
    generator: torch.Generator | None = None,
) -> NoisyClassifier:
    """The classifier of a model's circuit under noise, with error mitigation between measured values and scores.

    It is deterministic, differentiable and read with finite shots by `SampledModel`. Where the mitigation is linear it
    has effective observables, so that exact certificates apply to it. Its outputs are logits or expectations, never
    probabilities: mitigated values may leave the range of the measurement, and nothing takes a logarithm of them.

    Args:
        model: a classifier that shows its circuit, or a `NoisyClassifier` without mitigation, whose noise is kept.
        mitigation: a technique or its name; one that learns is fitted.
        x: samples `(batch, features)` of which training circuits are made, if it has none of its own (`TrainedOn`).
        noise: what the circuit runs under, for a model without noise of its own.
        placement: the circuit as a device runs it, for the same.
        shots: per training or calibration circuit; None: infinitely many.
        generator: source of training circuits and shots; None: seed 0.

    Raises:
        UsageError: an unknown technique, no noise, noise or mitigation given twice.
        CapabilityError: the model shows no circuit.

    Example:
        >>> from counterspin.circuits import PauliExpectations, reuploading
        >>> from counterspin.models.quantum import QuantumClassifier
        >>> from counterspin.types import Box
        >>> box = Box.uniform(0.0, 1.0, features=2)
        >>> body = QuantumClassifier(reuploading(2, 1), PauliExpectations.of("Z0", "Z1"), box)
        >>> x = torch.rand(8, 2, generator=torch.Generator().manual_seed(0))
        >>> model = mitigated(body, "cdr", x, noise=NoiseModel(global_depolarizing=0.2))
        >>> bool((model(x) - body(x)).abs().max() < 0.01)
        True
    """
    if isinstance(mitigation, TrainedOn):
        mitigation, x = mitigation.mitigation, mitigation.x.to(x)
    technique = by_name(mitigation) if isinstance(mitigation, str) else mitigation
    noisy = _noisy(model, noise, placement)
    with torch.no_grad():
        inputs = noisy.circuit_inputs(x)
    fitted = fit_to(
        technique,
        noisy.circuit,
        inputs,
        noisy.weights.detach(),
        noisy.noise,
        noisy.readout.measurement,
        generator=torch.Generator().manual_seed(0) if generator is None else generator,
        shots=shots,
    )
    return noisy.around(noisy.body, mitigation=fitted)


def _noisy(model: Any, noise: NoiseModel | None, placement: CircuitPlacement | None) -> NoisyClassifier:
    if not isinstance(model, NoisyClassifier):
        return NoisyClassifier(model, noise=noise, placement=placement)
    if noise is not None or placement is not None:
        raise UsageError("noise or placement is given for a model that runs under noise of its own; leave it out.")
    if model.mitigation is not None:
        raise UsageError(
            f"the model is mitigated already ({model.mitigation.name}); give the noisy model without mitigation."
        )
    return model
