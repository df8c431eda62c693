"""The Pauli basis I, X, Y, Z of operators, and linear maps written in it."""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import torch
from torch import Tensor

__all__ = [
    "commutation_signs",
    "pauli_operators",
    "pauli_words",
    "superoperator_to_transfer",
    "transfer_to_superoperator",
]

_PAULIS = (((1, 0), (0, 1)), ((0, 1), (1, 0)), ((0, -1j), (1j, 0)), ((1, 0), (0, -1)))
_SIGNS = ((1, 1, 1, 1), (1, 1, -1, -1), (1, -1, 1, -1), (1, -1, -1, 1))


def pauli_words(qubits: int) -> tuple[str, ...]:
    """The 4^k Pauli words in the order of all transfer matrices, the first qubit most significant.

    Example:
        >>> pauli_words(2)[:6]
        ('II', 'IX', 'IY', 'IZ', 'XI', 'XX')
    """
    return tuple("".join(letters) for letters in product("IXYZ", repeat=qubits))


@lru_cache(maxsize=8)
def pauli_operators(qubits: int) -> Tensor:
    """The matrices of all Pauli words, `(4**qubits, d, d)` complex128 with `d = 2**qubits`."""
    single = torch.tensor(_PAULIS, dtype=torch.complex128)
    words = torch.ones(1, 1, 1, dtype=torch.complex128)
    for _ in range(qubits):
        words = torch.einsum("pab,qcd->pqacbd", words, single)
        words = words.reshape(-1, 2 * words.shape[2], 2 * words.shape[4])
    return words


@lru_cache(maxsize=8)
def commutation_signs(qubits: int) -> Tensor:
    """+1 where two Pauli words commute and -1 where they do not, `(4**qubits, 4**qubits)` float64."""
    signs = torch.ones(1, 1, dtype=torch.float64)
    for _ in range(qubits):
        signs = torch.kron(signs, torch.tensor(_SIGNS, dtype=torch.float64))
    return signs


def superoperator_to_transfer(superoperator: Tensor) -> Tensor:
    r"""Pauli transfer matrix :math:`R_{ij} = \mathrm{Tr}(P_i \Phi(P_j)) / 2^k` of a map on matrices read row by row.

    Args:
        superoperator: `(4**k, 4**k)` complex128, of a map that takes Hermitian matrices to such.

    Returns:
        `(4**k, 4**k)` float64.
    """
    rows = pauli_operators(_qubits(superoperator)).flatten(1)
    return (rows.conj() @ superoperator @ rows.mT).real / 2 ** _qubits(superoperator)


def transfer_to_superoperator(transfer: Tensor) -> Tensor:
    """The inverse of `superoperator_to_transfer`: `(4**k, 4**k)` float64 to `(4**k, 4**k)` complex128."""
    rows = pauli_operators(_qubits(transfer)).flatten(1)
    return rows.mT @ transfer.to(torch.complex128) @ rows.conj() / 2 ** _qubits(transfer)


def _qubits(matrix: Tensor) -> int:
    return (matrix.shape[-1].bit_length() - 1) // 2
