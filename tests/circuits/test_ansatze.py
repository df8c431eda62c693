"""Ansätze: their gates, weights and layers."""

import pytest

from counterspin.circuits import Circuit, brick, hardware_efficient, strongly_entangling
from counterspin.errors import UsageError


def pairs(circuit: Circuit, kind: str) -> list[tuple[int, ...]]:
    return [gate.qubits for gate in circuit.gates if gate.kind == kind]


def every_weight_once(circuit: Circuit) -> bool:
    used = [w for gate in circuit.gates for angle in gate.angles for w in sorted(angle.weights)]
    return used == list(range(circuit.weights))


def test_strongly_entangling_ranges_grow_and_wrap() -> None:
    circuit = strongly_entangling(4, 4)
    reach = [(b - a) % 4 for a, b in pairs(circuit, "CNOT")]
    assert reach == [1] * 4 + [2] * 4 + [3] * 4 + [1] * 4
    assert (circuit.weights, circuit.layers) == (48, (8, 16, 24, 32))
    assert every_weight_once(circuit)


def test_strongly_entangling_with_one_range_and_with_one_qubit() -> None:
    circuit = strongly_entangling(3, 2, entangler_range=2)
    assert pairs(circuit, "CNOT") == [(0, 2), (1, 0), (2, 1)] * 2
    assert [gate.kind for gate in strongly_entangling(1, 2).gates] == ["Rot", "Rot"]


def test_hardware_efficient_is_a_line() -> None:
    circuit = hardware_efficient(3, 2)
    assert pairs(circuit, "CZ") == [(0, 1), (1, 2)] * 2
    assert (circuit.weights, len(circuit.layers)) == (12, 2)
    assert every_weight_once(circuit)


def test_brick_alternates_pairs() -> None:
    circuit = brick(5, 2)
    assert pairs(circuit, "RZZ") == [(0, 1), (2, 3), (1, 2), (3, 4)]
    assert circuit.weights == 2 * 10 + 4
    assert every_weight_once(circuit)


@pytest.mark.parametrize("entangler_range", [0, 3, -1])
def test_wrong_ranges_are_refused(entangler_range: int) -> None:
    with pytest.raises(UsageError, match=f"entangler_range is {entangler_range}; allowed: 1 to 2"):
        strongly_entangling(3, 1, entangler_range=entangler_range)
