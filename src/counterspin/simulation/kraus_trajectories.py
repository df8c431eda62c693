r"""General channels by random trajectories of state vectors, in torch.

Kraus operator :math:`K_i` acts with probability :math:`p_i = \langle\psi|K_i^\dagger K_i|\psi\rangle`, and the state
becomes :math:`K_i\psi/\sqrt{p_i}`. That denominator is taken as a constant: the average over trajectories of a gradient
is then :math:`\sum_i p_i \nabla\langle\psi|K_i^\dagger O K_i|\psi\rangle / p_i`, the gradient of the average, although
probabilities depend on what is differentiated.

Trajectories of one sample that drew the same operators so far have the same state, which is kept once: under weak noise
there are far fewer states than trajectories.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from counterspin.circuits import Circuit, Measurement
from counterspin.noise.kraus import Placed
from counterspin.simulation.angles import AngleValues, angle_values
from counterspin.simulation.compiler import compile_circuit
from counterspin.simulation.kraus_blocks import Block, Draw, Signs, Turn, block_plan
from counterspin.simulation.measurement import Setting, rotated, settings
from counterspin.simulation.statevector import initial_state, probabilities

__all__ = ["kraus_distributions"]

# Of the trajectories run together, times the steps of the circuit, since a graph keeps some states of each.
_AMPLITUDES_AT_ONCE = 2**23


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

    All samples meet the same uniform numbers. Where the trajectories are too many to run at once, a graph for autograd
    is kept for one chunk of them at a time and built again on the way back.

    Args:
        circuit: what to run.
        inputs: `(batch, inputs)`.
        weights: `(weights,)` in the dtype of the inputs.
        measurement: what is measured.
        channels: what acts between the gates; channels, no other maps.
        trajectories: how many runs are averaged.
        generator: source of the uniform numbers.
    """
    program, plan = compile_circuit(circuit), block_plan(circuit, tuple(channels))
    start, angles = initial_state(program, inputs), angle_values(program, inputs, weights)
    batch, device, chosen = len(inputs), inputs.device, settings(measurement, circuit.qubits)
    uniform = torch.rand(
        trajectories, plan.draws, generator=generator, dtype=torch.float64, device=generator.device
    ).to(device)

    def outcomes(first: int, last: int, runs: Tensor) -> Tensor:
        """Mean over the runs `sample * trajectories + trajectory`, which are of the samples first to last."""
        own = AngleValues(angles.shared, angles.per_sample[first : last + 1])
        state = start[first : last + 1] if len(start) > 1 else start.expand(last + 1 - first, -1)
        states = _States(state, runs // trajectories - first, uniform[runs % trajectories])
        matrices = plan.products.matrices(own)
        for step in plan.steps:
            if isinstance(step, Signs):
                states.sign(step.qubits)
            else:
                states.pass_over(step, matrices)
        return states.outcomes(chosen) / trajectories

    size = max(1, (_AMPLITUDES_AT_ONCE >> circuit.qubits) // max(1, len(plan.steps)))
    total = inputs.new_zeros(batch, len(chosen), 2**circuit.qubits)
    for runs in torch.arange(batch * trajectories, device=device).split(size):
        first, last = (int(runs[end]) // trajectories if len(runs) else -1 for end in (0, -1))
        if size < batch * trajectories:
            part = checkpoint(outcomes, first, last, runs, use_reentrant=False, preserve_rng_state=False)
        else:
            part = outcomes(first, last, runs)
        total = total.index_add(0, torch.arange(first, last + 1, device=device), part)
    return list(total.unbind(dim=1))


class _States:
    """The distinct states of some runs.

    Args:
        state: one for each sample, `(samples, 2**qubits)`.
        of: sample of each run, `(runs,)`.
        uniform: numbers of each run, `(runs, draws)`.
    """

    def __init__(self, state: Tensor, of: Tensor, uniform: Tensor) -> None:
        self.state, self.of, self.uniform = state, of, uniform
        self.samples, self.qubits = len(state), state.shape[1].bit_length() - 1
        self.sample = torch.arange(self.samples, device=state.device)  # of each state
        self.order = list(range(self.qubits))  # which qubit each axis of a state is

    def sign(self, qubits: tuple[int, ...]) -> None:
        """Change the sign where all the qubits are 1."""
        basis = torch.arange(2**self.qubits, device=self.state.device)
        ones = torch.stack([(basis >> (self.qubits - 1 - self.order.index(q))) & 1 for q in qubits]).prod(0)
        self.state = self.state * (1 - 2 * ones)

    def pass_over(self, block: Block, matrices: dict[int, Tensor]) -> None:
        """Draw all operators of a block from the density matrix of its qubits, then apply their product."""
        self._last(block.qubits)
        split = self.state.unflatten(1, (-1, 2 ** len(block.qubits)))
        product = torch.eye(split.shape[2], dtype=split.dtype, device=split.device)[None]
        known = split.detach()
        density = (known.mT @ known.conj()).to(torch.complex128)
        origin = torch.arange(len(split), device=split.device)
        for step in block.steps:
            if isinstance(step, Turn):
                matrix = matrices[step.row]
                matrix = matrix.index_select(0, self.sample) if len(matrix) > 1 else matrix
            else:
                matrix, came_from = self._drawn(step, density)
                matrix, origin, density = matrix.to(split), origin[came_from], density[came_from]
                product = product.index_select(0, came_from) if len(product) > 1 else product
            fixed = matrix.detach().to(density)
            density = fixed @ density @ fixed.mH
            product = matrix @ product
        if len(origin) > len(split):
            split = split.index_select(0, origin)
        self.state = (split @ product.mT).flatten(1)

    def outcomes(self, chosen: Sequence[Setting]) -> Tensor:
        """Sums of the outcome probabilities over the runs of each sample, `(samples, settings, 2**qubits)`."""
        self._last(tuple(range(self.qubits)))
        found = torch.stack([probabilities(rotated(self.state, setting, self.qubits)) for setting in chosen], dim=1)
        counts = torch.bincount(self.of, minlength=len(found)).to(found)
        total = found.new_zeros(self.samples, *found.shape[1:])
        return total.index_add(0, self.sample, found * counts[:, None, None])

    def _last(self, qubits: tuple[int, ...]) -> None:
        """Make the qubits the last axes of the states."""
        order = [*(q for q in self.order if q not in qubits), *qubits]
        axes = [0, *(1 + self.order.index(q) for q in order)]
        self.state = self.state.reshape(-1, *(2,) * self.qubits).permute(axes).flatten(1)
        self.order = order

    def _drawn(self, draw: Draw, density: Tensor) -> tuple[Tensor, Tensor]:
        """One operator for each run: those of the states that follow, and which state each of them comes from."""
        count, device = len(draw.operators), self.state.device
        if draw.chances is None:
            effects = draw.effects.to(device)
            shares = torch.einsum("kij,bji->bk", effects, density).real.clamp_min(0.0)
        else:
            shares = draw.chances.to(device).expand(len(self.sample), -1)
        cumulative = shares.cumsum(dim=1)[self.of]
        # Rounding must not leave a draw above the last sum.
        drawn = self.uniform[:, draw.number, None] * cumulative[:, -1:]
        which = (cumulative[:, :-1] <= drawn).sum(dim=1)
        follow, self.of = torch.unique(self.of * count + which, return_inverse=True)
        came_from, which = follow // count, follow % count
        self.sample = self.sample[came_from]
        scale = shares[came_from, which].rsqrt()
        return draw.operators.to(device)[which] * scale[:, None, None], came_from
