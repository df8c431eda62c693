r"""One linear map in its forms: Kraus operators, Choi matrix, Pauli transfer matrix; tests, products and fidelity.

The Choi matrix is :math:`C = \sum_{ij} |i\rangle\langle j| \otimes \Phi(|i\rangle\langle j|)`, of trace `d`; the
Pauli transfer matrix is :math:`R_{ij} = \mathrm{Tr}(P_i \Phi(P_j)) / 2^k` (Greenbaum, arXiv:1509.02921).
"""

from __future__ import annotations

from functools import reduce
from typing import overload

import torch
from torch import Tensor

from counterspin.errors import InputError, UsageError
from counterspin.noise.kraus import Channel
from counterspin.noise.linear_map import TransferMap
from counterspin.noise.pauli import commutation_signs, superoperator_to_transfer, transfer_to_superoperator

__all__ = [
    "average_fidelity",
    "choi_to_kraus",
    "choi_to_transfer",
    "compose",
    "is_completely_positive",
    "is_cptp",
    "is_trace_preserving",
    "kraus_to_choi",
    "kraus_to_transfer",
    "pauli_probabilities",
    "tensor",
    "transfer_to_choi",
    "transfer_to_kraus",
]

# Eigenvalues of a Choi matrix below this are rounding; a map with one further below 0 is no channel.
_POSITIVE = 1e-10
_NEGLIGIBLE = 1e-15


def kraus_to_choi(operators: Tensor) -> Tensor:
    """Choi matrix `(d², d²)` complex128 of Kraus operators `(operators, d, d)`.

    Example:
        >>> kraus_to_choi(torch.eye(2, dtype=torch.complex128)[None]).real.tolist()[0]
        [1.0, 0.0, 0.0, 1.0]
    """
    columns = operators.mT.flatten(1)
    return columns.mT @ columns.conj()


def choi_to_kraus(choi: Tensor) -> Tensor:
    """The fewest Kraus operators `(operators, d, d)` complex128 of a Choi matrix `(d², d²)`.

    Raises:
        InputError: another shape, or a map that is not completely positive.
    """
    dimension = _dimension(choi, "Choi matrix")
    values, vectors = torch.linalg.eigh((choi + choi.mH) / 2)
    if float(values[0]) < -_POSITIVE or float((choi - choi.mH).abs().max()) > _POSITIVE:
        raise InputError(
            f"the Choi matrix has the eigenvalue {float(values[0]):.3g} or is not Hermitian, so that its map is not "
            "completely positive and has no Kraus operators; keep it as a TransferMap, or correct the map."
        )
    kept = values > _NEGLIGIBLE * dimension
    columns = (vectors[:, kept] * values[kept].sqrt()).mT
    return columns.reshape(-1, dimension, dimension).mT.contiguous()


def kraus_to_transfer(operators: Tensor) -> Tensor:
    """Pauli transfer matrix `(4**k, 4**k)` float64 of Kraus operators `(operators, d, d)`."""
    return choi_to_transfer(kraus_to_choi(operators))


def choi_to_transfer(choi: Tensor) -> Tensor:
    """Pauli transfer matrix `(4**k, 4**k)` float64 of a Hermitian Choi matrix `(d², d²)`."""
    return superoperator_to_transfer(_reshuffled(choi, _dimension(choi, "Choi matrix")))


def transfer_to_choi(transfer: Tensor) -> Tensor:
    """Choi matrix `(d², d²)` complex128 of a Pauli transfer matrix `(4**k, 4**k)`."""
    dimension = _dimension(transfer, "transfer matrix")
    return _reshuffled(transfer_to_superoperator(transfer), dimension, back=True)


def transfer_to_kraus(transfer: Tensor) -> Tensor:
    """The fewest Kraus operators `(operators, d, d)` of a Pauli transfer matrix `(4**k, 4**k)`.

    Raises:
        InputError: another shape, or a map that is not completely positive.
    """
    return choi_to_kraus(transfer_to_choi(transfer))


def is_trace_preserving(transfer: Tensor, tolerance: float = _POSITIVE) -> bool:
    """Whether the first row of the Pauli transfer matrix is (1, 0, …, 0)."""
    _dimension(transfer, "transfer matrix")
    first = transfer[0].clone()
    first[0] -= 1
    return float(first.abs().max()) <= tolerance


