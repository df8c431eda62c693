"""What rounding may do to simulated states: a share per gate and channel, and more where gate angles are large."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from counterspin.certificates.margins import channels_of, inner, inputs_of
from counterspin.circuits import Circuit, Given

__all__ = ["angle_rounding", "rounding_of"]

_EPS = torch.finfo(torch.float64).eps


def rounding_of(model: Any, x: Tensor) -> Tensor:
    """How far amplitudes simulated in float64 at `x` `(batch, features)` may be off, `(batch, 1)`.

    16 units of 2.2e-16 per gate, and what `angle_rounding` says; 1e-10 per channel, since channels are trace-preserving
    to 1e-10 only, see `counterspin.noise.kraus`.
    """
    circuit: Circuit = model.circuit
    everywhere = 16 * (len(circuit.gates) + circuit.qubits + 16) * _EPS + 1e-10 * len(channels_of(model))
    return everywhere + angle_rounding(model, x)


def angle_rounding(model: Any, x: Tensor) -> Tensor:
    """How far all gate angles together may be off at `x` `(batch, features)`, `(batch, 1)`.

    An angle is known to 2.2e-16 of its summands before they cancel, times their number: angles around 1e6 to 1e-10.
    """
    body, input_map = inner(model)
    size, mapped = inputs_of(model, x).to(torch.float64).abs(), 0
    if input_map is not None:
        weight, bias = (part.detach().to("cpu", torch.float64).abs() for part in (input_map.weight, input_map.bias))
        size, mapped = x.to(torch.float64).abs() @ weight.T + bias, x.shape[1]
    weights = [abs(value) for value in body.weights.detach().tolist()]
    slope, constant = [0.0] * size.shape[1], 0.0
    for angle in (angle for gate in body.circuit.gates for angle in gate.angles):
        if isinstance(angle, Given):
            constant += float(angle.value.detach().abs().max())
            continue
        summands = len(angle.terms) + mapped + 2
        constant += summands * abs(angle.constant)
        for term in angle.terms:
            share = summands * abs(term.coefficient) * (1.0 if term.weight is None else weights[term.weight])
            if term.input is None:
                constant += share
            else:
                slope[term.input] += share
    return _EPS * (size @ torch.tensor(slope, dtype=torch.float64)[:, None] + constant)
