"""Quantum channels by their Kraus operators, and where in a circuit they act."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from counterspin.errors import InputError, UsageError
from counterspin.noise.linear_map import TransferMap
from counterspin.noise.pauli import superoperator_to_transfer

__all__ = ["Channel", "Placed"]

# How far the sum of K†K may be off the identity, entry by entry: operators given in float32 are refused.
_TRACE_PRESERVING = 1e-10


@dataclass(frozen=True, eq=False)
class Channel:
    r"""A completely positive, trace-preserving map by its Kraus operators.

    .. math:: \Phi(\rho) = \sum_i K_i \rho K_i^\dagger, \qquad \sum_i K_i^\dagger K_i = 1

    Args:
        name: what error messages and reports call it.
        operators: `(operators, d, d)` complex128 with `d` a power of 2; the first qubit is the most significant.

    Raises:
        InputError: another shape or dtype, values that are not finite, or a map that does not preserve the trace.

    Example:
        >>> flip = torch.tensor([[[0, 1], [1, 0]]], dtype=torch.complex128)
        >>> Channel("X", flip).qubits
        1
    """

    name: str
    operators: Tensor

    def __post_init__(self) -> None:
        """Refuse what is no channel."""
        shape = tuple(self.operators.shape)
        if len(shape) != 3 or not shape[0] or shape[1] != shape[2] or shape[1] < 2 or shape[1] & (shape[1] - 1):
            raise InputError(
                f"channel {self.name}: operators have shape {shape}; give (operators, d, d) with d = 2, 4, 8, …"
            )
        if self.operators.dtype != torch.complex128 or not bool(torch.isfinite(self.operators).all()):
            raise InputError(
                f"channel {self.name}: operators have dtype {self.operators.dtype} or are not finite; give finite "
                "complex128 values."
            )
        total = (self.operators.mH @ self.operators).sum(0)
        off = float((total - torch.eye(shape[1], dtype=total.dtype, device=total.device)).abs().max())
        if off > _TRACE_PRESERVING:
            raise InputError(
                f"channel {self.name} is not trace-preserving: the sum of K†K is {off:.3g} off the identity (allowed "
                f"{_TRACE_PRESERVING:g}); scale the operators or add the missing one."
            )

    @property
    def qubits(self) -> int:
        """On how many qubits it acts."""
        return self.operators.shape[1].bit_length() - 1

    @property
    def superoperator(self) -> Tensor:
        r""":math:`\sum_i K_i \otimes \bar K_i`, `(d², d²)`: it acts on density matrices read row by row."""
        dimension = self.operators.shape[1] ** 2
        kron = torch.einsum("kab,kcd->acbd", self.operators, self.operators.conj())
        return kron.reshape(dimension, dimension)

    @cached_property
    def transfer(self) -> Tensor:
        r"""Pauli transfer matrix :math:`R_{ij} = \mathrm{Tr}(P_i \Phi(P_j)) / 2^k`, `(4**k, 4**k)` float64.

        Pauli words in the order I, X, Y, Z, the first qubit most significant.
        """
        return superoperator_to_transfer(self.superoperator)


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A channel, or another linear map, at one place of a circuit.

    Several channels after one gate act in the order in which they are listed.

    Args:
        after: index of the gate it acts after; -1: before the first gate, on the prepared state.
        qubits: the qubits it acts on, the most significant of the channel first.
        channel: what acts there.

    Raises:
        UsageError: an index below -1, repeated or negative qubits, or another number of them than the channel's.

    Example:
        >>> flip = Channel("X", torch.tensor([[[0, 1], [1, 0]]], dtype=torch.complex128))
        >>> Placed(after=0, qubits=(1,), channel=flip).channel.name
        'X'
    """

    after: int
    qubits: tuple[int, ...]
    channel: Channel | TransferMap

    def __post_init__(self) -> None:
        """Refuse places that are none."""
        if self.after < -1:
            raise UsageError(f"after is {self.after}; give the index of a gate, or -1 for the prepared state.")
        if len(set(self.qubits)) != len(self.qubits) or min(self.qubits, default=-1) < 0:
            raise UsageError(f"qubits are {self.qubits}; name each qubit of the channel once, counting from 0.")
        if len(self.qubits) != self.channel.qubits:
            raise UsageError(
                f"channel {self.channel.name} acts on {self.channel.qubits} qubits and is placed on {self.qubits}; "
                "give as many qubits as it has."
            )
