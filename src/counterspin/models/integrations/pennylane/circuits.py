"""From recorded tapes to one circuit: which angles hang on features, which on weights, which on nothing."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from counterspin.circuits import Amplitudes, Angle, Circuit, Gate, Term, feature, weight
from counterspin.errors import ModelError
from counterspin.models.integrations.angle_maps import identify
from counterspin.models.integrations.pennylane.amplitudes import Encoding, encoding_of, state_inputs
from counterspin.models.integrations.pennylane.measurements import Measured, measured
from counterspin.models.integrations.pennylane.tapes import Recorder
from counterspin.models.integrations.reading import CircuitReading, Unreadable
from counterspin.optimum import AffineMap

__all__ = ["AngleKinds", "TapeFront", "angle_kinds", "built", "read_circuit"]

_SAME = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class AngleKinds:
    """The angles of a tape, sorted by what they hang on; positions count all angles in the order of the gates.

    Args:
        features: positions of angles that differ between samples, `(inputs,)`.
        weights: positions of angles that hang on weights alone, `(weights,)`.
        values: the angles of one sample, `(angles,)` float64.
    """

    features: Tensor
    weights: Tensor
    values: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class TapeFront:
    """Features -> circuit inputs, by recording a tape for each batch: amplitudes first, then angles.

    Args:
        recorder: records tapes.
        columns: positions of the wanted angles.
        amplitudes: how states are encoded, where they are.
    """

    recorder: Recorder
    columns: Tensor
    amplitudes: Amplitudes | None

    def __call__(self, x: Tensor, weights: Mapping[str, Any] | None = None) -> Tensor:
        """Circuit inputs `(batch, inputs)` of `x` `(batch, features)`, attached to autograd; with other weights."""
        states, angles = self.recorder.values(x, weights, self.columns)
        if states is None or self.amplitudes is None:
            return angles
        return torch.cat([state_inputs(states, self.amplitudes).to(x.dtype), angles], dim=1)


def read_circuit(recorder: Recorder, x: Tensor, points: Tensor) -> CircuitReading:
    """The circuit of a QNode, its measurement, and the map from features to its inputs.

    Args:
        recorder: of the QNode.
        x: some samples `(samples, features)` float64.
        points: points `(points, features)` at which tapes are looked at.

    Raises:
        ModelError: nothing hangs on the features.
        Unreadable: what cannot be expressed as a circuit of ours.
    """
    if len({_measurements(recorder.call.tape(point)) for point in points}) > 1:
        raise Unreadable("what it measures depends on the features")
    found = measured(recorder.record(x[0]).tape, recorder.qubits)
    kinds = angle_kinds(recorder, points)
    states, _ = recorder.values(points, columns=kinds.features)
    if states is None and not len(kinds.features):
        raise ModelError(
            f"no gate of the QNode hangs on its argument {recorder.call.inputs!r}; name the argument that takes the "
            "features by inputs=."
        )
    encoding = None if states is None else encoding_of(points, states)
    front, angles = _front(recorder, kinds, encoding, x, points)
    circuit = built(recorder, found, kinds, angles, None if encoding is None else encoding.amplitudes)
    if front is None and circuit.inputs < x.shape[1]:
        front = AffineMap.identity(x.shape[1])
        front = AffineMap(front.weight[: circuit.inputs], front.bias[: circuit.inputs])
    return CircuitReading(
        circuit=circuit,
        weights=kinds.values[kinds.weights],
        front=front,
        measurement=found.measurement,
        head=found.head,
    )


def _measurements(tape: Any) -> tuple[int, ...]:
    return tuple(measurement.hash for measurement in tape.measurements)


def between(x: Tensor) -> Tensor:
    """Some samples and points between them: in the domain of whatever is computed from features.

    Args:
        x: `(samples, features)`, at least two.

    Example:
        >>> between(torch.tensor([[0.0], [1.0]])).flatten().tolist()
        [0.0, 1.0, 0.375, 0.625]
    """
    x = x[:6]
    other = x.roll(1, 0)
    return torch.cat([x, 0.625 * x + 0.375 * other])


def angle_kinds(recorder: Recorder, points: Tensor) -> AngleKinds:
    """Sort the angles of a QNode by what they hang on, from the tapes of some points `(points, features)`."""
    values = recorder.values(points)[1].detach()
    varying = (values - values[:1]).abs().amax(0) > _SAME
    leaves = weight_leaves(recorder, points)
    angles = recorder.record(points[0], leaves).angles
    trained = torch.tensor([isinstance(angle, Tensor) and angle.requires_grad for angle in angles], dtype=torch.bool)
    return AngleKinds(
        features=varying.nonzero().flatten(),
        weights=(trained & ~varying).nonzero().flatten(),
        values=values[0].double(),
    )


def weight_leaves(recorder: Recorder, x: Tensor) -> dict[str, Any]:
    """The QNode's floating point weights as leaves of an autograd graph, by name."""
    given = {n: v for n, v in recorder.call.others(x.dtype).items() if isinstance(v, Tensor)}
    return {name: value.clone().requires_grad_() for name, value in given.items() if value.is_floating_point()}


