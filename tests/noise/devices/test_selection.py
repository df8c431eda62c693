"""The chosen qubits are those an exhaustive search would choose."""

import itertools
import math
import random
import time
from dataclasses import replace

import pytest
from calibrations import calibrated

from counterspin.circuits import Circuit
from counterspin.errors import UsageError
from counterspin.noise.devices import best_subgraph, load, missing_packages

shipped = pytest.mark.skipif(bool(missing_packages()), reason="the devices extra is not installed")
GRID = [(3 * r + c, 3 * r + c + 1) for r in range(3) for c in range(2)] + [(q, q + 3) for q in range(6)]


def random_device(seed, pairs=GRID):
    draw = random.Random(seed)
    qubits = 1 + max(max(pair) for pair in pairs)
    return calibrated(
        pairs,
        {pair: draw.uniform(0.004, 0.06) for pair in pairs},
        readouts={q: (draw.uniform(0.0, 0.1), draw.uniform(0.0, 0.1)) for q in range(qubits)},
    )


def loss(snapshot, path, *, ring=False, pulses=None, links=None):
    """Expected errors of a path, written out."""
    n = len(path)
    pulses, links = pulses or [2.0] * n, links or [1.0] * n
    total = 0.0
    for position, qubit in enumerate(path):
        total -= pulses[position] * math.log(1 - snapshot.infidelity("SX", (qubit,)))
        total -= math.log(1 - sum(snapshot.qubits[qubit].readout) / 2)
    for position in range(n if ring else n - 1):
        pair = (path[position], path[(position + 1) % n])
        total -= links[position] * math.log(1 - snapshot.infidelity(*snapshot.entangler(*pair)))
    return total


def paths(snapshot, n, *, ring=False):
    edges = {frozenset(edge) for edge in snapshot.edges}
    for path in itertools.permutations(snapshot.working, n):
        steps = [*itertools.pairwise(path), (path[-1], path[0])] if ring else itertools.pairwise(path)
        if all(frozenset(step) in edges for step in steps):
            yield path


@pytest.mark.one_fast
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("n", "ring"), [(1, False), (2, False), (4, False), (6, False), (4, True), (6, True)])
def test_lines_and_rings_are_the_best(seed, n, ring):
    snapshot = random_device(seed)
    found = best_subgraph(snapshot, n, shape="ring" if ring else "line")
    best = min(loss(snapshot, path, ring=ring) for path in paths(snapshot, n, ring=ring))
    assert loss(snapshot, found, ring=ring) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [1, 3, 5])
def test_connected_sets_are_the_best(seed, n):
    snapshot = random_device(seed)
    edges = {frozenset(edge) for edge in snapshot.edges}

    def connected(chosen):
        reached, rest = {chosen[0]}, set(chosen[1:])
        while near := {q for q in rest if any(frozenset((q, r)) in edges for r in reached)}:
            reached, rest = reached | near, rest - near
        return not rest

    def errors(chosen):
        inside = [tuple(edge) for edge in edges if edge <= set(chosen)]
        each = [-math.log(1 - snapshot.infidelity(*snapshot.entangler(*pair))) for pair in inside]
        links = (n - 1) * sum(each) / len(each) if each else 0.0
        return links + sum(loss(snapshot, (qubit,)) for qubit in chosen)

    best = min(errors(chosen) for chosen in itertools.combinations(range(9), n) if connected(chosen))
    found = best_subgraph(snapshot, n, shape="any")
    assert connected(found)
    assert found == tuple(sorted(found))
    assert errors(found) == pytest.approx(best, abs=1e-12)


def test_a_circuit_decides_by_what_it_uses():
    """Its first link is used ten times: it goes to the good end of a chain, whichever way round."""
    chain = [(0, 1), (1, 2)]
    snapshot = calibrated(chain, {(0, 1): 0.02, (1, 2): 0.005})
    circuit = Circuit(3)
    for _ in range(10):
        circuit = circuit.add("CNOT", (0, 1))
    circuit = circuit.add("CNOT", (1, 2))
    assert best_subgraph(snapshot, 3, circuit=circuit) == (2, 1, 0)
    turned = calibrated(chain, {(0, 1): 0.005, (1, 2): 0.02})
    assert best_subgraph(turned, 3, circuit=circuit) == (0, 1, 2)


