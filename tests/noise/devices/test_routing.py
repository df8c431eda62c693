"""Routes against the circuits they carry out: same unitary but for the permutation they announce."""

import itertools

import numpy as np
import pytest
from dense_oracle import unitary
from hypothesis import given, settings
from hypothesis import strategies as st
from qasm_oracle import same_up_to_phase

from counterspin.circuits import Circuit, Gate, reuploading, strongly_entangling, weight
from counterspin.noise.devices.native import reduced
from counterspin.noise.devices.routing import Route, interaction_order, route, start_layouts
from counterspin.noise.devices.writer import Writer

W = np.random.default_rng(0).normal(size=200)
LINE = {n: {(q, q + 1): 1.0 for q in range(n - 1)} for n in range(1, 13)}


def permutation(layout: tuple[int, ...]) -> np.ndarray:
    """Takes the state of logical qubits to that of slots."""
    qubits = len(layout)
    states = np.arange(2**qubits)
    moved = sum(
        (((states >> (qubits - 1 - q)) & 1) << (qubits - 1 - slot) for q, slot in enumerate(layout)), states * 0
    )
    matrix = np.zeros((2**qubits, 2**qubits))
    matrix[moved, states] = 1
    return matrix


def off(found: Route, gates: list[Gate], qubits: int) -> float:
    carried = unitary(Circuit(qubits, found.gates), W, W) @ permutation(found.start)
    return same_up_to_phase(carried, permutation(found.final) @ unitary(Circuit(qubits, tuple(gates)), W, W))


def couplings(gates: tuple[Gate, ...] | list[Gate]) -> int:
    return sum(gate.kind == "CNOT" for gate in gates)


@st.composite
def on_shape(draw: st.DrawFn) -> tuple[int, list[tuple[str, tuple[int, ...]]]]:
    """Kinds and qubits of gates between neighbours of a line or ring, whose qubits are in any order."""
    qubits = draw(st.integers(2, 5))
    names = draw(st.permutations(range(qubits)))
    links = [*LINE[qubits], (qubits - 1, 0)] if draw(st.booleans()) else LINE[qubits]
    pairs = st.sampled_from([pair for a, b in links for pair in ((names[a], names[b]), (names[b], names[a]))])
    one = st.tuples(st.sampled_from(["SX", "RZ"]), st.integers(0, qubits - 1).map(lambda q: (q,)))
    return qubits, draw(st.lists(st.one_of(st.tuples(st.just("CNOT"), pairs), one), max_size=14))


def built(drawn: list[tuple[str, tuple[int, ...]]]) -> list[Gate]:
    """Outside the strategy: the type checks of these tests take random samples, which hypothesis forbids there."""
    return [Gate(kind, wires, (weight(k) + 0.2,) if kind == "RZ" else ()) for k, (kind, wires) in enumerate(drawn)]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(on_shape())
def test_any_circuit_on_a_line_or_ring_keeps_its_unitary_and_ends_where_the_route_says(drawn: tuple) -> None:
    qubits, gates = drawn[0], built(drawn[1])
    along = interaction_order(gates, qubits)
    assert along is not None
    shape, order = along
    assert sorted(order) == list(range(qubits))
    found = route(gates, LINE[qubits], start_layouts(shape, order))
    assert off(found, gates, qubits) < 1e-12
    assert all(abs(gate.qubits[0] - gate.qubits[-1]) <= 1 for gate in found.gates)
    assert found.swaps == 0 or shape == "ring"
    assert couplings(found.gates) <= couplings(gates) + 3 * found.swaps


@settings(max_examples=30, deadline=None)
@given(drawn=on_shape(), data=st.data())
def test_from_any_layout_on_any_connected_slots(drawn: tuple, data: st.DataObject) -> None:
    qubits, gates = drawn[0], built(drawn[1])
    layout = tuple(data.draw(st.permutations(range(qubits))))
    tree = {(data.draw(st.integers(0, slot - 1)), slot): 1.0 + 0.1 * slot for slot in range(1, qubits)}
    found = route(gates, tree, [layout])
    assert found.start == layout
    assert off(found, gates, qubits) < 1e-12
    coupled = {frozenset(pair) for pair in tree}
    assert all(frozenset(gate.qubits) in coupled for gate in found.gates if gate.kind == "CNOT")