def built(
    recorder: Recorder, found: Measured, kinds: AngleKinds, angles: list[Angle], amplitudes: Amplitudes | None
) -> Circuit:
    """The circuit: `angles` where features enter, one weight per angle of weights, numbers elsewhere."""
    expressions: dict[int, Angle] = dict(zip(kinds.features.tolist(), angles, strict=True))
    expressions |= {position: weight(k) for k, position in enumerate(kinds.weights.tolist())}
    gates, position = [], 0
    for kind, qubits, count in recorder.structure:
        taken = range(position, position + count)
        gates.append(Gate(kind, qubits, tuple(expressions.get(p, Angle(float(kinds.values[p]))) for p in taken)))
        position += count
    gates += [
        Gate(gate.kind, gate.qubits, tuple(Angle(float(angle)) for angle in gate.angles)) for gate in found.rotations
    ]
    return Circuit(len(recorder.qubits), tuple(gates), amplitudes)


def _front(
    recorder: Recorder, kinds: AngleKinds, encoding: Encoding | None, x: Tensor, points: Tensor
) -> tuple[Any, list[Angle]]:
    """The front, and the angles of gates as expressions of what it gives."""
    front = TapeFront(
        recorder=recorder, columns=kinds.features, amplitudes=None if encoding is None else encoding.amplitudes
    )
    offset = 0 if encoding is None else encoding.amplitudes.features
    own = [feature(offset + k) for k in range(len(kinds.features))]
    if encoding is not None and not encoding.known:
        return checked_front(front, between(x)), own
    if not own:
        return (None if encoding is None else encoding.front), own

    def angles(points: Tensor) -> Tensor:
        return recorder.values(points, columns=kinds.features)[1].detach()

    found = identify(angles, x, probes=points)
    if isinstance(found, AffineMap) and (encoding is None or encoding.front is None):
        return None, [
            _expression(row, constant) for row, constant in zip(found.weight.tolist(), found.bias.tolist(), strict=True)
        ]
    if isinstance(found, AffineMap) and encoding is not None and encoding.front is not None:
        first = encoding.front
        return AffineMap(torch.cat([first.weight, found.weight]), torch.cat([first.bias, found.bias])), own
    if found is not None and encoding is None:
        return found, own
    return checked_front(front, between(x)), own


def _expression(row: list[float], constant: float) -> Angle:
    return Angle(constant, tuple(Term(c, input=i) for i, c in enumerate(row) if c != 0.0))


def checked_front(front: Callable[[Tensor], Tensor], points: Tensor) -> Callable[[Tensor], Tensor]:
    """The front itself, once its derivative along a direction is what central differences say.

    Raises:
        Unreadable: features are used in a way autograd does not follow (numpy, `float`, rounding).
    """
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(points.shape, generator=generator, dtype=torch.float64)
    x = points.clone().requires_grad_()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = front(x)
        mix = torch.randn(values.shape, generator=generator, dtype=torch.float64)
        (gradient,) = torch.autograd.grad((values * mix).sum(), x)
    except Exception as error:  # the user's code runs here
        raise Unreadable("features enter its gates in a way autograd does not follow") from error
    step = 1e-5
    with torch.no_grad():
        difference = ((front(points + step * direction) - front(points - step * direction)) * mix).sum(1) / (2 * step)
    if not torch.allclose((gradient * direction).sum(1), difference, rtol=1e-3, atol=1e-6):
        raise Unreadable("features enter its gates in a way autograd does not follow")
    return front
