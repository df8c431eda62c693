"""From a circuit that was read out of another library to a classifier of ours."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import torch
from torch import Tensor

from counterspin.circuits import Angle, Circuit, Given, Linear, Measurement, OutcomeGroups, Term
from counterspin.errors import CounterspinError
from counterspin.models.affine import AffineInputs
from counterspin.models.integrations.angle_maps import identify
from counterspin.models.integrations.probing import probe_points
from counterspin.models.integrations.reading import CircuitReading, Unreadable
from counterspin.models.integrations.scores import ScoreMap
from counterspin.models.mapped import MappedClassifier
from counterspin.models.polynomial import PolynomialMap
from counterspin.models.quantum import QuantumClassifier
from counterspin.optimum import AffineMap
from counterspin.types import Box

__all__ = ["build"]

# An affine map with more numbers is computed once per sample, not once per gate.
_SUBSTITUTED = 256
_PROBES = 64


def build(
    reading: CircuitReading, scores: ScoreMap, bounds: Box, x: Tensor
) -> QuantumClassifier | AffineInputs | MappedClassifier:
    """The classifier whose circuit was read, frozen; `requires_grad_(True)` makes its weights trainable again.

    An affine front becomes part of the gate angles, or a map before amplitudes; any other front stays a function. A
    function that turns out to be affine or quadratic counts as such.

    Args:
        reading: what was read.
        scores: from raw values to class scores.
        bounds: the box the features live in.
        x: samples `(samples, features)` float64.

    Raises:
        Unreadable: no model can be made of it; the text says why.
    """
    circuit, features = reading.circuit, bounds.features
    if circuit.inputs == 0:
        raise Unreadable("no gate of the circuit depends on the features")
    if not scores.differentiable:
        raise Unreadable("it returns class labels, which are no readout of a circuit")
    front = reading.front
    if front is not None and not isinstance(front, AffineMap | PolynomialMap):
        front = identify(front, x, probes=probe_points(x, bounds, _PROBES)) or front
    if front is None:
        # A circuit may leave the last features out.
        eye = torch.eye(circuit.inputs, features, dtype=torch.float64)
        front = AffineMap(eye, torch.zeros(circuit.inputs, dtype=torch.float64))
    measurement, head = _readout(reading.measurement, reading.head, scores)
    try:
        if isinstance(front, AffineMap) and _fits_angles(circuit, front):
            substituted = circuit if front.is_identity else _behind(circuit, front)
            if substituted.inputs == features:
                return _classifier(substituted, reading.weights, measurement, head, bounds)
        body = _classifier(circuit, reading.weights, measurement, head, Box.unbounded(circuit.inputs))
        affine = isinstance(front, AffineMap)
        model = AffineInputs(body, front, bounds) if affine else MappedClassifier(front, body, bounds)
        return model.requires_grad_(False).eval()
    except CounterspinError as error:
        raise Unreadable(str(error).rstrip(".")) from error


def _classifier(
    circuit: Circuit, weights: Tensor, measurement: Measurement, head: Linear | None, bounds: Box
) -> QuantumClassifier:
    weights = weights.detach().double()
    model = QuantumClassifier(circuit, measurement, bounds, head=head, trainable_head=False, weights=weights)
    return model.requires_grad_(False).eval()


def _readout(measurement: Measurement, head: Linear | None, scores: ScoreMap) -> tuple[Measurement, Linear | None]:
    """Measurement and head of the class scores."""
    last = scores.linear()
    if last is None:
        return measurement, head
    if head is None and scores.outputs == "probabilities" and isinstance(measurement, OutcomeGroups):
        # A probability and its complement are a measurement of their own: no head, more certificates.
        (group,) = measurement.groups
        others = tuple(sorted(set(range(2 ** len(measurement.measured))) - set(group)))
        if others:
            groups = (others, group) if scores.above == 1 else (group, others)
            return replace(measurement, groups=groups), None
    if head is None:
        return measurement, last
    weight, bias = head.weight.double(), head.bias.double()
    return measurement, Linear(last.weight @ weight, last.weight @ bias + last.bias)


def _fits_angles(circuit: Circuit, front: AffineMap) -> bool:
    if front.is_identity:
        return True
    by_gates = circuit.amplitudes is None and not any(isinstance(a, Given) for g in circuit.gates for a in g.angles)
    return by_gates and int((front.weight != 0).sum()) <= _SUBSTITUTED


def _behind(circuit: Circuit, front: AffineMap) -> Circuit:
    """The circuit of features whose inputs are `front` of them."""
    rows, biases = front.weight.tolist(), front.bias.tolist()

    def mapped(angle: Angle | Given) -> Angle | Given:
        if isinstance(angle, Given) or not angle.inputs:
            return angle
        constant, totals = angle.constant, defaultdict[tuple[int | None, int | None], float](float)
        for term in angle.terms:
            if term.input is None:
                totals[None, term.weight] += term.coefficient
                continue
            for feature, value in enumerate(rows[term.input]):
                totals[feature, term.weight] += term.coefficient * value
            if term.weight is None:
                constant += term.coefficient * biases[term.input]
            else:
                totals[None, term.weight] += term.coefficient * biases[term.input]
        terms = (Term(total, *factors) for factors, total in totals.items() if total)
        return Angle(constant, tuple(terms))

    return replace(circuit, gates=tuple(replace(g, angles=tuple(map(mapped, g.angles))) for g in circuit.gates))
