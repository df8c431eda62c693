"""What a model is run under: a device or a noise model, finite shots, mitigation; and the models that makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from counterspin.errors import CapabilityError, UsageError
from counterspin.mitigation.fitting import fitting_cost
from counterspin.mitigation.selection import AutoMitigation
from counterspin.models.mitigated import mitigated
from counterspin.models.noisy import NoisyClassifier
from counterspin.models.sampled import SampledModel
from counterspin.noise import NoiseModel
from counterspin.types import Classifier, HasChannels, HasCircuit, HasEngine, Sampled

if TYPE_CHECKING:
    from counterspin.mitigation.base import Mitigation
    from counterspin.noise.devices.placement import Placement

__all__ = ["Conditioned", "Conditions", "ModelVariant", "conditioned"]

# Inputs on which a mitigation that learns from circuits is fitted.
_FIT_SAMPLES = 16


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What somebody asks a model to be run under; at least one of them.

    Args:
        device: `"ibm:manila"`, `"ibm:fez@2025-02-26"`, `"google:willow_pink"`, or the path of a calibration file.
        noise: a text such as `"depolarizing:0.01/gate"`, or a `NoiseModel`.
        shots: measurements of each sample and setting, which the circuits of a mitigation share; None: infinitely many.
        mitigation: a name such as `"zne"` or `"readout"`, or a `Mitigation`.

    Raises:
        UsageError: nothing at all, device and noise together, mitigation without noise, or shots below 1.

    Example:
        >>> Conditions(noise="depolarizing:0.01/gate", shots=4096).to_json()
        {'device': None, 'noise': 'depolarizing:0.01/gate', 'shots': 4096, 'mitigation': None}
    """

    device: str | None = None
    noise: str | NoiseModel | None = None
    shots: Any = None
    mitigation: Any = None

    def __post_init__(self) -> None:
        """Refuse what makes no sense together."""
        if self.device is None and self.noise is None and self.shots is None and self.mitigation is None:
            raise UsageError("conditions are empty; give a device, noise, shots or mitigation.")
        if self.device is not None and self.noise is not None:
            raise UsageError(
                f"device is {self.device!r} and noise {self.noise!r}: a device brings its own noise, give one of them."
            )
        if self.mitigation is not None and self.device is None and self.noise is None:
            raise UsageError(
                "mitigation is given without device or noise: there is nothing to mitigate, give one of them."
            )
        if self.shots is not None and not (isinstance(self.shots, int) and self.shots >= 1):
            raise UsageError(f"shots is {self.shots!r}; give a whole number of at least 1.")

    @classmethod
    def asked(
        cls, *, device: str | None = None, noise: Any = None, shots: Any = None, mitigation: Any = None
    ) -> Conditions | None:
        """The conditions, or None where nothing is asked for."""
        if device is None and noise is None and shots is None and mitigation is None:
            return None
        return cls(device=device, noise=noise, shots=shots, mitigation=mitigation)

    def to_json(self) -> dict[str, Any]:
        """What was asked for, as texts and numbers."""
        technique = self.mitigation
        return {
            "device": self.device,
            "noise": self.noise if self.noise is None or isinstance(self.noise, str) else "a noise model of one's own",
            "shots": self.shots,
            "mitigation": technique if technique is None or isinstance(technique, str) else technique.name,
        }


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
    asked, notes = conditions.to_json(), _notes(model)
    if conditions.device is not None or conditions.noise is not None:
        noise, placement = _noise(model, conditions, seed)
        asked |= _placement_facts(placement)
        notes += _placement_notes(placement)
        label = f"on {conditions.device}" if placement is not None else f"under {asked['noise']}"
        engine = model.engine if isinstance(model, HasEngine) else "auto"
        bare = NoisyClassifier(model, noise=noise, placement=placement, engine=engine)
        variants.append(ModelVariant(name="noisy", label=label, model=bare))
        if conditions.mitigation is not None:
            fitting, generator = x[:_FIT_SAMPLES].double(), torch.Generator().manual_seed(seed)
            better = mitigated(bare, conditions.mitigation, fitting, shots=conditions.shots, generator=generator)
            technique: Any = better.mitigation
            asked |= _mitigation_facts(technique, better)
            name = technique.name
            if "fitting_circuits" in asked:
                notes.append(
                    f"{name} was fitted once, before any attack, on circuits made of the first {len(fitting)} clean "
                    "samples and never on labels; the same fit serves every input, attacked or not."
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


def _notes(model: Classifier) -> list[str]:
    if isinstance(model, HasCircuit) and model.circuit.amplitudes is not None:
        return ["State preparation ideal: the noise of preparing the amplitudes is not part of any number here."]
    return []


def _placement_facts(placement: Placement | None) -> dict[str, Any]:
    if placement is None:
        return {}
    return {
        "device": placement.snapshot.name,
        "date": placement.snapshot.date,
        "physical_qubits": list(placement.physical),
        "swaps": placement.swaps,
        "native_gates": len(placement.circuit.gates),
        "transpiler": placement.transpiler,
        "duration_us": round(1e6 * placement.duration, 3),
    }


def _placement_notes(placement: Placement | None) -> list[str]:
    if placement is None:
        return []
    from counterspin.noise.devices import notes_of

    return [
        f"Noise from the calibration of {placement.snapshot.name} of {placement.snapshot.date[:10]}, on its qubits "
        f"{', '.join(map(str, placement.physical))}: a model of that day's averages, not the device itself.",
        *notes_of(placement.snapshot, placement.physical),
    ]


def _mitigation_facts(technique: Mitigation, model: NoisyClassifier) -> dict[str, Any]:
    fit = fitting_cost(technique)
    facts: dict[str, Any] = {
        "mitigation": technique.name,
        "mitigation_linear": technique.linear,
        "circuits_per_sample": model.call_price(1).circuits,
        "shot_factor": technique.shot_factor(model.circuit, model.noise),
    }
    if fit.circuits:
        facts |= {"fitting_circuits": fit.circuits, "fitting_shots": fit.shots}
    if isinstance(technique, AutoMitigation) and technique.selection is not None:
        facts["candidates"] = technique.selection.rows()
    return facts
