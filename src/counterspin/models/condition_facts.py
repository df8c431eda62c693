"""What conditions came to: date, physical qubits, circuits of a mitigation, and what holds for every number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from counterspin.mitigation.fitting import fitting_cost
from counterspin.mitigation.selection import AutoMitigation
from counterspin.models.noisy import NoisyClassifier
from counterspin.types import Classifier, HasCircuit

if TYPE_CHECKING:
    from counterspin.mitigation.base import Mitigation
    from counterspin.noise.devices.placement import Placement

__all__ = ["mitigation_facts", "model_notes", "placement_facts", "placement_notes"]


def model_notes(model: Classifier) -> list[str]:
    """What is assumed of the model itself, as sentences."""
    if isinstance(model, HasCircuit) and model.circuit.amplitudes is not None:
        return ["State preparation ideal: the noise of preparing the amplitudes is not part of any number here."]
    return []


def placement_facts(placement: Placement | None) -> dict[str, Any]:
    """Where and how a device runs the circuit, JSON values; nothing without a device."""
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


def placement_notes(placement: Placement | None) -> list[str]:
    """What a calibration can say of the device, and what is missing in it, as sentences."""
    if placement is None:
        return []
    from counterspin.noise.devices import notes_of

    return [
        f"Noise from the calibration of {placement.snapshot.name} of {placement.snapshot.date[:10]}, on its qubits "
        f"{', '.join(map(str, placement.physical))}: a model of that day's averages, not the device itself.",
        *notes_of(placement.snapshot, placement.physical),
    ]


def mitigation_facts(technique: Mitigation, model: NoisyClassifier) -> dict[str, Any]:
    """What a mitigation inside `model` costs, and what it was chosen from, JSON values."""
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
