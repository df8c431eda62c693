"""TorchLayers as circuits with free parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from counterspin.circuits import feature
from counterspin.models.integrations.layer import LayerReading, affine_weights
from counterspin.models.integrations.pennylane.amplitudes import encoding_of
from counterspin.models.integrations.pennylane.circuits import (
    AngleKinds,
    TapeFront,
    angle_kinds,
    between,
    built,
    checked_front,
    read_circuit,
    weight_leaves,
)
from counterspin.models.integrations.pennylane.measurements import measured
from counterspin.models.integrations.pennylane.reading import layer_call
from counterspin.models.integrations.pennylane.tapes import Recorder, recorder, runnable
from counterspin.models.integrations.probing import probe_points
from counterspin.models.integrations.reading import Options, Unreadable

__all__ = ["read_layer"]

_PROBES = 64


def read_layer(layer: Any, x: Tensor) -> LayerReading:
    """The circuit of a TorchLayer, its parameters left free.

    Args:
        layer: the TorchLayer.
        x: activations that reach it `(samples, features)` float64, at least 2.

    Raises:
        ModelError: as `read`.
        Unreadable: what cannot be expressed as a circuit with the layer's parameters.
    """
    call = layer_call(layer, Options(x=x))
    if call.qnode.shots:
        raise Unreadable(f"its device measures {call.qnode.shots.total_shots} shots")
    points = torch.cat([between(x), runnable(call, probe_points(x, None, _PROBES))])
    recorded = recorder(call, points)
    kinds = angle_kinds(recorded, points)
    leaves = weight_leaves(recorded, points)
    sample = recorded.record(points[0], leaves)
    if any(_attached(c) for m in sample.tape.measurements if m.obs is not None for c in m.obs.data):
        raise Unreadable("its parameters are coefficients of an observable")
    weights = _weights(recorded, kinds, leaves, points[0])
    moving = [sample.angles[k] for k in kinds.features.tolist()]
    if not any(map(_attached, [*moving, sample.state])):
        reading = read_circuit(recorded, x, points)
        front = reading.front
        return LayerReading(
            circuit=reading.circuit,
            inputs=(lambda rows, _: rows) if front is None else (lambda rows, _: front(rows)),
            weights=weights,
            measurement=reading.measurement,
            head=reading.head,
        )
    # Features and parameters meet in one angle (trainable scales): the tape computes their product at each call.
    states, _ = recorded.values(points, columns=kinds.features)
    amplitudes = None if states is None else encoding_of(points, states).amplitudes
    front = TapeFront(recorder=recorded, columns=kinds.features, amplitudes=amplitudes)
    checked_front(front, between(x))
    offset = 0 if amplitudes is None else amplitudes.features
    found = measured(sample.tape, recorded.qubits)
    return LayerReading(
        circuit=built(recorded, found, kinds, [feature(offset + k) for k in range(len(moving))], amplitudes),
        inputs=lambda rows, parameters: front(rows, {name: p.to(rows) for name, p in parameters.items()}),
        weights=weights,
        measurement=found.measurement,
        head=found.head,
    )


def _attached(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


def _weights(recorded: Recorder, kinds: AngleKinds, leaves: Mapping[str, Tensor], row: Tensor) -> Any:
    """Parameters by name -> the angles that hang on them alone."""
    names = list(leaves)
    sizes = [leaves[name].numel() for name in names]

    def angles(flat: Tensor) -> Tensor:
        parts = flat.split(sizes)
        given = {name: part.reshape(leaves[name].shape) for name, part in zip(names, parts, strict=True)}
        return recorded.values(row[None], given, kinds.weights)[1][0]

    function = affine_weights(angles, _flat(leaves, names))
    return lambda parameters: function(_flat(parameters, names))


def _flat(parameters: Mapping[str, Tensor], names: list[str]) -> Tensor:
    parts = [parameters[name].double().flatten() for name in names]
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64)
