r"""Channels between the gates by trajectories: averages over runs with drawn errors, for circuits beyond exact reach.

All samples of a batch meet the same drawn numbers, so that the values of a sample do not depend on the others with
which it is run. Mixtures of Pauli strings are drawn once, whatever the sample, and run on the state-vector engines as
other angles of the same circuit (`pauli_frames`); any other channel is drawn state by state (`kraus_trajectories`).
Both estimates are unbiased, and so are their gradients.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from counterspin.circuits import Circuit, Measurement, PauliExpectations
from counterspin.errors import UsageError
from counterspin.noise.kraus import Channel, Placed
from counterspin.simulation.angles import angle_values
from counterspin.simulation.arguments import check_memory, check_parameters, checked_inputs
from counterspin.simulation.compiler import compile_circuit
from counterspin.simulation.engines import choose
from counterspin.simulation.kernels import Kernel, kernel_values
from counterspin.simulation.kraus_trajectories import kraus_distributions
from counterspin.simulation.measurement import Setting, every_outcome, in_basis, measured_values, rotated, settings
from counterspin.simulation.pauli_frames import FramePlan, Frames, frame_plan
from counterspin.simulation.statevector import evolve, initial_state, probabilities

__all__ = ["trajectory_distributions", "trajectory_values"]

_AMPLITUDES_AT_ONCE = 2**22  # of the trajectories of one chunk: bounds its memory to some hundred MiB


def trajectory_distributions(
    circuit: Circuit,
    inputs: Tensor,
    weights: Tensor,
    measurement: Measurement,
    channels: Sequence[Placed],
    *,
    trajectories: int,
    generator: torch.Generator,
    engine: str = "auto",
) -> list[Tensor]:
    """Outcome probabilities `(batch, 2**qubits)` of each setting, attached to autograd for inputs and weights.

    Args:
        circuit: what to run.
        inputs: `(batch, inputs)`, float32 or float64.
        weights: `(weights,)`.
        measurement: what is measured.
        channels: what acts between the gates.
        trajectories: how many runs are averaged.
        generator: source of the errors.
        engine: of the state vectors: `"auto"`, `"compiled"` or `"torch"`. Channels that are no mixtures of Pauli
            strings run in torch.

    Raises:
        InputError: inputs or weights of the wrong shape.
        UsageError: a channel that is a map but no channel; the compiled engine where it cannot serve.
        ResourceError: no memory for the states.

    Example:
        >>> from counterspin.noise.channels import bit_flip
        >>> flip = Placed(after=-1, qubits=(0,), channel=bit_flip(1.0))
        >>> x, w, z = torch.zeros(1, 0), torch.zeros(0), PauliExpectations.of("Z0")
        >>> seed = torch.Generator().manual_seed(0)
        >>> trajectory_distributions(Circuit(1), x, w, z, (flip,), trajectories=8, generator=seed)[0].tolist()
        [[0.0, 1.0]]
    """
    inputs, weights = _checked(circuit, inputs, weights, channels)
    plan = frame_plan(circuit, tuple(channels))
    if plan is None:
        _check_engine_of_kraus(engine, inputs, weights)
        return kraus_distributions(
            circuit, inputs, weights, measurement, channels, trajectories=trajectories, generator=generator
        )
    run = _FrameRun(plan, circuit, inputs, weights, plan.draw(trajectories, generator), engine)
    return [run.outcomes(setting, tuple(range(circuit.qubits))) for setting in settings(measurement, circuit.qubits)]


def trajectory_values(
    circuit: Circuit,
    inputs: Tensor,
    weights: Tensor,
    measurement: Measurement,
    channels: Sequence[Placed],
    *,
    trajectories: int,
    generator: torch.Generator,
    engine: str = "auto",
) -> Tensor:
    """Measured values `(batch, values)`: those of `trajectory_distributions`, of the same draws, in less time.

    Example:
        >>> from counterspin.noise.channels import phase_flip
        >>> flip = Placed(after=0, qubits=(0,), channel=phase_flip(1.0))
        >>> circuit, x, w = Circuit(1).add("H", 0), torch.zeros(1, 0), torch.zeros(0)
        >>> seed = torch.Generator().manual_seed(0)
        >>> one = trajectory_values(circuit, x, w, PauliExpectations.of("X0"), (flip,), trajectories=8, generator=seed)
        >>> round(one.item(), 5)
        -1.0
    """
    inputs, weights = _checked(circuit, inputs, weights, channels)
    plan = frame_plan(circuit, tuple(channels))
    if plan is None:
        distributions = trajectory_distributions(
            circuit,
            inputs,
            weights,
            measurement,
            channels,
            trajectories=trajectories,
            generator=generator,
            engine=engine,
        )
        return measured_values(distributions, settings(measurement, circuit.qubits))
    run = _FrameRun(plan, circuit, inputs, weights, plan.draw(trajectories, generator), engine)
    return run.values(measurement)


def _checked(circuit: Circuit, inputs: Tensor, weights: Tensor, channels: Sequence[Placed]) -> tuple[Tensor, Tensor]:
    inputs = checked_inputs(circuit, inputs)
    check_parameters(circuit, weights)
    check_memory(circuit.qubits, max(1, inputs.shape[0]) * 2 * inputs.element_size() * 2.0**circuit.qubits)
    for placed in channels:
        if not isinstance(placed.channel, Channel):
            raise UsageError(
                f"{placed.channel.name} is a map that is no channel, which no random errors can stand for; use "
                "engine='transfer' on at most 8 qubits."
            )
    return inputs, weights.to(inputs.dtype)


def _check_engine_of_kraus(engine: str, inputs: Tensor, weights: Tensor) -> None:
    choose(engine, inputs, weights, obstacle="channels that are no mixtures of Pauli strings are drawn in torch")


class _FrameRun:
    """The drawn runs of one batch: all of them are one larger batch of the plan's circuit."""

    def __init__(
        self, plan: FramePlan, circuit: Circuit, inputs: Tensor, weights: Tensor, frames: Frames, engine: str
    ) -> None:
        program = compile_circuit(circuit)
        angles = angle_values(program, inputs, weights).at(program.angles.address)
        features = 0 if circuit.amplitudes is None else circuit.amplitudes.features
        self.plan, self.frames, self.batch = plan, frames, len(inputs)
        self.qubits = circuit.qubits
        self.rows = plan.rows(frames, inputs[:, :features], angles.expand(self.batch, -1))
        self.shares = torch.as_tensor(frames.shares).to(inputs)
        self.kernel: Kernel | None = choose(engine, self.rows, self.shares)
        self.no_weights = inputs.new_zeros(0)

    def values(self, measurement: Measurement) -> Tensor:
        """Averages of the measured values `(batch, values)`."""
        if self.kernel is None:
            chosen = settings(measurement, self.qubits)
            every = tuple(range(self.qubits))
            return measured_values([self.outcomes(setting, every) for setting in chosen], chosen)
        if isinstance(measurement, PauliExpectations):
            found = kernel_values(self.kernel, self.plan.circuit, self.rows, self.no_weights, measurement)
            signs = torch.as_tensor(_signs(measurement, self.frames)).to(found)
            return torch.einsum("bfv,fv->bv", self._by_sample(found), self.shares[:, None] * signs)
        outcomes = self.outcomes(Setting((), np.zeros((0, 0))), measurement.measured)
        table = outcomes.new_zeros(outcomes.shape[1], measurement.values)
        for value, group in enumerate(measurement.groups):
            table[list(group), value] = 1.0
        return outcomes @ table

    def outcomes(self, setting: Setting, measured: tuple[int, ...]) -> Tensor:
        """Average probabilities `(batch, 2**measured)` of the outcomes of some qubits in the basis of a setting."""
        found = self._by_sample(self._probabilities(setting, measured))
        letters = dict(setting.basis)
        mask = np.zeros(len(self.frames.shares), dtype=np.int64)
        for qubit in measured:
            mask = 2 * mask + _flipped(self.frames, qubit, letters.get(qubit, "Z"))
        read = torch.as_tensor(np.arange(found.shape[2]) ^ mask[:, None], device=found.device)
        return torch.einsum("bfo,f->bo", found.gather(2, read.expand(self.batch, -1, -1)), self.shares)

    def _by_sample(self, rows: Tensor) -> Tensor:
        return rows.reshape(self.batch, len(self.shares), rows.shape[1])

    def _probabilities(self, setting: Setting, measured: tuple[int, ...]) -> Tensor:
        if self.kernel is not None:
            turned, groups = in_basis(self.plan.circuit, setting), every_outcome(measured)
            return kernel_values(self.kernel, turned, self.rows, self.no_weights, groups)
        program = compile_circuit(self.plan.circuit)
        parts = []
        for rows in self.rows.split(max(1, _AMPLITUDES_AT_ONCE >> self.qubits)):
            states = evolve(program, initial_state(program, rows), angle_values(program, rows, self.no_weights))
            parts.append(probabilities(rotated(states, setting, self.qubits)))
        whole = torch.cat(parts)
        if measured == tuple(range(self.qubits)):
            return whole
        kept = whole.reshape(-1, *(2,) * self.qubits).movedim(
            [1 + q for q in measured], list(range(1, 1 + len(measured)))
        )
        return kept.reshape(len(whole), 2 ** len(measured), -1).sum(dim=2)


def _flipped(frames: Frames, qubit: int, pauli: str) -> np.ndarray:
    """Where the string of errors anticommutes with a Pauli operator of one qubit, `(frames,)` bool."""
    return {"X": frames.z, "Y": frames.x ^ frames.z, "Z": frames.x}[pauli][:, qubit]


def _signs(measurement: PauliExpectations, frames: Frames) -> np.ndarray:
    """-1 where a string of errors anticommutes with an observable, else 1, `(frames, values)`."""
    odd = np.zeros((len(frames.shares), measurement.values), dtype=np.int64)
    for value, string in enumerate(measurement.observables):
        for qubit, pauli in string:
            odd[:, value] += _flipped(frames, qubit, pauli)
    return 1 - 2 * (odd % 2)
