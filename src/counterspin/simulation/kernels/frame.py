"""The affine map over bits from physical to logical basis states: why CNOT, SWAP and X cost nothing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["Frame", "PhysicalQubit", "bit_parity"]


class PhysicalQubit(NamedTuple):
    """A logical qubit in terms of physical indices: `i ^ flip` flips it, its value is `parity(i & mask) ^ offset`."""

    flip: int
    mask: int
    offset: int

    def commutes_with(self, other: PhysicalQubit) -> bool:
        """Whether flipping one leaves the value of the other alone."""
        return not bit_parity(self.mask & other.flip) and not bit_parity(other.mask & self.flip)


def bit_parity(bits: int) -> int:
    """Parity of the number of set bits."""
    return bits.bit_count() & 1


class Frame:
    """Where every logical qubit is; gates that permute basis states change it and move no amplitude.

    Example:
        >>> frame = Frame(2)
        >>> frame.cnot(0, 1)
        >>> frame.qubit(1)
        PhysicalQubit(flip=1, mask=3, offset=0)
    """

    def __init__(self, qubits: int) -> None:
        self._flips = [1 << (qubits - 1 - q) for q in range(qubits)]
        self._masks = list(self._flips)
        self._offsets = [0] * qubits

    def qubit(self, q: int) -> PhysicalQubit:
        """Masks of logical qubit `q`."""
        return PhysicalQubit(self._flips[q], self._masks[q], self._offsets[q])

    def cnot(self, control: int, target: int) -> None:
        """The new value of the target is its old one plus the control's; flipping the control flips both."""
        self._masks[target] ^= self._masks[control]
        self._offsets[target] ^= self._offsets[control]
        self._flips[control] ^= self._flips[target]

    def swap(self, a: int, b: int) -> None:
        """Exchange two qubits."""
        for values in (self._flips, self._masks, self._offsets):
            values[a], values[b] = values[b], values[a]

    def x(self, q: int) -> None:
        """Exchange the values 0 and 1 of a qubit."""
        self._offsets[q] ^= 1

    def values(self, q: int) -> np.ndarray:
        """Value of logical qubit `q` at every physical index, `(2**qubits,)`."""
        indices = np.arange(2 ** len(self._flips), dtype=np.uint32)
        return (np.bitwise_count(indices & np.uint32(self._masks[q])) & 1) ^ self._offsets[q]