@pytest.mark.parametrize("seed", range(3))
def test_what_a_circuit_costs_is_written_out(seed):
    snapshot = random_device(seed)
    circuit = Circuit(4).add("RX", 0, 0.1).add("RZ", 1, 0.2).add("T", 1).add("CZ", (0, 3)).add("CRX", (1, 2), 0.3)
    circuit = circuit.add("SWAP", (2, 1))
    # A gate across three links is brought together by two SWAPs of three entanglers: 7, spread over the links.
    uses = {"pulses": [4.0, 4.0, 4.0, 2.0], "links": [7 / 3, 7 / 3 + 5, 7 / 3, 0.0]}
    found = best_subgraph(snapshot, 4, circuit=circuit)
    assert loss(snapshot, found, **uses) == pytest.approx(min(loss(snapshot, p, **uses) for p in paths(snapshot, 4)))
    # On a ring the first and the last are neighbours.
    uses = {"pulses": [4.0, 4.0, 4.0, 2.0], "links": [0.0, 5.0, 0.0, 1.0]}
    found = best_subgraph(snapshot, 4, shape="ring", circuit=circuit)
    best = min(loss(snapshot, p, ring=True, **uses) for p in paths(snapshot, 4, ring=True))
    assert loss(snapshot, found, ring=True, **uses) == pytest.approx(best)


def test_broken_links_are_avoided():
    snapshot = calibrated([(0, 1), (1, 2), (2, 3), (3, 0)], {(0, 1): 1.0})
    assert best_subgraph(snapshot, 4) == (0, 3, 2, 1)
    with pytest.raises(UsageError, match=r"no ring of 4 working qubits \(it has no ring at all\)"):
        best_subgraph(snapshot, 4, shape="ring")


def test_relaxation_beyond_the_calibrated_error_counts():
    """Of two pairs with one calibrated error, the one whose qubits keep their state is taken."""
    snapshot = calibrated([(0, 1), (2, 3)], {(0, 1): 1e-3, (2, 3): 1e-3})
    weak = tuple(replace(q, t1=2e-6, t2=2e-6) if index < 2 else q for index, q in enumerate(snapshot.qubits))
    assert best_subgraph(replace(snapshot, qubits=weak), 2) == (2, 3)
    assert best_subgraph(snapshot, 2) == (0, 1)


@pytest.mark.parametrize(
    ("n", "options", "message"),
    [
        (5, {}, "5 qubits are asked for and toy has 4; take a smaller model or a larger device"),
        (0, {}, "0 qubits are to be chosen; choose at least 1"),
        (2, {"shape": "star"}, "shape is 'star'; allowed: line, ring, any"),
        (2, {"circuit": Circuit(3)}, "the circuit has 3 qubits and 2 are to be chosen"),
        (3, {"shape": "any"}, "3 qubits are asked for and only 2 working qubits of toy hang together"),
        (2, {"shape": "ring"}, r"no ring of 2 working qubits \(it has no ring at all\)"),
    ],
)
def test_refusals(n, options, message):
    with pytest.raises(UsageError, match=message):
        best_subgraph(calibrated([(0, 1), (2, 3)]), n, **options)


def test_a_star_has_no_line_of_all_its_qubits():
    star = calibrated([(0, 1), (0, 2), (0, 3)])
    with pytest.raises(UsageError, match="no line of 4 working qubits was found on toy; take the shape any"):
        best_subgraph(star, 4)
    assert best_subgraph(star, 4, shape="any") == (0, 1, 2, 3)


@shipped
def test_heavy_hexagons_have_rings_of_twelve():
    fez = load("ibm:fez")
    with pytest.raises(UsageError, match=r"ibm:fez has no ring of 4 working qubits \(its smallest ring has 12\)"):
        best_subgraph(fez, 4, shape="ring")
    assert len(best_subgraph(fez, 12, shape="ring")) == 12


@pytest.mark.one_fast
@shipped
@pytest.mark.parametrize("name", ["ibm:fez", "ibm:nighthawk", "google:willow_pink"])
@pytest.mark.parametrize(("n", "shape"), [(8, "line"), (12, "line"), (12, "ring"), (12, "any")])
def test_large_devices_are_fast_and_deterministic(name, n, shape):
    snapshot = load(name)
    assert snapshot.neighbours
    start = time.process_time()
    found = best_subgraph(snapshot, n, shape=shape)
    # The suite runs under a type checker, which takes most of this time.
    assert time.process_time() - start < (0.5 if name == "ibm:fez" else 1.0)
    assert set(found) <= set(snapshot.working)
    assert len(set(found)) == n
    if shape != "any":
        for a, b in itertools.pairwise((*found, found[0]) if shape == "ring" else found):
            assert b in snapshot.neighbours[a]
    assert best_subgraph(snapshot, n, shape=shape) == found
