r"""Which qubits of a device to use: the connected ones with the least expected error.

The cost of a choice is the expected number of errors, to first order the chance that a run goes wrong,

.. math:: -\sum_g n_g \log(1 - e_g) - \sum_q \log(1 - r_q)

with :math:`e_g` the infidelity each gate has in the noise model, :math:`n_g` how often the circuit uses it, :math:`r_q`
the mean of the two readout errors. Without a circuit, each qubit takes two SX and each link one entangler.

Lines and rings are simple paths and cycles grown qubit by qubit, connected sets likewise; of each size the cheapest are
kept (a beam search: exact wherever there are no more than the beam holds). Equal costs are settled by the numbers of
the qubits.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass

from counterspin.circuits import GATES, Circuit
from counterspin.errors import UsageError
from counterspin.noise.devices.couplings import distances, girth
from counterspin.noise.devices.snapshot import Snapshot

__all__ = ["best_subgraph"]

_SHAPES = ("line", "ring", "any")
# How many partial paths and sets of one size are kept: choosing 12 of 156 qubits then takes a fraction of a second.
_PATHS = 2000
_SETS = 500
# Entanglers of two-qubit gates that take more than one. Qubits that are no neighbours are brought together by SWAPs.
_ENTANGLERS = {"SWAP": 3} | dict.fromkeys(("CRX", "CRY", "CRZ", "CP", "RXX", "RYY", "RZZ"), 2)


def best_subgraph(
    snapshot: Snapshot, n: int, *, shape: str = "line", circuit: Circuit | None = None
) -> tuple[int, ...]:
    """The `n` connected working qubits on which a circuit is expected to err least.

    Args:
        snapshot: the device.
        n: how many qubits.
        shape: "line": neighbours in the order returned; "ring": first and last are neighbours too; "any": a connected
            set.
        circuit: what is to be run, its qubit q at position q: how often each qubit and each link is used. None: a
            layer of everything.

    Returns:
        The device's qubits: along the line or ring, or ascending.

    Raises:
        UsageError: a circuit of another size, more qubits than the device has or than hang together, or a shape it
            does not have.

    Example:
        >>> from counterspin.noise.devices.assembly import assemble
        >>> from counterspin.noise.devices.snapshot import QubitCalibration
        >>> qubits = [QubitCalibration(label=str(q), t1=1e-4, t2=1e-4, readout=(0.01 * q, 0.02)) for q in range(4)]
        >>> gates = {("SX", (q,)): (1e-3, 4e-8) for q in range(4)}
        >>> gates |= {("CZ", pair): (0.01, 3e-7) for pair in ((0, 1), (1, 2), (2, 3))}
        >>> toy = assemble(
        ...     name="toy", vendor="own", date="2026-01-31", qubits=qubits, gates=gates, basis=("SX", "CZ")
        ... )
        >>> best_subgraph(toy, 2)
        (0, 1)
    """
    if shape not in _SHAPES:
        raise UsageError(f"shape is {shape!r}; allowed: {', '.join(_SHAPES)}.")
    _check_size(snapshot, n, circuit)
    costs = _Costs.of(snapshot, _uses(n, shape, circuit))
    found = _connected(snapshot, n, costs) if shape == "any" else _path(snapshot, n, costs, ring=shape == "ring")
    if found is None:
        raise UsageError(_refusal(snapshot, n, shape))
    return found


@dataclass(frozen=True, kw_only=True)
class _Uses:
    """How often a circuit uses what: pulses of each position, entanglers of each link (the last closes a ring)."""

    pulses: tuple[float, ...]
    links: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class _Costs:
    """Expected errors of using a qubit at a position, and a link between neighbours."""

    uses: _Uses
    pulse: Mapping[int, float]
    readout: Mapping[int, float]
    link: Mapping[tuple[int, int], float]

    @classmethod
    def of(cls, snapshot: Snapshot, uses: _Uses) -> _Costs:
        """Of every working qubit and edge."""
        link = {}
        for a, b in snapshot.edges:
            link[a, b] = link[b, a] = -math.log1p(-snapshot.infidelity(*snapshot.entangler(a, b)))
        readouts = {qubit: snapshot.qubits[qubit].readout or (0.0, 0.0) for qubit in snapshot.working}
        return cls(
            uses=uses,
            pulse={qubit: -math.log1p(-snapshot.infidelity("SX", (qubit,))) for qubit in snapshot.working},
            readout={qubit: -math.log1p(-sum(flips) / 2) for qubit, flips in readouts.items()},
            link=link,
        )

    def at(self, position: int) -> dict[int, float]:
        """Pulses and readout of every qubit, were it at this position."""
        return {qubit: self.uses.pulses[position] * pulse + self.readout[qubit] for qubit, pulse in self.pulse.items()}


def _check_size(snapshot: Snapshot, n: int, circuit: Circuit | None) -> None:
    if circuit is not None and circuit.qubits != n:
        raise UsageError(f"the circuit has {circuit.qubits} qubits and {n} are to be chosen; choose as many as it has.")
    if n < 1:
        raise UsageError(f"{n} qubits are to be chosen; choose at least 1.")
    if n > len(snapshot.qubits):
        raise UsageError(
            f"{n} qubits are asked for and {snapshot.name} has {len(snapshot.qubits)}; take a smaller model or a "
            "larger device (`counterspin list devices`)."
        )


def _uses(n: int, shape: str, circuit: Circuit | None) -> _Uses:
    if circuit is None:
        return _Uses(pulses=(2.0,) * n, links=(1.0,) * n)
    pulses, links = [0.0] * n, [0.0] * n
    for gate in circuit.gates:
        # Turns about z are virtual, every other gate becomes two SX on each of its qubits.
        virtual = len(gate.qubits) == 1 and GATES[gate.kind].diagonal
        for qubit in gate.qubits:
            pulses[qubit] += 0.0 if virtual else 2.0
        for a, b in zip(gate.qubits, gate.qubits[1:], strict=False):
            crossed = _between(a, b, n, shape)
            swaps = len(crossed) - 1
            for link in crossed:
                links[link] += (_ENTANGLERS["SWAP"] * swaps + _ENTANGLERS.get(gate.kind, 1)) / len(crossed)
    if shape == "any":
        # Where a circuit's links will lie is the router's to say: all are used alike.
        links = [sum(links) / max(n - 1, 1)] * n
        pulses = [sum(pulses) / n] * n
    return _Uses(pulses=tuple(pulses), links=tuple(links))


def _between(a: int, b: int, n: int, shape: str) -> list[int]:
    """The links from position a to b; on a ring the shorter way round."""
    low, high = min(a, b), max(a, b)
    inside = list(range(low, high))
    if shape == "ring" and n - len(inside) < len(inside):
        return [link for link in range(n) if link not in inside]
    return inside


def _path(snapshot: Snapshot, n: int, costs: _Costs, *, ring: bool) -> tuple[int, ...] | None:
    """The cheapest simple path of n qubits, or cycle."""
    if ring and n < 3:
        return None
    back = {qubit: distances(snapshot.neighbours, qubit) for qubit in snapshot.working} if ring else {}
    beam = [(cost, (qubit,)) for qubit, cost in costs.at(0).items()]
    for position in range(1, n):
        here, uses = costs.at(position), costs.uses.links[position - 1]
        grown = []
        for cost, path in beam:
            for other in snapshot.neighbours[path[-1]]:
                if other in path:
                    continue
                # A ring has to find back to its start in the steps that are left.
                if ring and back[path[0]].get(other, n) > n - position:
                    continue
                grown.append((cost + uses * costs.link[path[-1], other] + here[other], (*path, other)))
        beam = heapq.nsmallest(_PATHS, grown)
    if ring:
        last = costs.uses.links[n - 1]
        beam = [
            (cost + last * costs.link[path[-1], path[0]], path)
            for cost, path in beam
            if (path[-1], path[0]) in costs.link
        ]
    return min(beam)[1] if beam else None


def _connected(snapshot: Snapshot, n: int, costs: _Costs) -> tuple[int, ...] | None:
    """The cheapest connected set of n qubits: its qubits, and n - 1 times the mean of the links inside.

    A set is a number with the bits of its qubits; beside it stand the cost of its qubits, the sum of its links, how
    many these are, and its neighbours.
    """
    around = {qubit: sum(1 << other for other in others) for qubit, others in snapshot.neighbours.items()}
    per_link = costs.uses.links[0]
    alone = costs.at(0)
    beam = {1 << qubit: (cost, 0.0, 0, around[qubit]) for qubit, cost in alone.items()}
    for size in range(2, n + 1):
        grown: dict[int, tuple[float, float, int, int]] = {}
        for chosen, (cost, links, count, near) in beam.items():
            for other in _members(near):
                new = chosen | 1 << other
                if new not in grown:
                    joined = [costs.link[other, q] for q in snapshot.neighbours[other] if chosen >> q & 1]
                    total = (cost + alone[other], links + sum(joined), count + len(joined))
                    grown[new] = (*total, (near | around[other]) & ~new)
        order = {new: cost + per_link * (size - 1) * links / count for new, (cost, links, count, _) in grown.items()}
        beam = {new: grown[new] for new in heapq.nsmallest(_SETS, grown, key=lambda new: (order[new], new))}
    best = min(beam, key=lambda new: (beam[new][0], new), default=None) if n == 1 else next(iter(beam), None)
    return None if best is None else tuple(_members(best))


def _members(mask: int) -> list[int]:
    """The qubits of a set, ascending."""
    return [qubit for qubit in range(mask.bit_length()) if mask >> qubit & 1]


def _refusal(snapshot: Snapshot, n: int, shape: str) -> str:
    largest = max((len(distances(snapshot.neighbours, qubit)) for qubit in snapshot.working), default=0)
    if n > largest:
        return (
            f"{n} qubits are asked for and only {largest} working qubits of {snapshot.name} hang together (broken "
            "gates and missing calibrations are left out); take a smaller model or another device."
        )
    if shape == "ring":
        smallest = girth(snapshot.neighbours)
        least = f"its smallest ring has {smallest}" if smallest else "it has no ring at all"
        return f"{snapshot.name} has no ring of {n} working qubits ({least}); take the shape line or any."
    return f"no line of {n} working qubits was found on {snapshot.name}; take the shape any, or a smaller model."
