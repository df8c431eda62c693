"""Pruned circuits compute what the old ones do with their angles at full turns."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_circuits import random_circuit

from counterspin.circuits import Circuit, PauliExpectations, Readout, feature, reuploading, strongly_entangling
from counterspin.circuits.angles import weight
from counterspin.defenses.training.pruned_circuit import prunable, pruned, turns
from counterspin.simulation import run


def values(circuit, x, w):
    strings = PauliExpectations.of(*(f"{p}{q}" for p in "XYZ" for q in range(circuit.qubits)))
    return run(circuit, x, w, Readout(strings))


def check_same_values(circuit, gone, x, weights):
    """The pruned circuit with the weights that are left against the whole one with the others at a full turn."""
    snapped = weights.clone()
    for gate in circuit.gates:
        for angle in gate.angles:
            for term in angle.terms:
                if term.weight in gone:
                    snapped[term.weight] = (2 * math.pi - angle.constant) / term.coefficient
    small = pruned(circuit, gone)
    expected = values(circuit, x, snapped)
    torch.testing.assert_close(values(small.circuit, x, small.values(weights)), expected, atol=1e-12, rtol=0)
    return small


@given(seed=st.integers(0, 10**6), share=st.floats(0, 1))
@settings(max_examples=25, deadline=None)
def test_values_are_those_at_full_turns(seed, share):
    rng = np.random.default_rng(seed)
    circuit = reuploading(3, 2) if seed % 2 else random_circuit(rng, 3, inputs=3, weights=6, extra=8)
    candidates = list(prunable(circuit))
    rng.shuffle(candidates)
    gone = candidates[: round(share * len(candidates))]
    x = torch.as_tensor(rng.normal(size=(3, circuit.inputs)))
    small = check_same_values(circuit, gone, x, torch.as_tensor(rng.normal(size=circuit.weights)))
    assert small.circuit.weights == len(small.kept) <= circuit.weights - len(gone) - len(small.merged)
    assert len(small.circuit.gates) <= len(circuit.gates)


@pytest.mark.parametrize("kind", ["RX", "RY", "RZ", "P", "CP", "RXX", "RYY", "RZZ"])
def test_rotations_of_one_angle_leave(kind):
    wires = (0, 1) if kind in ("CP", "RXX", "RYY", "RZZ") else 0
    circuit = Circuit(2).add("H", 0).add("H", 1).add(kind, wires, 0.5 + 2.0 * weight(0)).add("RY", 1, feature(0))
    small = check_same_values(circuit, [0], torch.ones(1, 1).double(), torch.tensor([0.3]).double())
    assert [gate.kind for gate in small.circuit.gates] == ["H", "H", "RY"]


@pytest.mark.parametrize("kind", ["Rot", "U3"])
@pytest.mark.parametrize(
    ("gone", "left"),
    [((0, 1, 2), []), ((1,), ["merged", "Rot"]), ((0, 2), ["RY", "Rot"]), ((0,), ["whole"])],
    ids=["all", "middle", "outer", "first"],
)
def test_general_rotations_shrink_to_what_is_left(kind, gone, left):
    order = {"Rot": (0, 1, 2), "U3": (1, 0, 2)}[kind]  # weight 1 is the middle angle
    circuit = Circuit(1).add("H", 0).add(kind, 0, *(weight(k) for k in order)).add("RY", 0, feature(0))
    small = check_same_values(circuit, list(gone), torch.ones(1, 1).double(), torch.tensor([0.3, 0.7, -1.1]).double())
    kinds = [gate.kind for gate in small.circuit.gates[1:-1]]
    names = {"merged": {"Rot": "RZ", "U3": "P"}[kind], "whole": kind, "RY": "RY"}
    assert kinds == [names[word] for word in left if word in names]


def test_two_turns_about_one_axis_become_one_weight():
    circuit = Circuit(1).add("H", 0).add("Rot", 0, 2.0 * weight(0) + 0.1, weight(1), 3.0 * weight(2))
    small = check_same_values(circuit, [1], torch.zeros(1, 0).double(), torch.tensor([0.3, 0.7, -1.1]).double())
    assert small.kept == (0,)
    assert str(small.circuit.gates[1]) == "RZ(0.1 + 2·w0) q0"
    assert small.values(torch.tensor([0.3, 0.7, -1.1])).tolist() == pytest.approx([0.3 - 1.65])


def test_gates_that_meet_cancel_and_layers_keep_their_gates():
    circuit = (
        Circuit(2).add("CNOT", (0, 1)).add("RZ", 1, weight(0)).end_layer().add("CNOT", (0, 1)).add("RY", 0, weight(1))
    ).end_layer()
    small = check_same_values(circuit, [0], torch.zeros(1, 0).double(), torch.tensor([0.4, 0.9]).double())
    assert [gate.kind for gate in small.circuit.gates] == ["RY"]
    assert small.circuit.layers == (0, 1)
    turned = Circuit(2).add("CNOT", (0, 1)).add("RZ", 1, weight(0)).add("CNOT", (1, 0))
    assert len(pruned(turned, [0]).circuit.gates) == 2
    swapped = Circuit(2).add("CZ", (0, 1)).add("RZ", 1, weight(0)).add("CZ", (1, 0))
    assert len(pruned(swapped, [0]).circuit.gates) == 0


def test_shared_weights_inputs_and_controlled_rotations_stay():
    circuit = (
        Circuit(2)
        .add("RY", 0, weight(0))
        .add("RY", 1, weight(0))
        .add("RX", 0, feature(0) * weight(1))
        .add("CRX", (0, 1), weight(2))
        .add("RZ", 0, weight(3) + feature(0))
        .add("RZ", 1, weight(4))
    )
    assert prunable(circuit) == (4,)
    assert turns(circuit, torch.tensor([0.0, 0.0, 0.0, 0.0, 3 * math.pi], dtype=torch.float64)) == {
        4: pytest.approx(math.pi)
    }
    assert len(prunable(strongly_entangling(3, 2))) == 18


@given(angle=st.floats(-50, 50))
def test_distance_to_a_full_turn(angle):
    circuit = Circuit(1).add("RY", 0, weight(0))
    distance = turns(circuit, torch.tensor([angle], dtype=torch.float64))[0]
    assert 0 <= distance <= math.pi + 1e-12
    assert math.cos(distance) == pytest.approx(math.cos(angle), abs=1e-9)
