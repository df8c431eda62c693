"""Steps fused per qubit: runs of turns and one-qubit maps, and constant maps with what can be multiplied into them.

A run is one affine 3×4 map, whatever its length. A constant map that is *monomial*, each entry of the result a multiple
of one entry of the argument (Clifford gates, Pauli channels), costs nothing: it is a change of index and a factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from counterspin.simulation.transfer.primitives import Constant, Turn

__all__ = ["Fused", "Run", "fuse", "is_monomial"]

# Entries that a one-qubit map may add to a constant map of two qubits before a pass of its own is cheaper.
_MORE_ENTRIES = 48


@dataclass(frozen=True, eq=False)
class Run:
    """Turns and constant maps `(4, 4)` on one qubit, first applied first."""

    qubits: tuple[int, ...]
    elements: tuple[Turn | np.ndarray, ...]

    @property
    def shifts(self) -> bool:
        """Whether a map moves the identity into X, Y or Z, as amplitude damping does."""
        return any(not isinstance(e, Turn) and bool(e[1:, 0].any()) for e in self.elements)

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The turns among its elements."""
        return tuple(e for e in self.elements if isinstance(e, Turn))


Fused = Run | Constant


def fuse(steps: Sequence[Turn | Constant]) -> list[Fused]:
    """Runs and constant maps, first applied first; among the constant ones are those of several qubits.

    Example:
        >>> z, damped = np.diag([1.0, -1, -1, 1]), np.diag([1.0, 0.5, 0.5, 0.5])
        >>> len(fuse([Constant((0,), z), Constant((0,), damped)]))
        1
    """
    return _absorbed(_collected(steps))


def is_monomial(transfer: np.ndarray) -> bool:
    """Whether a matrix has one entry in every row and every column."""
    entries = transfer != 0
    return bool((entries.sum(0) == 1).all() and (entries.sum(1) == 1).all())


def _collected(steps: Sequence[Turn | Constant]) -> list[Fused]:
    """One run for all that follows on one qubit, one constant map for all that follows on the same qubits."""
    found: list[Fused] = []
    last: dict[int, int] = {}
    for step in steps:
        qubits = (step.qubit,) if isinstance(step, Turn) else step.qubits
        before = {last.get(q) for q in qubits}
        position = before.pop() if len(before) == 1 else None
        previous = None if position is None else found[position]
        if position is None or previous is None or set(previous.qubits) != set(qubits):
            last.update(dict.fromkeys(qubits, len(found)))
            found.append(_started(step, qubits))
        elif isinstance(previous, Run):
            found[position] = Run(qubits, _appended(previous.elements, step))
        elif isinstance(step, Constant):
            product = _widened(step.transfer, step.qubits, previous.qubits) @ previous.transfer
            found[position] = Constant(previous.qubits, product)
    return found


def _started(step: Turn | Constant, qubits: tuple[int, ...]) -> Fused:
    if isinstance(step, Constant) and len(qubits) > 1:
        return step
    return Run(qubits, _appended((), step))


def _appended(elements: tuple[Turn | np.ndarray, ...], step: Turn | Constant) -> tuple[Turn | np.ndarray, ...]:
    if isinstance(step, Turn):
        return (*elements, step)
    if elements and isinstance(elements[-1], np.ndarray):
        return (*elements[:-1], step.transfer @ elements[-1])
    return (*elements, step.transfer)


def _absorbed(ops: list[Fused]) -> list[Fused]:
    """Runs without turns multiplied into the constant map before or after them on their qubit."""
    found: list[Fused | None] = list(ops)
    for position, op in enumerate(ops):
        transfer = op.elements[0] if isinstance(op, Run) and not op.turns else None
        if not isinstance(transfer, np.ndarray):
            continue
        found[position] = None
        if np.array_equal(transfer, np.eye(4)):
            continue
        for other, comes_before in _neighbours(found, position, op.qubits[0]):
            host = found[other]
            if isinstance(host, Constant):
                wide = _widened(transfer, op.qubits, host.qubits)
                product = wide @ host.transfer if comes_before else host.transfer @ wide
                if np.count_nonzero(product) <= np.count_nonzero(host.transfer) + _MORE_ENTRIES:
                    found[other] = Constant(host.qubits, product)
                    break
        else:
            found[position] = Constant(op.qubits, transfer) if is_monomial(transfer) else op
    return [op for op in found if op is not None]


def _neighbours(ops: Sequence[Fused | None], position: int, qubit: int) -> list[tuple[int, bool]]:
    """Positions of the ops right before and right after on a qubit, and whether it is the one before."""
    found = []
    for direction in (-1, 1):
        other = position + direction
        while 0 <= other < len(ops):
            op = ops[other]
            if op is not None and qubit in op.qubits:
                found.append((other, direction < 0))
                break
            other += direction
    return found


def _widened(transfer: np.ndarray, qubits: tuple[int, ...], onto: tuple[int, ...]) -> np.ndarray:
    """The map on the qubits `onto`, of which its own are some, in their order."""
    rest = [q for q in onto if q not in qubits]
    full = np.kron(transfer, np.eye(4 ** len(rest))).reshape((4,) * (2 * len(onto)))
    order = [[*qubits, *rest].index(q) for q in onto]
    return full.transpose([*order, *(len(onto) + k for k in order)]).reshape(4 ** len(onto), -1)
