r"""General channels by random trajectories of state vectors, in torch.

Kraus operator :math:`K_i` acts with probability :math:`p_i = \langle\psi|K_i^\dagger K_i|\psi\rangle`, and the state
becomes :math:`K_i\psi/\sqrt{p_i}`. That denominator is taken as a constant: the average over trajectories of a gradient
is then :math:`\sum_i p_i \nabla\langle\psi|K_i^\dagger O K_i|\psi\rangle / p_i`, the gradient of the average, although
probabilities depend on what is differentiated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from counterspin.circuits import GATES, Circuit, Gate, Measurement
from counterspin.noise.kraus import Channel, Placed
from counterspin.simulation.angles import AngleValues, angle_values
from counterspin.simulation.compiler import compile_circuit
from counterspin.simulation.measurement import rotated, settings
from counterspin.simulation.statevector import initial_state, probabilities

__all__ = ["kraus_distributions"]

# Of the trajectories run together, times the steps of the circuit, since a graph keeps some states of each.
_AMPLITUDES_AT_ONCE = 2**23
# How far K†K may be off a multiple of the identity for its probability to count as the same in every state.
_UNITARY = 1e-12


def kraus_distributions(
    circuit: Circuit,
    inputs: Tensor,
    weights: Tensor,
    measurement: Measurement,
    channels: Sequence[Placed],
    *,
    trajectories: int,
    generator: torch.Generator,
) -> list[Tensor]:
    """Outcome probabilities `(batch, 2**qubits)` of each setting, averaged over trajectories.

    All samples meet the same uniform numbers. A graph for autograd is kept for one chunk of trajectories at a time and
    built again on the way back.

    Args:
        circuit: what to run.
        inputs: `(batch, inputs)`.
        weights: `(weights,)` in the dtype of the inputs.
        measurement: what is measured.
        channels: what acts between the gates; channels, no other maps.
        trajectories: how many runs are averaged.
        generator: source of the uniform numbers.
    """
    program = compile_circuit(circuit)
    start, angles = initial_state(program, inputs), angle_values(program, inputs, weights)
    batch, device = len(inputs), inputs.device
    steps = _steps(circuit, channels, inputs.dtype.to_complex(), device)
    uniform = torch.rand(
        trajectories, len(channels), generator=generator, dtype=torch.float64, device=generator.device
    ).to(device)
    chosen = settings(measurement, circuit.qubits)

    def outcomes(rows: Tensor) -> Tensor:
        sample, trajectory = rows // trajectories, rows % trajectories
        own = AngleValues(angles.shared, angles.per_sample[sample])
        state = start[sample] if len(start) > 1 else start.expand(len(rows), -1)
        for step in steps:
            state = step(state, own, uniform[trajectory])
        return torch.stack([probabilities(rotated(state, setting, circuit.qubits)) for setting in chosen], dim=1)

    every = torch.arange(batch * trajectories, device=device)
    chunk = max(1, (_AMPLITUDES_AT_ONCE >> circuit.qubits) // max(1, len(steps)))
    parts = [checkpoint(outcomes, rows, use_reentrant=False, preserve_rng_state=False) for rows in every.split(chunk)]
    mean = torch.cat(parts).unflatten(0, (batch, trajectories)).mean(dim=1)
    return list(mean.unbind(dim=1))


_Apply = Callable[[Tensor, AngleValues, Tensor], Tensor]


def _steps(circuit: Circuit, channels: Sequence[Placed], dtype: torch.dtype, device: torch.device) -> list[_Apply]:
    """Every gate and every channel, first applied first, as a function of states, angles and uniform numbers."""
    address = compile_circuit(circuit).angles.address
    starts = np.cumsum([0, *(len(gate.angles) for gate in circuit.gates)])
    found: list[_Apply] = []
    for index in range(-1, len(circuit.gates)):
        if index >= 0:
            own = address[starts[index] : starts[index + 1]]
            found.append(_Unitary(circuit.gates[index], own, circuit.qubits))
        for number, placed in enumerate(channels):
            if placed.after == index and isinstance(placed.channel, Channel):
                operators = placed.channel.operators.to(device=device, dtype=dtype)
                found.append(_Jump(operators, placed.qubits, number, circuit.qubits))
    return found


@dataclass(frozen=True, eq=False)
class _Unitary:
    gate: Gate
    address: np.ndarray
    qubits: int

    def __call__(self, state: Tensor, angles: AngleValues, uniform: Tensor) -> Tensor:
        if GATES[self.gate.kind].qubits == 0:  # signs on any number of qubits, whose matrix would be large
            basis = torch.arange(state.shape[1], device=state.device)
            ones = torch.stack([(basis >> (self.qubits - 1 - q)) & 1 for q in self.gate.qubits]).prod(0)
            return state * (1 - 2 * ones)
        matrix = GATES[self.gate.kind].matrix(angles.at(self.address).to(state.dtype))
        return _apply(state, matrix, self.gate.qubits, self.qubits)


class _Jump:
    """One of the Kraus operators of a channel, drawn for each state."""

    def __init__(self, operators: Tensor, wires: tuple[int, ...], number: int, qubits: int) -> None:
        self.operators, self.wires, self.number, self.qubits = operators, wires, number, qubits
        self.effects = operators.mH @ operators
        weights = self.effects.diagonal(dim1=1, dim2=2).real.mean(dim=1)
        identity = torch.eye(operators.shape[1], dtype=operators.dtype, device=operators.device)
        rest = (self.effects - weights[:, None, None] * identity).abs().max()
        self.constant = weights.double() if float(rest) < _UNITARY else None

    def __call__(self, state: Tensor, angles: AngleValues, uniform: Tensor) -> Tensor:
        shares = self._probabilities(state.detach()).expand(len(state), -1)
        cumulative = shares.cumsum(dim=1)
        # Rounding must not leave a draw above the last sum.
        drawn = uniform[:, self.number, None] * cumulative[:, -1:]
        which = (cumulative[:, :-1] <= drawn).sum(dim=1)
        scale = shares.gather(1, which[:, None])[:, 0].rsqrt().to(state.real)
        chosen = self.operators[which] * scale[:, None, None]
        return _apply(state, chosen, self.wires, self.qubits)

    def _probabilities(self, state: Tensor) -> Tensor:
        if self.constant is not None:
            return self.constant[None]
        rows = _split(state, self.wires, self.qubits)
        local = rows.mT @ rows.conj()  # the density matrix of these qubits
        return torch.einsum("kij,bji->bk", self.effects, local).real.double().clamp_min(0.0)


def _split(state: Tensor, wires: tuple[int, ...], qubits: int) -> Tensor:
    """States as `(batch, rest, 2**wires)`."""
    ends = list(range(-len(wires), 0))
    moved = state.reshape(len(state), *(2,) * qubits).movedim([1 + q for q in wires], ends)
    return moved.reshape(len(state), 2 ** (qubits - len(wires)), 2 ** len(wires))


def _apply(state: Tensor, matrix: Tensor, wires: tuple[int, ...], qubits: int) -> Tensor:
    axes, ends = [1 + q for q in wires], list(range(-len(wires), 0))
    moved = state.reshape(len(state), *(2,) * qubits).movedim(axes, ends)
    applied = moved.reshape(len(state), 2 ** (qubits - len(wires)), 2 ** len(wires)) @ matrix.mT
    return applied.reshape(moved.shape).movedim(ends, axes).flatten(1)
