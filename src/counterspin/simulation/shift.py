"""Parameter-shift: exact input gradients from circuit executions alone, valid on hardware."""

import math
from collections.abc import Callable
from functools import lru_cache, partial

import torch
from torch import Tensor

from counterspin.circuits import GATES, Angle, Circuit, Given, Readout
from counterspin.errors import CapabilityError, UsageError
from counterspin.simulation.angles import AngleValues, angle_values
from counterspin.simulation.arguments import check_parameters, checked_inputs
from counterspin.simulation.compiler import compile_circuit
from counterspin.simulation.measurement import measured_values, rotated, settings
from counterspin.simulation.program import Program
from counterspin.simulation.shots import sampled_distribution
from counterspin.simulation.statevector import encode_amplitudes, evolve, initial_state, probabilities

__all__ = ["shift_jacobian", "shift_rule", "shifted_angles", "shifted_circuits"]

# How an outcome distribution is read: as it is, or from finite shots.
_Reading = Callable[[Tensor], Tensor]

_AMPLITUDES_AT_ONCE = 2**20  # of the shifted circuits run together: bounds their memory to some hundred MiB


def shift_rule(frequencies: tuple[float, ...]) -> tuple[tuple[float, float], ...]:
    r"""Coefficients and shifts of the exact derivative of a trigonometric polynomial.

    .. math:: f'(0) = \sum_\mu \frac{(-1)^{\mu-1}\,\Omega}{4R\sin^2(x_\mu/2)} f(x_\mu/\Omega),
        \quad x_\mu = \tfrac{2\mu-1}{2R}\pi

    for frequencies :math:`\Omega, 2\Omega, …, R\Omega` (Wierichs et al., arXiv:2107.12390, eq. 16).

    Args:
        frequencies: positive, multiples of the smallest.

    Returns:
        Pairs (coefficient, shift): two for one frequency, four for {½, 1}.

    Example:
        >>> [(round(c, 3), round(s, 3)) for c, s in shift_rule((1.0,))]
        [(0.5, 1.571), (-0.5, 4.712)]
    """
    base, count = min(frequencies), len(frequencies)
    points = [(2 * m - 1) * math.pi / (2 * count) for m in range(1, 2 * count + 1)]
    return tuple(
        ((-1) ** m * base / (4 * count * math.sin(point / 2) ** 2), point / base) for m, point in enumerate(points)
    )


@torch.no_grad()
def shift_jacobian(
    circuit: Circuit,
    inputs: Tensor,
    weights: Tensor,
    readout: Readout,
    *,
    shots: int | None = None,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor, int]:
    """Scores, their exact derivatives by shifted circuits, and how many circuits one sample took.

    Every gate angle that holds an input is shifted on its own, so re-used inputs are exact. Amplitude inputs are
    shifted by rotating the encoded vector by ±π/4 towards each feature, the two-term rule of a rotation of frequency 2.

    Args:
        circuit: the circuit.
        inputs: `(batch, inputs)`; complex amplitudes may be one complex tensor, as in `run`.
        weights: `(weights,)`.
        readout: linear in the measured values, as every `Readout` is.
        shots: measurements of each shifted circuit and setting; None: exact. The scores are exact in any case.
        generator: source of the shots.

    Returns:
        Scores `(batch, classes)`, jacobian `(batch, classes, inputs)`, circuits per sample (one per setting and shift).

    Raises:
        CapabilityError: an angle is a tensor computed outside.
        InputError: inputs or weights of the wrong shape, a zero vector to encode.
        UsageError: shots below 1 or without a generator.
    """
    if any(isinstance(a, Given) for gate in circuit.gates for a in gate.angles):
        raise CapabilityError(
            "parameter-shift needs angles written as expressions of inputs; "
            "this circuit holds tensors computed outside."
        )
    read = _reading(shots, generator)
    inputs = checked_inputs(circuit, inputs)
    check_parameters(circuit, weights, readout)
    program = compile_circuit(circuit)
    weights = weights.to(inputs.dtype)
    start, angles = initial_state(program, inputs), angle_values(program, inputs, weights)
    scores = _scores(program, start, angles, readout, _reading(None, None))
    jacobian, executed = _angle_part(program, start, angles, readout, _slopes(program, weights), read)
    if circuit.amplitudes is not None:
        features = circuit.amplitudes.features
        jacobian[:, :, :features] += _amplitude_part(program, inputs[:, :features], angles, readout, read)
        executed += 2 * features
    return scores, jacobian, (1 + executed) * len(settings(readout.measurement, circuit.qubits))


def shifted_circuits(circuit: Circuit) -> int:
    """How many shifted circuits one input gradient takes, per sample and setting of the readout.

    Example:
        >>> from counterspin.circuits import feature
        >>> shifted_circuits(Circuit(1).add("RY", 0, feature(0)))
        2
    """
    turned = 0 if circuit.amplitudes is None else 2 * circuit.amplitudes.features
    return len(shifted_angles(circuit)) + turned


