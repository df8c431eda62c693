"""What is known of a model before it is attacked: its route, its gradient, its circuit, and how fast it is."""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from counterspin.models.frequencies import oscillations
from counterspin.models.integrations import Route
from counterspin.types import Classifier, HasCircuit

__all__ = ["Inspection", "Speed", "inspect_model"]

_BATCH = 256
# Timed turns, and how long one model may take for all of them.
_TURNS, _PATIENCE = 5, 4.0


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Time of value and input gradient of one batch (of values alone where there is no gradient).

    Args:
        batch: rows of the batch.
        home_ms: milliseconds as the model's own library computes it; None: it computes here too.
        home_batch: rows it was timed on; the time of `batch` rows is scaled from them.
        ours_ms: milliseconds as counterspin computes it.
        ratio: home over ours.
        gradient: whether the input gradient was computed too, on both sides.
    """

    batch: int
    gradient: bool
    home_ms: float | None
    home_batch: int | None
    ours_ms: float
    ratio: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Inspection:
    """What `counterspin inspect` prints.

    Args:
        route: how the model became one of ours.
        interface: classes, features, outputs, whether it is stochastic and differentiable.
        circuit: qubits, depth, gates, weights, encoding and frequencies; None: it shows no circuit.
        speed: at home and here.
    """

    route: Route
    interface: dict[str, Any]
    circuit: dict[str, Any] | None
    speed: Speed

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values; the circuit's facts stand beside the route."""
        check = self.route.gradient_check
        return {
            "kind": self.route.kind,
            "route": self.route.route,
            "reason": self.route.reason,
            "repairs": list(self.route.repairs),
            "space": self.route.space,
            "gradient_check": None if check is None else asdict(check),
            **self.interface,
            **({} if self.circuit is None else self.circuit),
            "speed": asdict(self.speed),
        }


def inspect_model(model: Classifier, route: Route, x: Tensor) -> Inspection:
    """Look at an adopted model and time it.

    Args:
        model: the classifier.
        route: how it became one.
        x: samples `(samples, features)`, repeated to a batch of 256 for the times.

    Example:
        >>> from counterspin.circuits import PauliExpectations, reuploading
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.models.integrations import adopt
        >>> from counterspin.types import Box
        >>> box = Box.uniform(0.0, 1.0, features=2)
        >>> model = QuantumClassifier(reuploading(2, 3), PauliExpectations.of("Z0", "Z1"), box)
        >>> found = inspect_model(model, adopt(model, torch.zeros(2, 2)).route, torch.zeros(2, 2))
        >>> found.to_json()["qubits"], found.to_json()["encoding"]
        (2, 'trainable')
    """
    return Inspection(
        route=route,
        interface={
            "classes": model.classes,
            "features": model.bounds.features,
            "outputs": model.outputs,
            "stochastic": model.stochastic,
            "differentiable": bool(getattr(model, "differentiable", True)),
        },
        circuit=_circuit_facts(model) if isinstance(model, HasCircuit) else None,
        # A wrapped model is its own home: there is nothing to compare.
        speed=_speed(model, route.home if route.route == "imported" else None, x),
    )


def _circuit_facts(model: HasCircuit) -> dict[str, Any]:
    circuit = model.circuit
    facts: dict[str, Any] = {
        "qubits": circuit.qubits,
        "depth": circuit.depth,
        "gates": len(circuit.gates),
        "circuit_weights": circuit.weights,
        "encoding": _encoding(model),
    }
    features = model.bounds.features  # pyright: ignore[reportAttributeAccessIssue]
    lines = None if circuit.amplitudes is not None else oscillations(model, torch.eye(features))
    if lines is not None:
        facts["frequencies"] = [
            None if line.frequencies is None else [round(f, 9) for f in line.frequencies] for line in lines
        ]
        facts["bandwidth"] = [line.bandwidth for line in lines]
    return facts


def _encoding(model: HasCircuit) -> str:
    """`amplitude`; `trainable`: weights scale the inputs; `computed`: by a map that is not affine; else `fixed`."""
    if model.circuit.amplitudes is not None:
        return "amplitude and angle" if model.circuit.depends_on_inputs_by_gates else "amplitude"
    if model.circuit.scaling_weights:
        return "trainable"
    features = model.bounds.features  # pyright: ignore[reportAttributeAccessIssue]
    return "fixed" if oscillations(model, torch.eye(features)[:1]) is not None else "computed"


def _speed(model: Classifier, home: Classifier | None, x: Tensor) -> Speed:
    gradient = bool(getattr(model, "differentiable", True)) and (
        home is None or bool(getattr(home, "differentiable", True))
    )
    batch = x.double()[torch.arange(_BATCH) % len(x)]
    ours, _ = _timed(model, batch, gradient)
    if home is None:
        return Speed(batch=_BATCH, gradient=gradient, home_ms=None, home_batch=None, ours_ms=ours, ratio=None)
    found, rows = _timed(home, batch, gradient)
    return Speed(batch=_BATCH, gradient=gradient, home_ms=found, home_batch=rows, ours_ms=ours, ratio=found / ours)


def _timed(model: Classifier, batch: Tensor, gradient: bool) -> tuple[float, int]:
    """Median milliseconds of the batch, and the rows they were measured on: as many as patience allows."""
    first = _seconds(model, batch[:1], gradient)
    single = min(first, _seconds(model, batch[:1], gradient))
    # Two rows tell a model that is paid for by the row from one that is paid for by the call.
    pair = _seconds(model, batch[:2], gradient)
    per_row = max(pair - single, 0.0)
    whole = single + per_row * (len(batch) - 1)
    affordable = len(batch) if whole * 2 <= _PATIENCE else max(1, int(_PATIENCE / 2 / max(per_row, single)))
    rows = min(len(batch), affordable)
    turns, times = time.perf_counter(), [_seconds(model, batch[:rows], gradient)]
    while len(times) < _TURNS and time.perf_counter() - turns < _PATIENCE / 2:
        times.append(_seconds(model, batch[:rows], gradient))
    return 1e3 * statistics.median(times) * len(batch) / rows, rows


def _seconds(model: Classifier, x: Tensor, gradient: bool) -> float:
    began = time.perf_counter()
    if gradient:
        with torch.enable_grad():
            leaf = x.clone().requires_grad_()
            scores = model(leaf)
            torch.autograd.grad(scores[:, 0].sum(), leaf)
    else:
        with torch.no_grad():
            model(x)
    return time.perf_counter() - began
