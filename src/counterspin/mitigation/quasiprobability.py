r"""The inverse of a channel as a signed mixture of operations a device can run.

.. math:: \Lambda^{-1} = \sum_i c_i\, O_i, \qquad \gamma = \sum_i |c_i| \ge 1

Drawing :math:`O_i` with probability :math:`|c_i| / \gamma` and counting its result :math:`\gamma\,\mathrm{sign}(c_i)`
times undoes the channel on average, at :math:`\gamma^2` times the variance (Temme et al., arXiv:1612.02058). Pauli
channels are undone by Paulis; for others γ is minimised by a linear programme over the 24 Clifford gates and the
preparations of the six Pauli eigenstates, which span all trace-preserving maps of a qubit as the basis of Endo et al.
(arXiv:1712.09271) does, and reach the optimum for amplitude damping (Takagi, arXiv:2006.12509). On two qubits their
products and the rotations by ±π/2 about Pauli words are mixed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache, reduce

import numpy as np
import torch
from scipy.optimize import linprog
from torch import Tensor

from counterspin.errors import ConditionsError
from counterspin.noise import Channel
from counterspin.noise.pauli import commutation_signs, pauli_operators, pauli_words
from counterspin.noise.transfer import TransferMap, inverse

__all__ = ["QuasiProbability", "pauli_operations", "quasi_probability"]

# Entries of a transfer matrix below this are rounding.
_ZERO = 1e-12
# Coefficients the linear programme leaves below this are none; the others are solved for anew, exactly.
_SUPPORT = 1e-9

# What is done, and to which qubits of the channel that is undone; () is the identity.
Operation = tuple[tuple[tuple[int, ...], Channel], ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class QuasiProbability:
    """A signed mixture of operations that sums to 1.

    Args:
        coefficients: `(operations,)` float64.
        operations: for each, channels and the qubits (of the channel that is undone) they act on.
    """

    coefficients: Tensor
    operations: tuple[Operation, ...]

    @property
    def one_norm(self) -> float:
        """γ, from 1."""
        return float(self.coefficients.abs().sum())


def quasi_probability(channel: Channel | TransferMap) -> QuasiProbability:
    """The inverse of a channel on one or two qubits as a signed mixture of least one-norm.

    Raises:
        ConditionsError: the channel has no inverse, acts on more than two qubits, or correlates two of them in a way
            that the operations do not span.

    Example:
        >>> from counterspin.noise import amplitude_damping
        >>> round(quasi_probability(amplitude_damping(0.1)).one_norm, 9)  # (1 + γ) / (1 - γ)
        1.222222222
    """
    if channel.qubits > 2:
        raise ConditionsError(
            f"channel {channel.name} acts on {channel.qubits} qubits; probabilistic error cancellation undoes channels "
            "on one or two."
        )
    undone = inverse(channel).transfer
    return _mixture(undone.numpy().tobytes(), channel.qubits)


@lru_cache(maxsize=1024)
def _mixture(transfer: bytes, qubits: int) -> QuasiProbability:
    matrix = np.frombuffer(transfer).reshape(4**qubits, 4**qubits)
    if np.abs(matrix - np.diag(np.diag(matrix))).max() < _ZERO:
        coefficients = commutation_signs(qubits).numpy() @ np.diag(matrix) / 4**qubits
        operations = [_side_by_side(word) for word in itertools.product(pauli_operations(), repeat=qubits)]
    else:
        coefficients, operations = _shortest(matrix, qubits)
    kept = np.abs(coefficients) > _ZERO
    return QuasiProbability(
        coefficients=torch.from_numpy(coefficients[kept]), operations=tuple(itertools.compress(operations, kept))
    )


def _side_by_side(channels: Iterable[Channel | None]) -> Operation:
    return tuple(((qubit,), channel) for qubit, channel in enumerate(channels) if channel is not None)


@lru_cache(maxsize=1)
def pauli_operations() -> tuple[Channel | None, ...]:
    """I (None), X, Y, Z as channels."""
    matrices = ([[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]])
    unitaries = (torch.tensor([m], dtype=torch.complex128) for m in matrices)
    return (None, *(Channel(letter, u) for letter, u in zip("XYZ", unitaries, strict=True)))


def _shortest(target: np.ndarray, qubits: int) -> tuple[np.ndarray, list[Operation]]:
    """Coefficients of least one-norm over the operations on one or two qubits."""
    singles = [(np.eye(4) if channel is None else channel.transfer.numpy(), channel) for channel in _basis()]
    words = list(itertools.product(singles, repeat=qubits))
    operations = [_side_by_side(channel for _, channel in word) for word in words]
    matrices = [reduce(np.kron, [matrix for matrix, _ in word]) for word in words]
    if qubits == 2:
        operations += [(((0, 1), channel),) for channel in _rotations()]
        matrices += [channel.transfer.numpy() for channel in _rotations()]
    columns = np.stack([matrix.ravel() for matrix in matrices], axis=1)
    found = linprog(
        np.ones(2 * columns.shape[1]), A_eq=np.hstack([columns, -columns]), b_eq=target.ravel(), method="highs"
    )
    if not found.success:
        raise ConditionsError(
            "the inverse of a channel on two qubits is no mixture of the operations that are known; twirl the channel "
            "first, or mitigate by zero-noise extrapolation."
        )
    coefficients = found.x[: columns.shape[1]] - found.x[columns.shape[1] :]
    support = np.abs(coefficients) > _SUPPORT
    exact = np.zeros_like(coefficients)
    exact[support] = np.linalg.lstsq(columns[:, support], target.ravel(), rcond=None)[0]
    return exact, operations


@lru_cache(maxsize=1)
def _rotations() -> tuple[Channel, ...]:
    """Rotations by π/2 and -π/2 about the Pauli words without I on two qubits."""
    made = []
    for word, matrix in zip(pauli_words(2), pauli_operators(2), strict=True):
        if "I" not in word:
            for sign in (1, -1):
                unitary = (torch.eye(4, dtype=torch.complex128) - 1j * sign * matrix) / math.sqrt(2)
                made.append(Channel(f"R{word}({'+' if sign > 0 else '-'}π/2)", unitary[None]))
    return tuple(made)


@lru_cache(maxsize=1)
def _basis() -> tuple[Channel | None, ...]:
    """The Clifford gates, the identity (None) first, then preparations of the Pauli eigenstates."""
    r = 1 / math.sqrt(2)
    generators = np.array([[[r, r], [r, -r]], [[1, 0], [0, 1j]]], dtype=complex)
    gates = [np.eye(2, dtype=complex)]
    for gate in gates:  # grows while it is read: the group is closed under both generators
        for generator in generators:
            product = generator @ gate
            if all(abs(abs(np.trace(product.conj().T @ known)) - 2) > 1e-6 for known in gates):
                gates.append(product)
    states = [(1, 0), (0, 1), (r, r), (r, -r), (r, 1j * r), (r, -1j * r)]
    prepared = [np.stack([np.outer(state, row) for row in np.eye(2)]) for state in states]
    cliffords = [Channel(f"Clifford {i}", torch.from_numpy(g[None])) for i, g in enumerate(gates)][1:]
    resets = [Channel(f"preparation {i}", torch.from_numpy(k.astype(complex))) for i, k in enumerate(prepared)]
    return (None, *cliffords, *resets)