@lru_cache(maxsize=256)
def shifted_angles(circuit: Circuit) -> tuple[tuple[int, float, float], ...]:
    """(column among the angles that hold an input, coefficient, shift) of every shifted gate angle."""
    found, column = [], 0
    for gate in circuit.gates:
        for position, angle in enumerate(gate.angles):
            if isinstance(angle, Angle) and angle.inputs:
                rule = shift_rule(GATES[gate.kind].frequencies[position])
                found += [(column, coefficient, shift) for coefficient, shift in rule]
                column += 1
    return tuple(found)


def _angle_part(
    program: Program, start: Tensor, angles: AngleValues, readout: Readout, slopes: Tensor, read: _Reading
) -> tuple[Tensor, int]:
    shifts = shifted_angles(program.circuit)
    batch, columns = angles.per_sample.shape
    total = slopes.new_zeros(batch, readout.classes, slopes.shape[1])
    start = start.expand(batch, -1)
    step = _circuits_at_once(start)
    for chunk in (shifts[first : first + step] for first in range(0, len(shifts), step)):
        which = [column for column, _, _ in chunk]
        offsets = slopes.new_zeros(len(chunk), 1, columns)
        offsets[torch.arange(len(chunk)), 0, which] = slopes.new_tensor([shift for _, _, shift in chunk])
        shifted = AngleValues(angles.shared, (angles.per_sample + offsets).flatten(0, 1))
        values = _scores(program, start.repeat(len(chunk), 1), shifted, readout, read).reshape(
            len(chunk), batch, readout.classes
        )
        coefficients = slopes.new_tensor([coefficient for _, coefficient, _ in chunk])
        total += torch.einsum("sbk,si->bki", values, coefficients[:, None] * slopes[which])
    return total, len(shifts)


def _slopes(program: Program, weights: Tensor) -> Tensor:
    """Derivative of each per-sample angle with respect to each input, `(per-sample angles, inputs)`."""
    table = program.angles
    held = table.input >= 0
    rows, inputs = ~table.address[table.target[held]], table.input[held]
    factors = torch.cat([weights, weights.new_ones(1)])[torch.as_tensor(table.weight[held])]  # weight -1: the factor 1
    values = torch.as_tensor(table.coefficient[held]).to(weights) * factors
    slopes = weights.new_zeros(int((table.address < 0).sum()), program.circuit.inputs)
    return slopes.index_put((torch.as_tensor(rows), torch.as_tensor(inputs)), values, accumulate=True)


def _amplitude_part(program: Program, data: Tensor, angles: AngleValues, readout: Readout, read: _Reading) -> Tensor:
    # Along the great circle from u towards the unit tangent t the score is a trigonometric polynomial of frequency 2 in
    # the rotation angle, so its slope is f(+π/4) - f(-π/4). The feature's own direction projects to length |t_raw|.
    # Gate angles stay where they are, also those that hold the same inputs: their share is shifted gate by gate.
    norm = torch.linalg.vector_norm(data, dim=1)
    unit = data / norm[:, None]
    batch, features = data.shape
    parts = []
    for chunk in torch.eye(features).to(data).split(max(1, _circuits_at_once(data) // 2)):
        raw = chunk[:, None, :] - (chunk @ unit.T)[:, :, None] * unit  # (chunk, batch, features)
        length = torch.linalg.vector_norm(raw, dim=2, keepdim=True)
        tangent = raw / length.clamp_min(torch.finfo(raw.dtype).tiny)
        turned = torch.stack([unit + tangent, unit - tangent])
        start = encode_amplitudes(program, turned.reshape(2 * len(chunk) * batch, features))
        repeated = AngleValues(angles.shared, angles.per_sample.repeat(2 * len(chunk), 1))
        plus, minus = _scores(program, start, repeated, readout, read).reshape(2, len(chunk), batch, readout.classes)
        parts.append((plus - minus) * (length / norm[:, None]))
    return torch.cat(parts).permute(1, 2, 0)


def _circuits_at_once(start: Tensor) -> int:
    return max(1, _AMPLITUDES_AT_ONCE // max(1, start.numel()))


def _reading(shots: int | None, generator: torch.Generator | None) -> _Reading:
    if shots is None:
        return lambda distribution: distribution
    if shots < 1 or generator is None:
        raise UsageError(f"shots is {shots} and generator is {generator}; give at least 1 and a torch.Generator.")
    return partial(sampled_distribution, shots=shots, generator=generator)


def _scores(program: Program, start: Tensor, angles: AngleValues, readout: Readout, read: _Reading) -> Tensor:
    chosen = settings(readout.measurement, program.circuit.qubits)
    states = evolve(program, start, angles)
    outcomes = [read(probabilities(rotated(states, setting, program.circuit.qubits))) for setting in chosen]
    return readout.scores(measured_values(outcomes, chosen))
