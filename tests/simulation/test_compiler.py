"""What a circuit compiles to."""

import numpy as np
import torch

from counterspin.circuits import Circuit, feature, weight
from counterspin.simulation.angles import angle_values, pick
from counterspin.simulation.compiler import compile_circuit
from counterspin.simulation.program import Diagonal, LayerEnd, Local, Matrix, Permutation


def kinds(circuit: Circuit) -> list[type]:
    return [type(step) for step in compile_circuit(circuit).passes]


def test_runs_of_single_qubit_gates_are_one_pass() -> None:
    circuit = Circuit(2).add("H", 0).add("RX", 1, 0.1).add("S", 0).add("X", 0)
    (step,) = compile_circuit(circuit).passes
    assert isinstance(step, Local)
    assert step.gates == ((0, 2, 3), (1,))


def test_permutations_become_one_index_table() -> None:
    circuit = Circuit(2).add("CNOT", (0, 1)).add("SWAP", (0, 1)).add("X", 1)
    (step,) = compile_circuit(circuit).passes
    assert isinstance(step, Permutation)
    state = np.arange(4)
    for source in ([0, 1, 3, 2], [0, 2, 1, 3], [1, 0, 3, 2]):
        state = state[source]
    assert step.source.tolist() == state.tolist()


def test_diagonal_gates_become_one_phase() -> None:
    circuit = (
        Circuit(3).add("CZ", (0, 1)).add("RZZ", (1, 2), weight(0)).add("CP", (2, 0), feature(0)).add("MCZ", (0, 1, 2))
    )
    (step,) = compile_circuit(circuit).passes
    assert isinstance(step, Diagonal)
    assert step.signs.tolist() == [1, 1, 1, 1, 1, 1, -1, 1]
    assert step.generators.tolist() == [[-0.5, 0.5, 0.5, -0.5] * 2, [0, 0, 0, 0, 0, 1, 0, 1]]
    assert step.angles.tolist() == [0, ~0]


def test_layer_ends_keep_passes_apart() -> None:
    circuit = Circuit(1).end_layer().add("H", 0).end_layer().end_layer().add("H", 0)
    assert kinds(circuit) == [LayerEnd, Local, LayerEnd, LayerEnd, Local]


def test_what_is_neither_goes_as_a_matrix() -> None:
    assert kinds(Circuit(2).add("RXX", (0, 1), 0.2).add("CRX", (1, 0), 0.3)) == [Matrix, Matrix]


def test_a_program_is_compiled_once_for_equal_circuits() -> None:
    first, second = (Circuit(2).add("RX", 0, feature(0)).add("CNOT", (0, 1)) for _ in range(2))
    assert compile_circuit(first) is compile_circuit(second)


def test_angles_are_the_affine_expressions() -> None:
    circuit = Circuit(1).add("Rot", 0, 0.5 + feature(0) * weight(1), weight(0) - 1.0, 2.0 * feature(1) + weight(0))
    circuit = circuit.add("RX", 0, 0.25)
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    values = angle_values(compile_circuit(circuit), x, torch.tensor([10.0, 20.0]))
    assert values.shared.tolist() == [0.5, 9.0, 0.0, 0.25]
    assert values.per_sample.tolist() == [[20.5, 14.0], [60.5, 18.0]]
    table = compile_circuit(circuit).angles
    assert values.at(table.address).tolist() == [[20.5, 9.0, 14.0, 0.25], [60.5, 9.0, 18.0, 0.25]]


def test_pick_follows_addresses() -> None:
    shared, own = torch.tensor([1.0, 2.0]), torch.tensor([[3.0], [4.0]])
    assert pick(shared, own, np.array([1, 0, 1])).tolist() == [2.0, 1.0, 2.0]
    assert pick(shared, own, np.array([[~0]])).tolist() == [[[3.0]], [[4.0]]]
    assert pick(shared, own, np.array([0, ~0])).tolist() == [[1.0, 3.0], [1.0, 4.0]]
    assert pick(shared, own, np.zeros((2, 0), dtype=np.int64)).shape == (2, 0)
