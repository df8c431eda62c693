r"""Approximate compilation: two passes that make a circuit cheaper and leave its angles almost as they are.

* `dropped`: rotations by a fixed angle smaller than a threshold are left out, as transpilers do with an approximation
  degree below 1; a `Rot` is RZ, RY, RZ there.
* `rounded`: fixed angles go to the nearest multiple of a step, as for a control with b bits (step :math:`2\pi / 2^b`).

Each changes a fixed angle by at most a limit: the threshold, or half the step. Angles that hold data stay.
"""

from __future__ import annotations

import math
from dataclasses import replace

from torch import Tensor

from counterspin.circuits import GATES, Angle, Circuit, Gate, Given

__all__ = ["dropped", "fixed_angle", "rounded", "wrapped"]

# Gates that are the identity at angle 0.
_ROTATIONS = frozenset({"RX", "RY", "RZ", "P", "RXX", "RYY", "RZZ", "CRX", "CRY", "CRZ", "CP"})
# Their period is two turns, with no global phase to hide the first.
_TWO_TURNS = frozenset({"CRX", "CRY", "CRZ"})


def fixed_angle(angle: Angle | Given, weights: Tensor) -> float | None:
    """The value of an angle; None where it holds data.

    Example:
        >>> import torch
        >>> from counterspin.circuits import feature, weight
        >>> fixed_angle(2.0 * weight(0) + 1.0, torch.tensor([0.5])), fixed_angle(feature(0), torch.zeros(0))
        (2.0, None)
    """
    if isinstance(angle, Given) or angle.inputs:
        return None
    return angle.constant + sum(t.coefficient * float(weights[t.weight]) for t in angle.terms if t.weight is not None)


def wrapped(kind: str, value: float) -> float:
    """The angle of smallest size that does the same up to a global phase.

    Example:
        >>> wrapped("RX", 2 * math.pi + 0.5)
        0.5
    """
    period = 4 * math.pi if kind in _TWO_TURNS else 2 * math.pi
    return math.remainder(value, period)


def dropped(circuit: Circuit, weights: Tensor, threshold: float) -> Circuit:
    """The circuit without fixed rotations smaller than `threshold` in radians, without layer ends.

    Example:
        >>> import torch
        >>> circuit = Circuit(1).add("RX", 0, 0.01).add("RZ", 0, 1.0)
        >>> [gate.kind for gate in dropped(circuit, torch.zeros(0), 0.1).gates]
        ['RZ']
    """
    kept: list[Gate] = []
    for gate in circuit.gates:
        values = [fixed_angle(angle, weights) for angle in gate.angles]
        small = [value is not None and abs(wrapped(gate.kind, value)) < threshold for value in values]
        if gate.kind in _ROTATIONS and all(small):
            continue
        if gate.kind == "Rot" and any(small):
            angles = tuple(Angle() if s else a for s, a in zip(small, gate.angles, strict=True))
            if all(small):
                continue
            gate = replace(gate, angles=angles)
        kept.append(gate)
    return Circuit(circuit.qubits, tuple(kept), circuit.amplitudes)


def rounded(circuit: Circuit, weights: Tensor, step: float) -> Circuit:
    """The circuit with fixed angles at multiples of `step`, written as numbers, without layer ends.

    Example:
        >>> import torch
        >>> str(rounded(Circuit(1).add("RX", 0, 0.7), torch.zeros(0), 0.5).gates[0])
        'RX(0.5) q0'
    """

    def near(angle: Angle | Given) -> Angle | Given:
        value = fixed_angle(angle, weights)
        return angle if value is None else Angle(step * round(value / step))

    gates = tuple(
        replace(gate, angles=tuple(near(a) for a in gate.angles)) if GATES[gate.kind].angles else gate
        for gate in circuit.gates
    )
    return Circuit(circuit.qubits, gates, circuit.amplitudes)
