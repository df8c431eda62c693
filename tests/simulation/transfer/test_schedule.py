"""Fused steps and passes compute what the steps one by one compute, in as few passes as they should."""

import numpy as np
import pytest
from placed_channels import places
from random_circuits import random_circuit

from counterspin.circuits import Circuit, feature, weight
from counterspin.noise import after_every_gate
from counterspin.noise.channels import amplitude_damping, depolarizing
from counterspin.simulation.transfer.fusion import Run, fuse, is_monomial
from counterspin.simulation.transfer.primitives import AXES, Constant, Turn, primitives
from counterspin.simulation.transfer.schedule import TILE_QUBITS, schedule


def rotation(turn, value):
    """A turn as a matrix, its angle an expression of one input and four weights."""
    axis, found = AXES.index(turn.axis), np.eye(4)
    a, b = 1 + (axis + 1) % 3, 1 + (axis + 2) % 3
    angle = value(turn.angle)
    found[[a, b], [a, b]], found[b, a], found[a, b] = np.cos(angle), np.sin(angle), -np.sin(angle)
    return found


def applied(vector, matrix, qubits, count):
    axes = list(qubits)
    moved = np.moveaxis(vector.reshape((4,) * count), axes, range(len(axes)))
    found = (matrix @ moved.reshape(4 ** len(axes), -1)).reshape(moved.shape)
    return np.moveaxis(found, range(len(axes)), axes).ravel()


def evolved(ops, vector, count, value):
    for op in ops:
        if isinstance(op, Turn):
            vector = applied(vector, rotation(op, value), (op.qubit,), count)
        elif isinstance(op, Run):
            for e in op.elements:
                vector = applied(vector, rotation(e, value) if isinstance(e, Turn) else e, op.qubits, count)
        else:
            vector = applied(vector, op.transfer, op.qubits, count)
    return vector


def value_of(rng):
    numbers = rng.normal(size=8)

    def value(angle):
        factors = ((numbers[t.input] if t.input is not None else 1, t) for t in angle.terms)
        return angle.constant + sum(
            t.coefficient * x * (numbers[3 + t.weight] if t.weight is not None else 1) for x, t in factors
        )

    return value


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("qubits", [1, 2, 4])
def test_fused_and_scheduled_steps_compute_the_same(qubits, seed):
    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, qubits)
    steps = primitives(circuit, places(rng, circuit, 10)).steps
    vector, value = rng.normal(size=4**qubits), value_of(rng)
    expected = evolved(steps, vector, qubits, value)
    ops = fuse(steps)
    assert np.allclose(evolved(ops, vector, qubits, value), expected, rtol=0, atol=1e-12)
    passes, last = schedule(ops, qubits, tile=max(2, qubits - 1))
    found = vector
    for step in passes:
        assert len(step.tile) <= max(2, qubits - 1)
        assert all(set(op.qubits) <= set(step.tile) for op in step.ops)
        found = evolved(step.ops, step.index.scale * found[step.index.source], qubits, value)
    assert np.allclose(last.scale * found[last.source], expected, rtol=0, atol=1e-12)


def layers(qubits, count):
    circuit = Circuit(qubits)
    for layer in range(count):
        for q in range(qubits):
            circuit = circuit.add("RY", q, feature(q)).add("Rot", q, weight(0), weight(1), weight(2) * (layer + 1))
        for q in range(qubits):
            circuit = circuit.add("CNOT", (q, (q + 1) % qubits))
    return circuit


@pytest.mark.parametrize("qubits", [2, 4, 6, 8])
def test_pauli_noise_costs_no_pass(qubits):
    circuit = layers(qubits, 3)
    for channels in ((), after_every_gate(circuit, depolarizing(0.01))):
        ops = fuse(primitives(circuit, channels).steps)
        assert sum(isinstance(op, Run) for op in ops) == 3 * qubits
        assert all(is_monomial(op.transfer) for op in ops if isinstance(op, Constant))
        passes, _ = schedule(ops, qubits)
        assert len(passes) <= 3 * -(-qubits // TILE_QUBITS)


def test_damping_between_gates_is_multiplied_into_the_gate_before_it():
    circuit = layers(4, 1)
    ops = fuse(primitives(circuit, after_every_gate(circuit, amplitude_damping(0.1))).steps)
    assert [type(op).__name__ for op in ops] == ["Run"] * 4 + ["Constant"] * 4
    assert all(op.shifts for op in ops if isinstance(op, Run))
    assert not any(is_monomial(op.transfer) for op in ops if isinstance(op, Constant))
    assert len(schedule(ops, 4)[0]) == 1
