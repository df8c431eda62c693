"""Parameter-shift: exact input gradients from circuit executions alone, valid on hardware."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial

import torch
from torch import Tensor

from counterspin.circuits import GATES, Angle, Circuit, Given, Readout, feature
from counterspin.errors import CapabilityError, UsageError
from counterspin.noise import NoiseModel
from counterspin.simulation.angles import angle_values
from counterspin.simulation.arguments import check_parameters, checked_inputs
from counterspin.simulation.compiler import compile_circuit
from counterspin.simulation.measurement import settings
from counterspin.simulation.program import Program
from counterspin.simulation.run import run

__all__ = ["lifted_circuit", "shift_jacobian", "shift_rule", "shifted_angles", "shifted_circuits"]

# Scores of amplitudes `(rows, features)` and gate angles `(rows, angles)`, exact or from finite shots.
_Reading = Callable[[Tensor, Tensor], Tensor]

_NUMBERS_AT_ONCE = 2**20  # of the shifted circuits run together: bounds their memory to some hundred MiB


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
    noise: NoiseModel | None = None,
    shots: int | None = None,
    generator: torch.Generator | None = None,
    engine: str = "auto",
) -> tuple[Tensor, Tensor, int]:
    """Scores, their exact derivatives by shifted circuits, and how many circuits one sample took.

    Every gate angle that holds an input is shifted on its own, so re-used inputs are exact. Amplitude inputs are
    shifted by rotating the encoded vector by ±π/4 towards each feature, the two-term rule of a rotation of frequency 2.
    Channels between the gates hang on no angle, so the rules are exact under noise too.

    Args:
        circuit: the circuit.
        inputs: `(batch, inputs)`; complex amplitudes may be one complex tensor, as in `run`.
        weights: `(weights,)`.
        readout: measurement and head.
        noise: what the circuits run under; None: ideal.
        shots: measurements per shifted circuit and setting; None: exact expectation values. The derivatives are then
            unbiased estimates; the scores stay exact.
        generator: source of the shots, and of drawn errors beyond 8 qubits; needed with either.
        engine: as `run` takes it.

    Returns:
        Scores `(batch, classes)`, the Jacobian `(batch, classes, inputs)`, and the number of circuits per sample: the
        unshifted one and all shifted ones, once per setting of the readout.

    Raises:
        CapabilityError: an angle is a tensor computed outside.
        InputError: inputs or weights that do not fit the circuit.
        UsageError: shots below 1 or without a generator.
    """
    if any(isinstance(a, Given) for gate in circuit.gates for a in gate.angles):
        raise CapabilityError(
            "parameter-shift needs angles written as expressions of inputs; "
            "this circuit holds tensors computed outside."
        )
    if shots is not None and (shots < 1 or generator is None):
        raise UsageError(f"shots is {shots} and generator is {generator}; give at least 1 and a torch.Generator.")
    inputs = checked_inputs(circuit, inputs)
    check_parameters(circuit, weights, readout)
    program = compile_circuit(circuit)
    weights = weights.to(inputs.dtype)
    amplitudes = inputs[:, : 0 if circuit.amplitudes is None else circuit.amplitudes.features]
    angles = angle_values(program, inputs, weights).per_sample
    lifted = lifted_circuit(circuit)

    def scores(amplitudes: Tensor, angles: Tensor, shots: int | None) -> Tensor:
        return run(
            lifted,
            torch.cat([amplitudes, angles], dim=1),
            weights[: lifted.weights],
            readout,
            noise=noise,
            shots=shots,
            generator=generator,
            engine=engine,
        )

    read = partial(scores, shots=shots)
    mixed = noise is not None and noise.has_channels(circuit)
    at_once = max(1, _NUMBERS_AT_ONCE // ((4 if mixed else 2) ** circuit.qubits * max(1, len(inputs))))
    jacobian, executed = _angle_part(circuit, amplitudes, angles, _slopes(program, weights), read, at_once)
    if circuit.amplitudes is not None:
        jacobian[:, :, : amplitudes.shape[1]] += _amplitude_part(amplitudes, angles, read, at_once)
        executed += 2 * amplitudes.shape[1]
    count = (1 + executed) * len(settings(readout.measurement, circuit.qubits))
    return scores(amplitudes, angles, None), jacobian, count


@lru_cache(maxsize=256)
def lifted_circuit(circuit: Circuit) -> Circuit:
    """The circuit whose inputs are the encoded amplitudes, then each gate angle that holds an input, in order.

    Example:
        >>> from counterspin.circuits import weight
        >>> print(lifted_circuit(Circuit(1).add("RY", 0, 2 * feature(0)).add("RX", 0, feature(0) * weight(0))).draw())
        q0: ──RY(x0)──RX(x1)──
    """
    column = 0 if circuit.amplitudes is None else circuit.amplitudes.features
    gates = []
    for gate in circuit.gates:
        angles = []
        for angle in gate.angles:
            held = isinstance(angle, Angle) and bool(angle.inputs)
            angles.append(feature(column) if held else angle)
            column += held
        gates.append(replace(gate, angles=tuple(angles)))
    return replace(circuit, gates=tuple(gates))


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
    circuit: Circuit, amplitudes: Tensor, angles: Tensor, slopes: Tensor, read: _Reading, at_once: int
) -> tuple[Tensor, int]:
    shifts = shifted_angles(circuit)
    batch, columns = angles.shape
    total: Tensor | None = None
    for chunk in (shifts[first : first + at_once] for first in range(0, len(shifts), at_once)):
        which = [column for column, _, _ in chunk]
        offsets = slopes.new_zeros(len(chunk), 1, columns)
        offsets[torch.arange(len(chunk)), 0, which] = slopes.new_tensor([shift for _, _, shift in chunk])
        values = read(amplitudes.repeat(len(chunk), 1), (angles + offsets).flatten(0, 1))
        values = values.unflatten(0, (len(chunk), batch))
        coefficients = slopes.new_tensor([coefficient for _, coefficient, _ in chunk])
        part = torch.einsum("sbk,si->bki", values, coefficients[:, None] * slopes[which])
        total = part if total is None else total + part
    if total is None:
        total = slopes.new_zeros(batch, read(amplitudes[:0], angles[:0]).shape[1], slopes.shape[1])
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


def _amplitude_part(data: Tensor, angles: Tensor, read: _Reading, at_once: int) -> Tensor:
    # Along the great circle from u towards the unit tangent t the score is a trigonometric polynomial of frequency 2 in
    # the rotation angle, so its slope is f(+π/4) - f(-π/4). The feature's own direction projects to length |t_raw|.
    # Gate angles stay where they are, also those that hold the same inputs: their share is shifted gate by gate.
    norm = torch.linalg.vector_norm(data, dim=1)
    unit = data / norm[:, None]
    batch, features = data.shape
    parts = []
    for chunk in torch.eye(features).to(data).split(max(1, at_once // 2)):
        raw = chunk[:, None, :] - (chunk @ unit.T)[:, :, None] * unit  # (chunk, batch, features)
        length = torch.linalg.vector_norm(raw, dim=2, keepdim=True)
        tangent = raw / length.clamp_min(torch.finfo(raw.dtype).tiny)
        turned = torch.stack([unit + tangent, unit - tangent])
        values = read(turned.reshape(2 * len(chunk) * batch, features), angles.repeat(2 * len(chunk), 1))
        plus, minus = values.unflatten(0, (2, len(chunk), batch))
        parts.append((plus - minus) * (length / norm[:, None]))
    return torch.cat(parts).permute(1, 2, 0)
