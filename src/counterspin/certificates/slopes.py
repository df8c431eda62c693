r"""How gate angles follow the features: slopes and generators of a circuit's encoding gates.

Every angle :math:`\alpha_j = w_j \cdot x + \theta_j` enters through :math:`e^{-i \alpha_j H_j}`. A change
:math:`\delta` of the features then turns the state by a Bures angle of at most :math:`\sum_j |w_j\cdot\delta|\,
\mathrm{spread}(H_j)/2`, and along a line :math:`x + tu` every expectation value is band-limited to
:math:`\sum_j |w_j \cdot u|\,\mathrm{spread}(H_j)`, :math:`\mathrm{spread}(H) = \lambda_{\max} - \lambda_{\min}`. Both
hold with re-uploading and with any channels between the gates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from counterspin.certificates.base import Assumptions, Radii, Task
from counterspin.certificates.margins import inner
from counterspin.circuits import GATES, Angle, Circuit, Given
from counterspin.errors import CapabilityError, ConditionsError, UsageError
from counterspin.threats import ThreatModel
from counterspin.types import Box, HasCircuit

__all__ = ["EncodingGates", "check_body", "encoding_gates", "feature_gates", "finished", "wrap_limit"]

# A wrap by a whole number of turns, up to what re-computing the slope in another order may change.
_WHOLE = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodingGates:
    """The gate angles that hold data, those of slope 0 left out.

    Args:
        slopes: `w_j`, the change of each angle with the inputs or features, `(angles, features)` float64.
        spreads: spread of the generator of each angle `(angles,)` float64.
        turns: change of each angle that leaves every expectation value as it is `(angles,)`: 2π, or 4π for controlled
            rotations.
        last: position in the circuit of the last gate that holds an input, be it with slope 0; -1: there is none.
    """

    slopes: Tensor
    spreads: Tensor
    turns: Tensor
    last: int

    @property
    def turning(self) -> Tensor:
        """Bures angle per unit of each feature and angle, `slopes * spreads / 2` `(angles, features)`."""
        return self.slopes * self.spreads[:, None] / 2

    @property
    def bands(self) -> Tensor:
        """Highest frequency of any expectation value along each feature alone, `(features,)`."""
        return (self.slopes.abs() * self.spreads[:, None]).sum(dim=0)

    def after(self, matrix: Tensor) -> EncodingGates:
        """The gates as functions of `z` where the inputs are `matrix @ z` plus a constant, `matrix` `(inputs, z)`."""
        return EncodingGates(slopes=self.slopes @ matrix, spreads=self.spreads, turns=self.turns, last=self.last)


def encoding_gates(circuit: Circuit, weights: Tensor) -> EncodingGates:
    """Slopes over the inputs of a circuit; trainable scales of re-uploading are read from the weights.

    Every rotation by half a Pauli string, every phase gate and every controlled rotation has a generator of spread 1;
    `Rot` and `U3` are three rotations each.

    Raises:
        ConditionsError: the circuit encodes amplitudes, or holds angles given per sample.
        UsageError: too few weights.

    Example:
        >>> from counterspin.circuits import feature, weight
        >>> circuit = Circuit(1).add("RX", 0, 2.0 * feature(0) * weight(0)).add("RY", 0, weight(1)).add("H", 0)
        >>> gates = encoding_gates(circuit, torch.tensor([1.5, 0.0]))
        >>> gates.slopes.tolist(), gates.spreads.tolist(), gates.last
        ([[3.0]], [1.0], 0)
    """
    if circuit.amplitudes is not None:
        raise ConditionsError(
            "the circuit encodes amplitudes, which move with the features in no gate angle; use certificate exact-l2."
        )
    if len(weights) < circuit.weights:
        raise UsageError(f"weights has {len(weights)} values; the circuit takes {circuit.weights}.")
    values = weights.detach().to("cpu", torch.float64).tolist()
    rows, spreads, turns, last = [], [], [], -1
    for position, gate in enumerate(circuit.gates):
        for angle, frequencies in zip(gate.angles, GATES[gate.kind].frequencies, strict=True):
            if isinstance(angle, Given) and angle.value.ndim:
                raise ConditionsError(
                    f"gate {gate.kind} holds an angle given per sample as a tensor, whose dependence on the features "
                    "is unknown; make it an expression of inputs."
                )
            if not isinstance(angle, Angle) or not angle.inputs:
                continue
            last = position
            slope = _slope(angle, circuit.inputs, values)
            if any(slope):
                rows.append(slope)
                # The differences of a generator's eigenvalues are the frequencies; the largest is the spread.
                spreads.append(max(frequencies))
                turns.append(2 * math.pi / min(frequencies))
    return EncodingGates(
        slopes=torch.tensor(rows, dtype=torch.float64).reshape(len(rows), circuit.inputs),
        spreads=torch.tensor(spreads, dtype=torch.float64),
        turns=torch.tensor(turns, dtype=torch.float64),
        last=last,
    )


def feature_gates(model: Any, threat: ThreatModel) -> EncodingGates:
    """Slopes over the features of a model that is one circuit, behind an affine map at most.

    Features that the mask forbids to move have slope 0.

    Args:
        model: a model with `circuit`, `weights` and `circuit_inputs`, or with Hermitian `observables()` measured after
            the circuit of its features; or affine maps around one.
        threat: its mask is used.

    Raises:
        CapabilityError: the model shows no circuit.
        ConditionsError: as `encoding_gates`, or a map to the circuit that is not known to be affine.
    """
    body, input_map = inner(model)
    check_body(body)
    gates = encoding_gates(body.circuit, body.weights)
    if input_map is not None:
        gates = gates.after(input_map.weight.detach().to("cpu", torch.float64))
    movable = threat.constraints.movable(gates.slopes.shape[1])
    return EncodingGates(
        slopes=gates.slopes * movable.to(gates.slopes), spreads=gates.spreads, turns=gates.turns, last=gates.last
    )


def wrap_limit(gates: EncodingGates, box: Box, x: Tensor) -> tuple[Tensor, bool]:
    """How far each sample may move before a periodic feature wraps in a way the circuit can tell, `(batch,)`.

    A wrap that turns every angle by whole periods changes no score; any other is a jump that no slope bounds, so that a
    radius ends at the nearer end of the feature's range.

    Args:
        gates: the encoding gates over the features.
        box: its periodic features wrap.
        x: samples `(batch, features)`.

    Returns:
        Limits, infinite without such features; whether there are any.
    """
    periods = (box.upper - box.lower).to(torch.float64)
    turns = (gates.slopes * periods.masked_fill(~box.periodic, 0.0)) / gates.turns[:, None]
    jumps = box.periodic & ((turns - turns.round()).abs() > _WHOLE).any(dim=0)
    room = torch.minimum(x - box.lower.to(x), box.upper.to(x) - x).clamp(min=0)
    return torch.where(jumps, room, torch.inf).amin(dim=1), bool(jumps.any())


def finished(radius: Tensor, gates: EncodingGates, task: Task, assumptions: Assumptions) -> Radii:
    """Radii `(batch,)` as they may be reported: not beyond a wrap that changes scores, with what was not used noted."""
    notes = assumptions.notes
    limit, wraps = wrap_limit(gates, task.box, task.x)
    if wraps:
        notes = (*notes, "radii end where a periodic feature wraps, which the circuit does not follow")
    if task.threat.constraints.groups or task.threat.constraints.tied:
        notes = (*notes, "discrete and tied features not used: a freer attacker bounds theirs")
    box = "none" if task.box.is_unbounded else "not used"
    return Radii.below(torch.minimum(radius, limit), replace(assumptions, box=box, notes=notes))


def check_body(model: Any) -> None:
    """Refuse a model, without the affine maps around it, whose features are not the inputs of its circuit themselves.

    Raises:
        CapabilityError: the model shows no circuit.
        ConditionsError: a map to the circuit that is not known to be affine.
    """
    box: Box = model.bounds
    shown = isinstance(model, HasCircuit)
    if not shown and hasattr(model, "circuit") and callable(getattr(model, "observables", None)):
        return
    if not shown:
        raise CapabilityError(
            "the certificate needs a circuit with its readout or observables (a model that is one circuit has them), "
            f"which model ({type(model).__name__}) lacks; choose another certificate."
        )
    lower = box.lower.to(torch.float64)
    middle = torch.where(torch.isfinite(lower), lower, torch.zeros_like(lower))[None]
    # Identity of the object, not equal values: a front may leave these samples alone and stretch their neighbours.
    if model.circuit_inputs(middle) is not middle:
        raise ConditionsError(
            f"model ({type(model).__name__}) maps its features to the circuit by a classical map that is not known to "
            "be affine; use certificate hybrid, or AffineInputs for a map that is."
        )


def _slope(angle: Angle, inputs: int, weights: list[float]) -> list[float]:
    slope = [0.0] * inputs
    for term in angle.terms:
        if term.input is not None:
            slope[term.input] += term.coefficient * (1.0 if term.weight is None else weights[term.weight])
    return slope
