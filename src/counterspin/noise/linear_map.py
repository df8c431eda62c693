"""Linear maps that need not be channels, by their Pauli transfer matrix."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.errors import InputError
from counterspin.noise.pauli import transfer_to_superoperator

__all__ = ["TransferMap"]

_TRACE_PRESERVING = 1e-10


@dataclass(frozen=True, eq=False)
class TransferMap:
    r"""A linear map that keeps traces and takes Hermitian matrices to such, positive or not.

    The inverse of a channel is one: probabilistic error cancellation writes it as a signed mixture of channels.

    Args:
        name: what error messages and reports call it.
        transfer: :math:`R_{ij} = \mathrm{Tr}(P_i \Phi(P_j)) / 2^k`, `(4**k, 4**k)` float64, Pauli words in the order
            I, X, Y, Z, the first qubit most significant.

    Raises:
        InputError: another shape or dtype, values that are not finite, or a map that does not preserve the trace.

    Example:
        >>> TransferMap("dephasing", torch.diag(torch.tensor([1.0, 0.5, 0.5, 1.0], dtype=torch.float64))).qubits
        1
    """

    name: str
    transfer: Tensor

    def __post_init__(self) -> None:
        """Refuse what keeps no traces."""
        shape = tuple(self.transfer.shape)
        if len(shape) != 2 or shape[0] != shape[1] or shape[0] not in (4**k for k in range(1, 9)):
            raise InputError(f"map {self.name}: the transfer matrix has shape {shape}; give (4^k, 4^k) for k qubits.")
        if self.transfer.dtype != torch.float64 or not bool(torch.isfinite(self.transfer).all()):
            raise InputError(
                f"map {self.name}: the transfer matrix has dtype {self.transfer.dtype} or is not finite; give finite "
                "float64 values."
            )
        first = self.transfer[0].clone()
        first[0] -= 1
        off = float(first.abs().max())
        if off > _TRACE_PRESERVING:
            raise InputError(
                f"map {self.name} is not trace-preserving: the first row of its transfer matrix is {off:.3g} off "
                f"(1, 0, …, 0) (allowed {_TRACE_PRESERVING:g}); correct or rescale the map."
            )

    @property
    def qubits(self) -> int:
        """On how many qubits it acts."""
        return (self.transfer.shape[0].bit_length() - 1) // 2

    @property
    def superoperator(self) -> Tensor:
        """The map on density matrices read row by row, `(d², d²)` complex128."""
        return transfer_to_superoperator(self.transfer)
