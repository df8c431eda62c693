r"""Pauli vectors through a circuit with channels in plain torch: the oracle, other devices, second derivatives.

Every step acts on the digits of its qubits, one at a time. An observable goes the other way, through the transposed
maps in the opposite order.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from counterspin.circuits import Angle, Circuit
from counterspin.simulation.angles import given_columns
from counterspin.simulation.compiler import compile_circuit
from counterspin.simulation.statevector import encode_amplitudes
from counterspin.simulation.transfer.paulis import pauli_vectors
from counterspin.simulation.transfer.primitives import AXES, Primitives, Turn
from counterspin.simulation.transfer.reads import Reads

__all__ = ["carried_back", "evolved", "extended_inputs", "prepared", "read"]


def prepared(circuit: Circuit, inputs: Tensor) -> Tensor:
    """Pauli vectors of the states before the first gate: of the encoded data `(batch, 4**n)`, or of |0…0⟩ `(1, 4**n)`.

    Raises:
        InputError: a sample to encode is the zero vector.
    """
    if circuit.amplitudes is not None:
        bare = compile_circuit(Circuit(circuit.qubits, amplitudes=circuit.amplitudes))
        return pauli_vectors(encode_amplitudes(bare, inputs))
    digit = torch.tensor([1.0, 0.0, 0.0, 1.0], dtype=inputs.dtype, device=inputs.device)
    found = digit.new_ones(1)
    for _ in range(circuit.qubits):
        found = torch.kron(found, digit)
    return found[None]


def extended_inputs(found: Primitives, inputs: Tensor) -> Tensor:
    """Inputs with the tensors given as angles behind them.

    Raises:
        InputError: one of those has another batch size.
    """
    return torch.cat([inputs, given_columns(found.given, inputs)], dim=1) if found.given else inputs


def evolved(found: Primitives, vectors: Tensor, inputs: Tensor, weights: Tensor) -> Tensor:
    """Pauli vectors after all steps, `(batch, 4**n)`.

    Args:
        found: the steps.
        vectors: before the first one, `(batch or 1, 4**n)`.
        inputs: `(batch, inputs)` with the tensors given as angles.
        weights: `(weights,)` of the same dtype.
    """
    for step in found.steps:
        if isinstance(step, Turn):
            vectors = _turned(vectors, step, _value(step.angle, inputs, weights))
        else:
            vectors = _mapped(vectors, torch.as_tensor(step.transfer), step.qubits)
    return vectors.expand(len(inputs), -1)


def carried_back(found: Primitives, vectors: Tensor, weights: Tensor) -> Tensor:
    """Observables `(values, 4**n)` before all steps; no angle may hold an input."""
    none = weights.new_zeros(0, 0)
    for step in reversed(found.steps):
        if isinstance(step, Turn):
            vectors = _turned(vectors, step, -_value(step.angle, none, weights))
        else:
            vectors = _mapped(vectors, torch.as_tensor(step.transfer).T, step.qubits)
    return vectors


def read(reads: Reads, vectors: Tensor) -> Tensor:
    """Values `(batch, values)` of Pauli vectors `(batch, 4**n)`."""
    indices = torch.as_tensor(reads.indices, device=vectors.device)
    terms = vectors[:, indices] * torch.as_tensor(reads.coefficients).to(vectors)
    counts = torch.as_tensor(reads.starts).diff()
    owner = torch.repeat_interleave(torch.arange(reads.values), counts).to(vectors.device)
    return terms.new_zeros(len(vectors), reads.values).index_add(1, owner, terms)


def _value(angle: Angle, inputs: Tensor, weights: Tensor) -> Tensor:
    """`()`, or `(batch,)` where the angle holds inputs."""
    value = torch.as_tensor(angle.constant, dtype=weights.dtype, device=weights.device)
    for term in angle.terms:
        part = term.coefficient * (1.0 if term.input is None else inputs[:, term.input])
        value = value + (part if term.weight is None else part * weights[term.weight])
    return value


def _turned(vectors: Tensor, step: Turn, angle: Tensor) -> Tensor:
    cosine, sine = ((f(angle)[:, None, None] if angle.ndim else f(angle)) for f in (torch.cos, torch.sin))
    size = vectors.shape[1]
    parts = list(vectors.reshape(len(vectors), 4**step.qubit, 4, size // 4 ** (step.qubit + 1)).unbind(2))
    axis = AXES.index(step.axis)
    a, b = 1 + (axis + 1) % 3, 1 + (axis + 2) % 3
    parts[a], parts[b] = cosine * parts[a] - sine * parts[b], sine * parts[a] + cosine * parts[b]
    found = torch.stack(torch.broadcast_tensors(*parts), dim=2)
    return found.reshape(len(found), size)


def _mapped(vectors: Tensor, transfer: Tensor, qubits: Sequence[int]) -> Tensor:
    count = (vectors.shape[1].bit_length() - 1) // 2
    axes, ends = [1 + q for q in qubits], list(range(-len(qubits), 0))
    moved = vectors.reshape(len(vectors), *(4,) * count).movedim(axes, ends)
    rows = moved.flatten(-len(qubits)) @ transfer.to(vectors).T
    return rows.reshape(moved.shape).movedim(ends, axes).reshape(vectors.shape)