def is_completely_positive(transfer: Tensor, tolerance: float = _POSITIVE) -> bool:
    """Whether the Choi matrix of the Pauli transfer matrix has no eigenvalue below 0.

    Example:
        >>> transpose = torch.diag(torch.tensor([1.0, 1.0, -1.0, 1.0], dtype=torch.float64))
        >>> is_completely_positive(transpose), is_trace_preserving(transpose)
        (False, True)
    """
    return float(torch.linalg.eigvalsh(transfer_to_choi(transfer))[0]) >= -tolerance


def is_cptp(transfer: Tensor, tolerance: float = _POSITIVE) -> bool:
    """Whether a Pauli transfer matrix is that of a channel."""
    return is_trace_preserving(transfer, tolerance) and is_completely_positive(transfer, tolerance)


@overload
def compose(*channels: Channel) -> Channel: ...
@overload
def compose(*channels: Channel | TransferMap) -> Channel | TransferMap: ...
def compose(*channels: Channel | TransferMap) -> Channel | TransferMap:
    """The maps one after the other, the first one acting first; a channel where all of them are.

    Raises:
        UsageError: no map, or maps on different numbers of qubits.
    """
    if not channels or len({channel.qubits for channel in channels}) > 1:
        raise UsageError(
            f"compose got maps on {[c.qubits for c in channels]} qubits; give at least one, all on as many qubits."
        )
    if len(channels) == 1:
        return channels[0]
    name = " then ".join(channel.name for channel in channels)
    transfer = reduce(lambda first, then: then @ first, (channel.transfer for channel in channels))
    if all(isinstance(channel, Channel) for channel in channels):
        return Channel(name, transfer_to_kraus(transfer))
    return TransferMap(name, transfer)


def tensor(*channels: Channel) -> Channel:
    """The channels side by side, the first one on the most significant qubits.

    Raises:
        UsageError: no channel.
    """
    if not channels:
        raise UsageError("tensor got no channel; give at least one.")
    operators = channels[0].operators
    for channel in channels[1:]:
        pairs = torch.einsum("iab,jcd->ijacbd", operators, channel.operators)
        operators = pairs.flatten(0, 1).flatten(1, 2).flatten(2, 3)
    return Channel(" and ".join(channel.name for channel in channels), operators)


def average_fidelity(channel: Channel | TransferMap) -> float:
    r"""Average over pure states of :math:`\langle\psi|\Phi(\psi)|\psi\rangle`.

    .. math:: F = \frac{d F_e + 1}{d + 1}, \qquad F_e = \mathrm{Tr}(R) / d^2

    with the entanglement fidelity F_e (Nielsen, arXiv:quant-ph/0205035); calibrations report 1 - F.

    Example:
        >>> from counterspin.noise.channels import depolarizing
        >>> round(average_fidelity(depolarizing(0.1)), 12)
        0.95
    """
    dimension = 2**channel.qubits
    return (float(channel.transfer.trace()) / dimension + 1) / (dimension + 1)


def pauli_probabilities(channel: Channel | TransferMap) -> Tensor | None:
    """Probabilities `(4**k,)` float64 with which a Pauli channel applies each word; None: it is no Pauli channel.

    Of a `TransferMap` with a diagonal transfer matrix they sum to 1 but may be negative: quasi-probabilities.

    Example:
        >>> from counterspin.noise.channels import bit_flip
        >>> [round(p, 12) for p in pauli_probabilities(bit_flip(0.25)).tolist()]
        [0.75, 0.25, 0.0, 0.0]
    """
    diagonal = channel.transfer.diagonal()
    if float((channel.transfer - torch.diag(diagonal)).abs().max()) > 1e-14:
        return None
    return commutation_signs(channel.qubits) @ diagonal / 4**channel.qubits


def _reshuffled(matrix: Tensor, dimension: int, *, back: bool = False) -> Tensor:
    """Choi[(i,a),(j,b)] to superoperator[(a,b),(i,j)], or `back`."""
    order = (2, 0, 3, 1) if back else (1, 3, 0, 2)
    return matrix.reshape((dimension,) * 4).permute(order).reshape(matrix.shape)


def _dimension(matrix: Tensor, what: str) -> int:
    """`d` of a `(d², d²)` matrix."""
    shape = tuple(matrix.shape)
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] not in (4**k for k in range(1, 9)):
        raise InputError(f"the {what} has shape {shape}; give (4^k, 4^k) for k qubits.")
    return 2 ** ((shape[0].bit_length() - 1) // 2)
