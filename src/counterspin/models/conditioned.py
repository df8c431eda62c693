"""The models that conditions make of a model: under noise, mitigated, read with finite shots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from counterspin.errors import CapabilityError
from counterspin.models.condition_facts import mitigation_facts, model_notes, placement_facts, placement_notes
from counterspin.models.conditions import Conditions
from counterspin.models.mitigated import TrainedOn, mitigated
from counterspin.models.noisy import NoisyClassifier
from counterspin.models.sampled import SampledModel
from counterspin.noise import NoiseModel
from counterspin.types import Classifier, HasChannels, HasCircuit, HasEngine, Sampled

if TYPE_CHECKING:
    from counterspin.noise.devices.placement import Placement

__all__ = ["Conditioned", "ModelVariant", "conditioned"]

# Inputs on which a mitigation that learns from circuits is fitted.
_FIT_SAMPLES = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelVariant:
    """The model under one condition.

    Args:
        name: `"ideal"`, `"noisy"`, `"mitigated"` or `"shots"`.
        label: in words.
        model: the classifier.
    """

    name: Literal["ideal", "noisy", "mitigated", "shots"]
    label: str
    model: Classifier


@dataclass(frozen=True, kw_only=True, eq=False)
class Conditioned:
    """A model under the conditions asked for.

    Args:
        variants: without noise, under noise, mitigated, with finite shots, as far as they were asked for; the last one
            is the model its user would run.
        asked: the conditions and what they came to (date, physical qubits, swaps, circuits), JSON values.
        notes: what holds for every number, as sentences.
    """

    variants: tuple[ModelVariant, ...]
    asked: dict[str, Any]
    notes: tuple[str, ...]

    @property
    def model(self) -> Classifier:
        """The model that its user would run."""
        return self.variants[-1].model

    @property
    def ideal(self) -> Classifier:
        """The model without noise, read with infinitely many shots."""
        return self.variants[0].model


def conditioned(model: Classifier, conditions: Conditions, x: Tensor, *, seed: int = 0) -> Conditioned:
    """The model its user would run under `conditions`, and what it is compared with.

    Args:
        model: a classifier that shows its circuit; shots alone need no more than `sample`.
        conditions: what was asked for.
        x: some inputs `(batch, features)`, on which a mitigation that learns is fitted.
        seed: of the shots' random stream, of routing and of fitting.

    Raises:
        CapabilityError: the model shows no circuit, or already runs under noise of its own.
        UsageError: an unknown device, noise or mitigation, or more qubits than the device has.

    Example:
        >>> from counterspin.circuits import PauliExpectations, reuploading
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.types import Box
        >>> box = Box.uniform(0.0, 1.0, features=2)
        >>> model = QuantumClassifier(reuploading(2, 1), PauliExpectations.of("Z0", "Z1"), box)
        >>> found = conditioned(model, Conditions(shots=100), torch.zeros(1, 2))
        >>> [variant.name for variant in found.variants], found.model.stochastic
        (['ideal', 'shots'], True)
    """
    _check_model(model, conditions)
    variants = [ModelVariant(name="ideal", label="without noise, infinitely many shots", model=model)]
    asked, notes = conditions.to_json(), model_notes(model)
    if conditions.device is not None or conditions.noise is not None:
        noise, placement = _noise(model, conditions, seed)
        asked |= placement_facts(placement)
        notes += placement_notes(placement)
        label = f"on {conditions.device}" if placement is not None else f"under {asked['noise']}"
        engine = model.engine if isinstance(model, HasEngine) else "auto"
        bare = NoisyClassifier(model, noise=noise, placement=placement, engine=engine)
        errors = noise.readout_errors(bare.circuit.qubits)
        notes += [] if errors is None else list(errors.notes)
        variants.append(ModelVariant(name="noisy", label=label, model=bare))
        if conditions.mitigation is not None:
            fitting, generator = x[:_FIT_SAMPLES].double(), torch.Generator().manual_seed(seed)
            better = mitigated(bare, conditions.mitigation, fitting, shots=conditions.shots, generator=generator)
            technique: Any = better.mitigation
            asked |= mitigation_facts(technique, better)
            name = technique.name
            if "fitting_circuits" in asked:
                own = conditions.mitigation if isinstance(conditions.mitigation, TrainedOn) else None
                source = f"the first {len(fitting)} clean samples" if own is None else f"{len(own.x)} training samples"
                notes.append(
                    f"{name} was fitted once, before any attack, on circuits made of {source} and never on labels; "
                    "the same fit serves every input, attacked or not."
                )
            variants.append(ModelVariant(name="mitigated", label=f"{label}, {name}", model=better))
    if conditions.shots is not None:
        last = variants[-1]
        label = f"{last.label}, {conditions.shots} shots" if len(variants) > 1 else f"{conditions.shots} shots"
        read = SampledModel(last.model, shots=conditions.shots, seed=seed)
        variants.append(ModelVariant(name="shots", label=label, model=read))
    return Conditioned(variants=tuple(variants), asked=asked, notes=tuple(notes))


def _check_model(model: Classifier, conditions: Conditions) -> None:
    kind = type(model).__name__
    if isinstance(model, HasChannels) or model.stochastic:
        raise CapabilityError(
            f"model ({kind}) already runs under noise or with finite shots of its own; give the model without them, or "
            "leave out device, noise, shots and mitigation."
        )
    if conditions.device is None and conditions.noise is None:
        if not isinstance(model, Sampled):
            raise CapabilityError(
                f"model ({kind}) cannot be read with finite shots: it shows no circuit and has no method sample; "
                "give a quantum model whose circuit can be imported, see `counterspin inspect`."
            )
        return
    if not isinstance(model, HasCircuit):
        raise CapabilityError(
            f"model ({kind}) shows no circuit, so that no noise can act in it; give a quantum model whose circuit can "
            "be imported (`counterspin inspect` says why this one was not), or leave out device and noise."
        )


def _noise(model: Any, conditions: Conditions, seed: int) -> tuple[NoiseModel, Placement | None]:
    """The noise of the circuit that runs, and how the device runs it."""
    if conditions.device is not None:
        from counterspin.noise.devices import load, place

        placement = place(model.circuit, load(conditions.device), seed=seed)
        return placement.noise, placement
    if isinstance(conditions.noise, NoiseModel):
        return conditions.noise, None
    from counterspin.noise.text import parse

    return parse(str(conditions.noise)), None
