r"""Pauli vectors: states and observables in the basis of Pauli strings.

A density matrix of n qubits is the real vector :math:`r_P = \mathrm{Tr}(P\rho)` over the :math:`4^n` strings P of I, X,
Y, Z (first qubit most significant digit), and a channel a real matrix on it, its Pauli transfer matrix
(arXiv:1509.02921).
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["operators", "pauli_vectors"]

_PAULIS = ((1, 0, 0, 1), (0, 1, 1, 0), (0, -1j, 1j, 0), (1, 0, 0, -1))


def pauli_vectors(states: Tensor) -> Tensor:
    r"""Pauli vectors `(batch, 4**n)` of unit state vectors `(batch, 2**n)` complex, attached to autograd.

    Example:
        >>> pauli_vectors(torch.tensor([[1, 0]], dtype=torch.complex128)).tolist()
        [[1.0, 0.0, 0.0, 1.0]]
    """
    qubits = states.shape[1].bit_length() - 1
    flat = states[:, :, None] * states.conj()[:, None, :]
    pairs = [axis for q in range(qubits) for axis in (1 + q, 1 + qubits + q)]
    digits = flat.reshape(len(states), *(2,) * (2 * qubits)).permute(0, *pairs)
    # Tr(Pρ) reads the transposed matrix of P, its complex conjugate.
    return _each_digit(digits.flatten(1), _basis(states.dtype, states.device).conj(), qubits).real


def operators(vectors: Tensor) -> Tensor:
    r"""The matrices :math:`\sum_P v_P P` `(count, 2**n, 2**n)` complex of vectors `(count, 4**n)`.

    Example:
        >>> operators(torch.tensor([[0.0, 0.0, 0.0, 0.5]])).real.tolist()
        [[[0.5, 0.0], [0.0, -0.5]]]
    """
    qubits = (vectors.shape[1].bit_length() - 1) // 2
    dtype = vectors.dtype.to_complex()
    flat = _each_digit(vectors.to(dtype), _basis(dtype, vectors.device).T, qubits)
    axes = [1 + 2 * q for q in range(qubits)] + [2 + 2 * q for q in range(qubits)]
    digits = flat.reshape(len(vectors), *(2,) * (2 * qubits)).permute(0, *axes)
    return digits.reshape(len(vectors), 2**qubits, 2**qubits)


def _basis(dtype: torch.dtype, device: torch.device) -> Tensor:
    """The Pauli matrices read row by row, `(4, 4)`."""
    return torch.tensor(_PAULIS, dtype=dtype, device=device)


def _each_digit(flat: Tensor, matrix: Tensor, qubits: int) -> Tensor:
    """The matrix on every digit of `(batch, 4**qubits)`."""
    for qubit in range(qubits):
        flat = (matrix @ flat.reshape(len(flat), 4**qubit, 4, 4 ** (qubits - 1 - qubit))).reshape(flat.shape)
    return flat
