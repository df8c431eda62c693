"""Constant maps of several qubits as a monomial map and a few additions behind it.

Relaxation after a Clifford gate moves a little of some entries into others and changes nothing else but signs and
scale. The monomial part costs nothing, see `schedule`, and each addition one multiplication.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

__all__ = ["Additions", "Factored", "factored"]

# Beyond, an entry would be scaled down and back up again: full damping, say, is left to the map itself.
_LARGEST_FACTOR = 1e3


@dataclass(frozen=True, eq=False)
class Additions:
    """One after the other, `r[target] += factor * r[source]`."""

    targets: np.ndarray
    sources: np.ndarray
    factors: np.ndarray


@dataclass(frozen=True, eq=False)
class Factored:
    """A map on `qubits`: entry i becomes `scale[i] * r[source[i]]`, then the additions are made."""

    qubits: tuple[int, ...]
    source: np.ndarray
    scale: np.ndarray
    additions: Additions

    @property
    def is_monomial(self) -> bool:
        """Whether there is nothing to add."""
        return not len(self.additions.targets)


def factored(transfer: np.ndarray, qubits: tuple[int, ...]) -> Factored | None:
    """The factors of a matrix on these qubits; None where it has none, for example a dense one.

    Example:
        >>> damping = np.array([[1, 0, 0, 0], [0, 0.8, 0, 0], [0, 0, 0.8, 0], [0.36, 0, 0, 0.64]])
        >>> found = factored(damping, (0,))
        >>> found.scale.tolist(), found.additions.targets.tolist(), found.additions.sources.tolist()
        ([1.0, 0.8, 0.8, 0.64], [3], [0])
    """
    found = _peeled(np.ascontiguousarray(transfer, dtype=np.float64).tobytes(), len(transfer))
    return None if found is None else Factored(qubits, *found)


@lru_cache(maxsize=256)
def _peeled(content: bytes, size: int) -> tuple[np.ndarray, np.ndarray, Additions] | None:
    """Row after row with one entry left, whose column is then taken from the others: a disguised triangular matrix."""
    matrix = np.frombuffer(content).reshape(size, size)
    entries = matrix != 0
    left, order = entries.sum(1), []
    source, row_of = np.empty(size, dtype=np.int64), np.full(size, -1)
    for _ in range(size):
        row = int((left == 1).argmax())
        if left[row] != 1:
            return None
        column = int((entries[row] & (row_of < 0)).argmax())
        source[row], row_of[column] = column, row
        order.append(row)
        left = left - entries[:, column]
        left[row] = -1
    scale = matrix[np.arange(size), source]
    # Last row first, so that what is added has not been changed itself.
    terms = [(row, int(row_of[c]), matrix[row, c]) for row in reversed(order) for c in entries[row].nonzero()[0]]
    terms = [(row, other, value / scale[other]) for row, other, value in terms if other != row]
    if any(abs(factor) > _LARGEST_FACTOR for *_, factor in terms):
        return None
    targets, sources, factors = zip(*terms, strict=True) if terms else ((), (), ())
    return source, scale, Additions(np.array(targets, int), np.array(sources, int), np.array(factors, float))
