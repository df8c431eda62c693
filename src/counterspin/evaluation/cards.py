"""What a record says of a model, read from the model itself."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from torch import nn

from counterspin.circuits import Circuit, Given, Scale
from counterspin.models.integrations.route import Route
from counterspin.types import Box, Classifier, HasChannels, HasCircuit

__all__ = ["circuit_digest", "model_card"]


def model_card(model: Classifier, name: str | None = None) -> dict[str, Any]:
    """Name, kind, sizes and circuit of a model, JSON values.

    Example:
        >>> from counterspin.models import LogisticRegression
        >>> from counterspin.types import Box
        >>> model_card(LogisticRegression(Box.uniform(0, 1, features=4), classes=3))["parameters"]
        15
    """
    card: dict[str, Any] = {
        "name": name or type(model).__name__,
        "kind": type(model).__name__,
        "classes": model.classes,
        "features": model.bounds.features,
        "outputs": model.outputs,
    }
    route: Route | None = getattr(model, "route", None)
    if route is not None:
        card |= {"library": route.kind, "route": route.route, "space": route.space, "repairs": list(route.repairs)}
        card |= {"between": _common_bounds(model.bounds), "asked": dict(route.asked)}
    if isinstance(model, nn.Module):
        card["parameters"] = sum(parameter.numel() for parameter in model.parameters())
    if isinstance(model, HasCircuit):
        circuit = model.circuit
        card |= {
            "qubits": circuit.qubits,
            "layers": len(circuit.layers),
            "gates": len(circuit.gates),
            "encoding": "amplitude" if circuit.amplitudes else "angle",
            "circuit_weights": circuit.weights,
            "circuit_sha256": circuit_digest(circuit),
        }
        if isinstance(model, HasChannels):
            card["channels"] = len(model.channels)
        if isinstance(model.readout.head, Scale):
            card["logit_scale"] = float(model.readout.head.value.detach())
    return card


def _common_bounds(box: Box) -> list[float] | None:
    """Lowest and highest value where all features share them."""
    ends = {(float(low), float(high)) for low, high in zip(box.lower, box.upper, strict=True)}
    return None if len(ends) > 1 or box.is_unbounded else list(ends.pop())


def circuit_digest(circuit: Circuit) -> str | None:
    """SHA-256 of the circuit's canonical JSON; None where angles are tensors computed outside."""
    if any(isinstance(angle, Given) for gate in circuit.gates for angle in gate.angles):
        return None
    canonical = json.dumps(circuit.to_json(), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
