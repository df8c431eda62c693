"""Circuits on few coupled qubits: which order they are laid out in, and where SWAPs bring partners together.

A SWAP takes three CNOT, but right behind a CNOT on the same pair it takes one more only: two of the four cancel. The
search goes through the gates in order and keeps the layouts that were cheapest so far, at these prices, and leave the
next gates close together (a beam search; looking ahead as in Li et al., arXiv:1809.02573).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from counterspin.circuits import Gate
from counterspin.noise.devices.couplings import distances
from counterspin.noise.devices.writer import Writer

__all__ = ["Route", "interaction_order", "route", "start_layouts"]

_SWAP, _SWAP_BEHIND_CNOT = 3, 1
# Wider and deeper searches found no cheaper route for rings of 4 to 12 qubits.
_BEAM, _AHEAD, _FADING = 24, 12, 0.85

_Layout = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Route:
    """A circuit on the slots of a device's chosen qubits.

    Args:
        gates: RZ, SX and CNOT between coupled slots.
        start: slot of each logical qubit before the first gate.
        final: slot of each logical qubit behind the last one.
        swaps: how many SWAPs were inserted.
    """

    gates: tuple[Gate, ...]
    start: _Layout
    final: _Layout
    swaps: int


@dataclass(frozen=True)
class _Step:
    """What happens around one CNOT, as a list linked backwards."""

    previous: _Step | None
    before: tuple[tuple[int, int], ...]
    behind: bool


# By layout now: cost so far, layout at the start, and what was done.
_Beam = dict[_Layout, tuple[float, _Layout, _Step | None]]


def interaction_order(gates: Iterable[Gate], qubits: int) -> tuple[str, tuple[int, ...]] | None:
    """Whether the pairs of a circuit's gates lie on a line or a ring through all qubits, and the qubits along it.

    Returns:
        "line" or "ring" and the order; None: neither.

    Example:
        >>> interaction_order([Gate("CNOT", (0, 2)), Gate("CNOT", (1, 2))], 3)
        ('line', (0, 2, 1))
    """
    around: list[set[int]] = [set() for _ in range(qubits)]
    for gate in gates:
        for qubit in gate.qubits:
            around[qubit] |= set(gate.qubits) - {qubit}
    if any(len(others) > 2 for others in around):
        return None
    order: list[int] = []
    # Ends of paths come first; what is left then lies on cycles.
    for start in sorted(range(qubits), key=lambda qubit: (len(around[qubit]) == 2, qubit)):
        if start in order:
            continue
        if len(around[start]) == 2:
            cycle = _walk(around, start, set(order))
            return None if order or len(cycle) < qubits else ("ring", tuple(cycle))
        order += _walk(around, start, set(order))
    return "line", tuple(order)


def start_layouts(shape: str, order: Sequence[int]) -> list[_Layout]:
    """Layouts on a line worth a try: the order itself; of a ring, also folded (0, n-1, 1, n-2, …), from every start.

    Returns:
        The slot of each logical qubit, for each layout.

    Example:
        >>> start_layouts("ring", (0, 1, 2, 3))[:2]
        [(0, 1, 2, 3), (0, 2, 3, 1)]
    """
    count = len(order)
    if shape == "line":
        return [_slots(order)]
    found = []
    for turn in range(count):
        turned = [*order[turn:], *order[:turn]]
        folded = [turned[-(k // 2) - 1] if k % 2 else turned[k // 2] for k in range(count)]
        found += [_slots(turned), _slots(folded)]
    return found


def route(gates: Sequence[Gate], prices: Mapping[tuple[int, int], float], layouts: Sequence[_Layout]) -> Route:
    """The cheapest way found to run the gates on coupled slots.

    Args:
        gates: RZ, SX and CNOT on logical qubits.
        prices: what a CNOT costs on each coupled pair of slots; they connect all slots.
        layouts: where to start from, the slot of each logical qubit; the cheapest one is taken.

    Example:
        >>> far = [Gate("CNOT", (0, 1)), Gate("CNOT", (1, 2)), Gate("CNOT", (2, 0))]
        >>> found = route(far, {(0, 1): 1.0, (1, 2): 1.0}, [(0, 1, 2)])
        >>> found.swaps, len(found.gates), found.final
        (1, 4, (0, 2, 1))
    """
    pairs = [gate.qubits for gate in gates if gate.kind == "CNOT"]
    ways = _Ways(prices, len(layouts[0]))
    beam: _Beam = {layout: (0.0, layout, None) for layout in layouts}
    for index, (control, target) in enumerate(pairs):
        found: _Beam = {}
        for layout, (cost, start, step) in beam.items():
            for swaps in ways.together(layout[control], layout[target]):
                moved = layout
                for swap in swaps:
                    moved = _swapped(moved, *swap)
                price = ways.price[moved[control]][moved[target]]
                paid = cost + price + _SWAP * sum(ways.price[a][b] for a, b in swaps)
                _keep(found, moved, (paid, start, _Step(step, swaps, False)))
                if index + 1 < len(pairs):
                    crossed = _swapped(moved, moved[control], moved[target])
                    _keep(found, crossed, (paid + _SWAP_BEHIND_CNOT * price, start, _Step(step, swaps, True)))
        ahead = pairs[index + 1 : index + 1 + _AHEAD]
        beam = dict(heapq.nsmallest(_BEAM, found.items(), key=lambda entry: entry[1][0] + ways.ahead(entry[0], ahead)))
    _, start, step = min(beam.values(), key=lambda entry: entry[0])
    return _applied(gates, start, step)


class _Ways:
    """Prices of coupled pairs of slots, distances between slots, and shortest ways."""

    def __init__(self, prices: Mapping[tuple[int, int], float], slots: int) -> None:
        self.price: list[dict[int, float]] = [{} for _ in range(slots)]
        for (a, b), price in prices.items():
            self.price[a][b] = self.price[b][a] = price
        self._around = [set(row) for row in self.price]
        self._mean = sum(prices.values()) / max(len(prices), 1)
        self._distance = [distances(dict(enumerate(self._around)), slot) for slot in range(slots)]
        self._together: dict[tuple[int, int], list[tuple[tuple[int, int], ...]]] = {}

    def together(self, a: int, b: int) -> list[tuple[tuple[int, int], ...]]:
        """Ways of as few swaps as possible that make what is at two slots neighbours."""
        if (a, b) not in self._together:
            found: list[tuple[tuple[int, int], ...]] = []
            for path in self._paths(a, b):
                for meeting in range(len(path) - 1):
                    forth = [(path[k], path[k + 1]) for k in range(meeting)]
                    back = [(path[k], path[k - 1]) for k in range(len(path) - 1, meeting + 1, -1)]
                    found.append((*forth, *back))
            self._together[a, b] = found
        return self._together[a, b]

    def ahead(self, layout: _Layout, pairs: Sequence[tuple[int, ...]]) -> float:
        """An estimate of what the next gates will cost."""
        weight, total = self._mean, 0.0
        for a, b in pairs:
            total += weight * (self._distance[layout[a]][layout[b]] - 1)
            weight *= _FADING
        return total

    def _paths(self, a: int, b: int) -> Iterator[list[int]]:
        if a == b:
            yield [b]
            return
        for step in sorted(self._around[a]):
            if self._distance[step][b] < self._distance[a][b]:
                for rest in self._paths(step, b):
                    yield [a, *rest]


def _applied(gates: Sequence[Gate], start: _Layout, last: _Step | None) -> Route:
    """The gates along the steps that were chosen."""
    steps: list[_Step] = []
    while last is not None:
        steps.append(last)
        last = last.previous
    writer, layout = Writer(len(start)), start
    for gate in gates:
        step = steps.pop() if gate.kind == "CNOT" else None
        for pair in step.before if step is not None else ():
            writer.swap(*pair)
            layout = _swapped(layout, *pair)
        slots = tuple(layout[qubit] for qubit in gate.qubits)
        writer.add(Gate(gate.kind, slots, gate.angles))
        if step is not None and step.behind:
            writer.swap(*slots)
            layout = _swapped(layout, *slots)
    return Route(gates=writer.finish(), start=start, final=layout, swaps=writer.swaps)


def _keep(found: _Beam, layout: _Layout, entry: tuple[float, _Layout, _Step | None]) -> None:
    if layout not in found or entry[0] < found[layout][0]:
        found[layout] = entry


def _swapped(layout: _Layout, a: int, b: int) -> _Layout:
    """The layout after what is at slots `a` and `b` has changed places."""
    return tuple(b if slot == a else a if slot == b else slot for slot in layout)


def _slots(order: Sequence[int]) -> _Layout:
    """The slot of each qubit, of the qubits in the order of their slots."""
    slots = [0] * len(order)
    for slot, qubit in enumerate(order):
        slots[qubit] = slot
    return tuple(slots)


def _walk(around: Sequence[set[int]], start: int, seen: set[int]) -> list[int]:
    """The qubits met from one on, each neighbour once."""
    order = [start]
    while ahead := sorted(around[order[-1]] - seen - set(order)):
        order.append(ahead[0])
    return order
