"""Ways on a graph of couplings: qubits and their neighbours."""

from collections import deque
from collections.abc import Iterable, Mapping

__all__ = ["distances", "girth"]

Neighbours = Mapping[int, Iterable[int]]


def distances(neighbours: Neighbours, start: int) -> dict[int, int]:
    """Steps from a qubit to every one it hangs together with.

    Example:
        >>> distances({0: (1,), 1: (0, 2), 2: (1,), 3: ()}, 0)
        {0: 0, 1: 1, 2: 2}
    """
    steps, queue = {start: 0}, deque([start])
    while queue:
        qubit = queue.popleft()
        for other in neighbours[qubit]:
            if other not in steps:
                steps[other] = steps[qubit] + 1
                queue.append(other)
    return steps


def girth(neighbours: Neighbours) -> int | None:
    """Length of the shortest ring; None: there is none.

    Example:
        >>> girth({0: (1, 2), 1: (0, 2), 2: (0, 1)})
        3
    """
    # The shortest ring through a link is one more than the way between its ends without it.
    rings = [
        ways[b] + 1
        for a, others in neighbours.items()
        for b in others
        if a < b and b in (ways := distances(_without(neighbours, a, b), a))
    ]
    return min(rings, default=None)


def _without(neighbours: Neighbours, a: int, b: int) -> Neighbours:
    """The couplings but the one of a and b."""
    cut = {a: b, b: a}
    return {qubit: [other for other in others if other != cut.get(qubit)] for qubit, others in neighbours.items()}