@pytest.mark.parametrize(
    ("pairs", "qubits", "expected"),
    [
        ([], 1, ("line", (0,))),
        ([], 3, ("line", (0, 1, 2))),
        ([(0, 1), (1, 0)], 2, ("line", (0, 1))),
        ([(2, 0), (0, 3)], 4, ("line", (1, 2, 0, 3))),
        ([(0, 1), (1, 2), (2, 0)], 3, ("ring", (0, 1, 2))),
        ([(0, 2), (2, 1), (1, 3), (3, 0)], 4, ("ring", (0, 2, 1, 3))),
        # A ring that leaves a qubit out, two rings, and a star fit neither.
        ([(0, 1), (1, 2), (2, 0)], 4, None),
        ([(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3)], 6, None),
        ([(0, 1), (0, 2), (0, 3)], 4, None),
    ],
)
def test_shapes(pairs: list, qubits: int, expected: object) -> None:
    assert interaction_order([Gate("CNOT", pair) for pair in pairs], qubits) == expected


def test_a_folded_ring_keeps_neighbours_within_two_slots() -> None:
    layouts = start_layouts("ring", range(7))
    assert len(set(layouts)) == 14
    for folded in layouts[1::2]:
        assert max(abs(folded[q] - folded[(q + 1) % 7]) for q in range(7)) == 2


@pytest.mark.parametrize("qubits", [3, 4])
def test_rings_take_as_few_two_qubit_gates_as_an_exhaustive_search_finds(qubits: int) -> None:
    gates = reduced(strongly_entangling(qubits, 2, entangler_range=1))
    pairs = [gate.qubits for gate in gates if gate.kind == "CNOT"]
    assert couplings(route(gates, LINE[qubits], start_layouts("ring", range(qubits))).gates) == _fewest(pairs, qubits)


def _fewest(pairs: list[tuple[int, ...]], qubits: int) -> int:
    """Over every start and every sequence of SWAPs, at the prices 3 and, right behind a gate on the pair, 1."""
    edges = LINE[qubits]
    # What a state knows besides its layout: the pair each slot was last coupled in, which decides the price of a SWAP.
    costs = {(layout, (None,) * qubits): 0 for layout in itertools.permutations(range(qubits))}
    for a, b in pairs:
        queue = sorted(costs.items(), key=lambda entry: entry[1])
        while queue:
            (layout, last), cost = queue.pop(0)
            if costs[layout, last] < cost:
                continue
            for edge in edges:
                price = 1 if last[edge[0]] == last[edge[1]] == edge else 3
                swapped = tuple({edge[0]: edge[1], edge[1]: edge[0]}.get(slot, slot) for slot in layout)
                # A second SWAP of the same pair would only undo the first.
                marked = tuple(("swap", edge) if slot in edge else mark for slot, mark in enumerate(last))
                if last[edge[0]] != ("swap", edge) and cost + price < costs.get((swapped, marked), 10**9):
                    costs[swapped, marked] = cost + price
                    queue.append(((swapped, marked), cost + price))
        following: dict = {}
        for (layout, last), cost in costs.items():
            edge = tuple(sorted((layout[a], layout[b])))
            if edge in edges:
                marked = tuple(edge if slot in edge else mark for slot, mark in enumerate(last))
                following[layout, marked] = min(cost + 1, following.get((layout, marked), 10**9))
        costs = following
    return min(costs.values())


@pytest.mark.slow
def test_what_rings_cost_on_a_line() -> None:
    # Of three CNOT per SWAP most cancel: Qiskit's transpiler (2.6, level 3) needs 36, 49, 65 and 101 here.
    found = []
    for qubits in (4, 5, 6, 9):
        gates = reduced(reuploading(qubits, 3))
        found.append(couplings(route(gates, LINE[qubits], start_layouts("ring", range(qubits))).gates))
    assert found == [27, 39, 51, 87]


def test_work_moves_to_cheap_links() -> None:
    gates, layouts = reduced(reuploading(4, 3)), start_layouts("ring", range(4))
    prices = {(0, 1): 1.0, (1, 2): 5.0, (2, 3): 1.0}

    def spent(found: Route) -> float:
        return sum(prices[min(g.qubits), max(g.qubits)] for g in found.gates if g.kind == "CNOT")

    cheap, even = route(gates, prices, layouts), route(gates, LINE[4], layouts)
    assert couplings(cheap.gates) >= couplings(even.gates)
    assert spent(cheap) < 0.8 * spent(even)


def test_a_swap_behind_a_cnot_of_the_pair_passes_the_gates_on_one_qubit() -> None:
    writer = Writer(2)
    for gate in (Gate("CNOT", (1, 0)), Gate("SX", (0,)), Gate("RZ", (1,), (weight(0),))):
        writer.add(gate)
    writer.swap(0, 1)
    assert [str(gate) for gate in writer.finish()] == ["CNOT q0,q1", "CNOT q1,q0", "RZ(w0) q0", "SX q1"]
