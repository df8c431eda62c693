"""The torch engine: a batch of state vectors through a program, attached to autograd."""

from collections.abc import Callable

import torch
from torch import Tensor

from counterspin.errors import InputError
from counterspin.simulation.angles import AngleValues
from counterspin.simulation.arguments import in_range
from counterspin.simulation.matrices import group_matrices, local_factors
from counterspin.simulation.program import Diagonal, LayerEnd, Local, Matrix, Permutation, Program

__all__ = ["encode_amplitudes", "evolve", "initial_state", "probabilities"]


def encode_amplitudes(program: Program, inputs: Tensor) -> Tensor:
    """Unit vectors of the leading inputs, padded with zeros, `(batch, 2**qubits)` complex.

    Raises:
        InputError: a sample is the zero vector, which has no direction.
    """
    amplitudes = program.circuit.amplitudes
    if amplitudes is None:
        raise InputError("this circuit has no amplitude encoding.")
    data = in_range(inputs[:, : amplitudes.features])
    unit = data / torch.linalg.vector_norm(data, dim=1, keepdim=True)
    if amplitudes.complex_data:
        unit = torch.complex(unit[:, : amplitudes.length], unit[:, amplitudes.length :])
    state = torch.nn.functional.pad(unit, (0, 2**program.circuit.qubits - amplitudes.length))
    return state if state.is_complex() else torch.complex(state, torch.zeros_like(state))


def initial_state(program: Program, inputs: Tensor) -> Tensor:
    """The state before the first gate: the encoded data, or |0…0⟩ once for all samples, `(1, 2**qubits)`."""
    if program.circuit.amplitudes is not None:
        return encode_amplitudes(program, inputs)
    state = torch.zeros(1, 2**program.circuit.qubits, dtype=inputs.dtype.to_complex(), device=inputs.device)
    state[:, 0] = 1.0
    return state


def probabilities(states: Tensor) -> Tensor:
    """Squared moduli; unlike `abs().square()` with a gradient at zero."""
    return states.real.square() + states.imag.square()


def evolve(
    program: Program, state: Tensor, angles: AngleValues, *, layer_noise: Callable[[Tensor], Tensor] | None = None
) -> Tensor:
    """The states after all gates, `(batch, 2**qubits)`.

    Args:
        program: the compiled circuit.
        state: states before the first gate, `(batch or 1, 2**qubits)` complex.
        angles: angles of the same batch in the precision of the state.
        layer_noise: called with the states `(batch, 2**qubits)` at each layer end, returns them with errors.
    """
    dimension = state.shape[1]
    if layer_noise is None and not angles.per_sample.shape[1] and state.shape[0] > dimension:
        # One unitary for all samples: build it once, it is smaller than the batch.
        basis = torch.eye(dimension, dtype=state.dtype, device=state.device)
        return state @ _apply_passes(program, basis, angles, None)
    return _apply_passes(program, state, angles, layer_noise).expand(angles.batch, -1)


def _apply_passes(
    program: Program, state: Tensor, angles: AngleValues, layer_noise: Callable[[Tensor], Tensor] | None
) -> Tensor:
    matrices = group_matrices(program, angles)
    factors = local_factors(program, angles, matrices)
    for position, step in enumerate(program.passes):
        match step:
            case Local():
                state = _apply_local(state, factors[position])
            case Permutation(source):
                # gather, not state[:, source]: the same result, about twice as fast with its backward pass
                state = state.gather(1, torch.as_tensor(source, device=state.device).expand(state.shape))
            case Diagonal():
                state = state * _phases(step, angles, state)
            case Matrix(qubits, group, row):
                state = _apply_matrix(state, matrices[group][..., row, :, :], qubits, program.circuit.qubits)
            case LayerEnd():
                state = state if layer_noise is None else layer_noise(state)
    return state


def _apply_local(state: Tensor, factors: list[Tensor]) -> Tensor:
    """Apply `factors[0] ⊗ factors[1] ⊗ …`, each `(d, d)` or `(batch, d, d)`."""
    left, right = 1, state.shape[1]
    for factor in factors:
        size = factor.shape[-1]
        right //= size
        if right == 1:
            state = state.reshape(state.shape[0], left, size) @ factor.transpose(-1, -2)
        else:
            blocks = state.reshape(state.shape[0], left, size, right)
            state = (factor if factor.ndim == 2 else factor[:, None]) @ blocks
        state = state.flatten(1)
        left *= size
    return state


def _phases(step: Diagonal, angles: AngleValues, state: Tensor) -> Tensor:
    signs = torch.as_tensor(step.signs, dtype=state.dtype, device=state.device)
    if not len(step.angles):
        return signs
    generators = torch.as_tensor(step.generators, dtype=angles.shared.dtype, device=state.device)
    return signs * torch.exp(1j * (angles.at(step.angles) @ generators))


def _apply_matrix(state: Tensor, matrix: Tensor, wires: tuple[int, ...], qubits: int) -> Tensor:
    axes, ends = [1 + q for q in wires], list(range(-len(wires), 0))
    tensor = state.reshape(state.shape[0], *(2,) * qubits).movedim(axes, ends)
    rest = tensor.shape[1:]
    flat = tensor.reshape(state.shape[0], 2 ** (qubits - len(wires)), 2 ** len(wires)) @ matrix.transpose(-1, -2)
    return flat.reshape(flat.shape[0], *rest).movedim(ends, axes).flatten(1)
