r"""Density matrices through a circuit with channels between its gates: a small dense reference in both pictures.

A density matrix of n qubits is a vector of :math:`4^n` entries read row by row, on which a gate acts as :math:`U
\otimes \bar U` and a channel as :math:`\sum_i K_i \otimes \bar K_i`; the adjoint of that matrix carries an observable
backwards. Everything is complex128 and attached to autograd, one gate at a time: exact and slow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from counterspin.circuits import GATES, Angle, Circuit, Gate, Measurement, Readout
from counterspin.errors import ConditionsError, UsageError
from counterspin.noise import NoiseModel
from counterspin.noise.kraus import Placed
from counterspin.simulation.angles import AngleValues, angle_values
from counterspin.simulation.arguments import check_parameters, checked_inputs
from counterspin.simulation.compiler import compile_circuit
from counterspin.simulation.measurement import rotated, scored, settings
from counterspin.simulation.readout_noise import noisy_settings
from counterspin.simulation.statevector import initial_state

__all__ = [
    "DENSITY_QUBITS",
    "check_channels",
    "density_distributions",
    "density_scores",
    "noisy_density",
    "noisy_observables",
    "score_operators",
]

DENSITY_QUBITS = 8


def noisy_density(circuit: Circuit, inputs: Tensor, weights: Tensor, channels: Sequence[Placed] = ()) -> Tensor:
    """Density matrices before the measurement, `(batch, D, D)` complex128, attached to autograd for inputs and weights.

    Args:
        circuit: at most 8 qubits.
        inputs: `(batch, inputs)`; computed in float64 whatever their precision.
        weights: `(weights,)`.
        channels: what acts between the gates.

    Raises:
        UsageError: too many qubits, or a channel outside the circuit.
        InputError: inputs or weights of the wrong shape, a zero vector to encode.

    Example:
        >>> from counterspin.noise.channels import phase_flip
        >>> circuit = Circuit(1).add("H", 0)
        >>> half = Placed(after=0, qubits=(0,), channel=phase_flip(0.5))
        >>> noisy_density(circuit, torch.zeros(1, 0), torch.zeros(0), (half,)).real.round(decimals=6).tolist()
        [[[0.5, 0.0], [0.0, 0.5]]]
    """
    check_channels(circuit, channels)
    inputs = checked_inputs(circuit, inputs).double()
    check_parameters(circuit, weights)
    program = compile_circuit(circuit)
    start = initial_state(program, inputs).expand(inputs.shape[0], -1)
    flat = (start[:, :, None] * start.conj()[:, None, :]).flatten(1)
    for step in _steps(circuit, angle_values(program, inputs, weights.double()), channels):
        flat = step.applied(flat)
    return flat.unflatten(1, (2**circuit.qubits,) * 2)


def density_distributions(densities: Tensor, measurement: Measurement) -> list[Tensor]:
    """Outcome probabilities `(batch, D)` float64 of density matrices `(batch, D, D)`, one tensor per setting."""
    qubits = densities.shape[-1].bit_length() - 1
    basis = torch.eye(2**qubits, dtype=torch.complex128)
    turned = [rotated(basis, setting, qubits) for setting in settings(measurement, qubits)]
    return [torch.einsum("io,bij,jo->bo", turn, densities, turn.conj()).real for turn in turned]


def density_scores(densities: Tensor, readout: Readout, noise: NoiseModel | None = None) -> Tensor:
    """Class scores `(batch, classes)` float64 of density matrices `(batch, D, D)`: `Tr(E_k ρ)` through the head."""
    qubits = densities.shape[-1].bit_length() - 1
    return torch.einsum("kij,bji->bk", score_operators(readout, qubits, noise), densities).real


def score_operators(readout: Readout, qubits: int, noise: NoiseModel | None = None) -> Tensor:
    """Hermitian operators `E_k` `(classes, D, D)` complex128 whose expectation values are the scores, bias included.

    Args:
        readout: measurement and head.
        qubits: of the circuit.
        noise: what of it acts behind the gates is part of the operators: global depolarising and readout errors.
    """
    dimension = 2**qubits
    basis = torch.eye(dimension, dtype=torch.complex128)
    values = torch.zeros(readout.measurement.values, dimension, dimension, dtype=torch.complex128)
    for setting in noisy_settings(readout.measurement, qubits, noise):
        turned = rotated(basis, setting, qubits)
        table = torch.as_tensor(setting.table, dtype=torch.complex128)
        values = values + torch.einsum("io,ov,jo->vij", turned.conj(), table, turned)
    return scored(values, readout)


def noisy_observables(
    circuit: Circuit,
    weights: Tensor,
    readout: Readout,
    channels: Sequence[Placed] = (),
    *,
    after: int = -1,
    noise: NoiseModel | None = None,
) -> Tensor:
    r"""The scores' operators carried back through everything behind a gate, :math:`\Phi^\dagger(E_k)`.

    Their expectation values in the state right behind that gate are the class scores. Channels placed behind the gate
    itself count as behind it.

    Args:
        circuit: at most 8 qubits.
        weights: `(weights,)`.
        readout: measurement and head.
        channels: what acts between the gates of the whole circuit.
        after: index of the gate; -1: the whole circuit.
        noise: what of it acts behind the gates is part of the operators; its channels are those of `channels` alone.

    Returns:
        Hermitian matrices `(classes, D, D)` complex128, attached to autograd for the weights.

    Raises:
        UsageError: too many qubits, a channel outside the circuit, or no such gate.
        ConditionsError: a gate behind holds inputs, so that the operators would differ between samples.

    Example:
        >>> from counterspin.circuits import PauliExpectations
        >>> from counterspin.noise.channels import bit_flip
        >>> circuit, readout = Circuit(1).add("X", 0), Readout(PauliExpectations.of("Z0"))
        >>> placed = Placed(after=0, qubits=(0,), channel=bit_flip(0.25))
        >>> noisy_observables(circuit, torch.zeros(0), readout, (placed,)).real.round(decimals=6).tolist()
        [[[-0.5, 0.0], [0.0, 0.5]]]
    """
    check_channels(circuit, channels)
    check_parameters(circuit, weights, readout)
    if not -1 <= after < len(circuit.gates):
        raise UsageError(f"after is {after}; give the index of one of {len(circuit.gates)} gates, or -1 for all.")
    for gate in circuit.gates[after + 1 :]:
        if any(not isinstance(angle, Angle) or angle.inputs for angle in gate.angles):
            raise ConditionsError(
                f"gate {gate} behind gate {after} depends on the sample, so its observables do too; give the index of "
                "the last gate that holds inputs."
            )
    rest = Circuit(circuit.qubits, circuit.gates[after + 1 :])
    moved = [replace(p, after=p.after - after - 1) for p in channels if p.after >= after]
    angles = angle_values(compile_circuit(rest), torch.zeros(0, 0, dtype=torch.float64), weights.double())
    flat = score_operators(readout, circuit.qubits, noise).flatten(1)
    for step in reversed(list(_steps(rest, angles, moved))):
        flat = step.carried_back(flat)
    return flat.unflatten(1, (2**circuit.qubits,) * 2)


def check_channels(circuit: Circuit, channels: Sequence[Placed]) -> None:
    """Refuse what the dense simulator cannot run.

    Raises:
        UsageError: more than 8 qubits, or a channel behind a gate or on a qubit that the circuit does not have.
    """
    if circuit.qubits > DENSITY_QUBITS:
        raise UsageError(
            f"the circuit has {circuit.qubits} qubits; the density-matrix simulator takes at most {DENSITY_QUBITS}."
        )
    for placed in channels:
        if placed.after >= len(circuit.gates) or max(placed.qubits) >= circuit.qubits:
            raise UsageError(
                f"channel {placed.channel.name} is placed after gate {placed.after} on qubits {placed.qubits}; the "
                f"circuit has gates 0 to {len(circuit.gates) - 1} and qubits 0 to {circuit.qubits - 1}."
            )


class _Step:
    """A linear map on some qubits of all density matrices, `(batch or 1, d², d²)`."""

    def __init__(self, superoperator: Tensor, wires: Sequence[int], qubits: int) -> None:
        self.superoperator = superoperator
        self.axes = [1 + w for w in wires] + [1 + qubits + w for w in wires]
        self.qubits = qubits

    def applied(self, flat: Tensor) -> Tensor:
        return self._on(flat, self.superoperator)

    def carried_back(self, flat: Tensor) -> Tensor:
        return self._on(flat, self.superoperator.mH)

    def _on(self, flat: Tensor, matrix: Tensor) -> Tensor:
        ends = list(range(-len(self.axes), 0))
        moved = flat.reshape(len(flat), *(2,) * (2 * self.qubits)).movedim(self.axes, ends)
        rest = 4**self.qubits // matrix.shape[-1]
        rows = moved.reshape(moved.shape[0], rest, matrix.shape[-1])
        return (rows @ matrix.mT).reshape(moved.shape).movedim(ends, self.axes).flatten(1)


class _Signs:
    """A diagonal gate of signs, its own adjoint: for gates on many qubits, whose matrix would be large."""

    def __init__(self, gate: Gate, qubits: int) -> None:
        states = torch.arange(2**qubits)
        ones = torch.stack([(states >> (qubits - 1 - q)) & 1 for q in gate.qubits]).prod(0)
        signs = (1.0 - 2.0 * ones).to(torch.complex128)
        self.signs = torch.outer(signs, signs).flatten()

    def applied(self, flat: Tensor) -> Tensor:
        return flat * self.signs

    carried_back = applied


def _steps(circuit: Circuit, angles: AngleValues, channels: Sequence[Placed]) -> Iterator[_Step | _Signs]:
    """Every gate and every channel, first applied first."""
    address = compile_circuit(circuit).angles.address
    starts = np.cumsum([0, *(len(gate.angles) for gate in circuit.gates)])
    for index in range(-1, len(circuit.gates)):
        if index >= 0:
            gate = circuit.gates[index]
            if GATES[gate.kind].qubits == 0:
                yield _Signs(gate, circuit.qubits)
            else:
                values = angles.at(address[starts[index] : starts[index + 1]]).to(torch.complex128)
                yield _Step(_conjugation(GATES[gate.kind].matrix(values)), gate.qubits, circuit.qubits)
        for placed in channels:
            if placed.after == index:
                yield _Step(placed.channel.superoperator, placed.qubits, circuit.qubits)


def _conjugation(unitary: Tensor) -> Tensor:
    """The superoperator of ρ ↦ UρU†, `(..., d², d²)`."""
    kron = torch.einsum("...ab,...cd->...acbd", unitary, unitary.conj())
    return kron.flatten(-4, -3).flatten(-2, -1)
