"""Fused steps and passes compute what the steps one by one compute, in as few passes as they should."""

import numpy as np
import pytest
from placed_channels import places
from random_circuits import random_circuit

from counterspin.circuits import Circuit, feature, weight
from counterspin.noise import after_every_gate
from counterspin.noise.channels import amplitude_damping, depolarizing, thermal_relaxation
from counterspin.simulation.transfer.factoring import Additions, factored
from counterspin.simulation.transfer.fusion import Run, fuse, is_monomial
from counterspin.simulation.transfer.primitives import AXES, Constant, Turn, primitives
from counterspin.simulation.transfer.reads import Reads
from counterspin.simulation.transfer.schedule import TILE_QUBITS, offsets, schedule
from counterspin.simulation.transfer.trimming import trimmed


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


def added(additions, vector, tile, count):
    # The entries of a tile as rows, once for each of the other digits.
    rest = [q for q in range(count) if q not in tile]
    moved = vector.reshape((4,) * count).transpose(*tile, *rest).reshape(4 ** len(tile), -1).copy()
    for target, source, factor in zip(additions.targets, additions.sources, additions.factors, strict=True):
        moved[target] += factor * moved[source]
    return moved.reshape((4,) * count).transpose(np.argsort([*tile, *rest])).ravel()


def evolved(ops, vector, count, value, tile=()):
    for op in ops:
        if isinstance(op, Additions):
            vector = added(op, vector, tile, count)
        elif isinstance(op, Turn):
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
        assert all(set(op.qubits) <= set(step.tile) for op in step.ops if not isinstance(op, Additions))
        found = evolved(step.ops, step.index.scale * found[step.index.source], qubits, value, step.tile)
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
    passes, _ = schedule(ops, 4)
    assert [type(op).__name__ for step in passes for op in step.ops] == ["Run"] * 4 + ["Additions"]


def rebuilt(found, size):
    assert found is not None
    matrix = np.zeros((size, size))
    matrix[np.arange(size), found.source] = found.scale
    own = found.additions
    for target, source, factor in zip(own.targets, own.sources, own.factors, strict=True):
        matrix[target] += factor * matrix[source]
    return matrix


def test_relaxation_behind_a_gate_is_monomial_but_for_few_additions():
    damped = thermal_relaxation(100e-6, 80e-6, 1e-6).transfer.numpy()
    gate = primitives(Circuit(2).add("CNOT", (0, 1)), ()).steps[0]
    assert isinstance(gate, Constant)
    map_ = np.where(np.abs(np.kron(damped, damped)) < 1e-14, 0, np.kron(damped, damped)) @ gate.transfer
    found = factored(map_, (0, 1))
    assert found is not None
    assert len(found.additions.targets) == 25 - 16
    assert np.allclose(rebuilt(found, 16), map_, rtol=0, atol=1e-15)


@pytest.mark.parametrize("seed", range(5))
def test_factors_of_triangular_maps_in_disguise(seed):
    rng = np.random.default_rng(seed)
    lower = np.tril(rng.normal(size=(16, 16)) * (rng.random((16, 16)) < 0.3), -1) + np.diag(rng.uniform(0.5, 1, 16))
    map_ = lower[rng.permutation(16)][:, rng.permutation(16)]
    assert np.allclose(rebuilt(factored(map_, (0, 1)), 16), map_, rtol=0, atol=1e-12)


def test_maps_without_factors():
    dense = np.random.default_rng(0).normal(size=(4, 4))
    reset = np.zeros((4, 4))
    reset[[0, 3], 0] = 1
    nearly_reset = reset + np.diag([0, 1e-9, 1e-9, 1e-9])
    assert factored(dense, (0,)) is None
    assert factored(reset, (0,)) is None
    assert factored(nearly_reset, (0,)) is not None
    assert factored(np.array([[1, 0], [0, 1e-9]]) @ np.array([[1, 0], [1, 1]]), (0,)) is not None
    assert factored(np.array([[1e-9, 0], [1.0, 1]]), (0,)) is None


@pytest.mark.parametrize("seed", range(6))
def test_trimmed_passes_read_nothing_else(seed):
    # Whatever lies in the entries that are not wanted, the values are the same.
    rng, qubits = np.random.default_rng(seed), 3
    circuit = random_circuit(rng, qubits)
    ops = fuse(primitives(circuit, places(rng, circuit, 6)).steps)
    passes, last = schedule(ops, qubits, tile=2)
    wanted = rng.choice(64, size=2, replace=False)
    reads = Reads(np.arange(3), last.source[wanted], last.scale[wanted])
    kept, value = trimmed(passes, reads, qubits), value_of(rng)
    vector = rng.normal(size=64)
    expected = vector
    for step in passes:
        expected = evolved(step.ops, step.index.scale * expected[step.index.source], qubits, value, step.tile)
    found = vector
    for step, own in zip(passes, kept, strict=True):
        start, found = step.index.scale * found[step.index.source], 1e3 * rng.normal(size=64)
        for base in own.bases:
            tile = start[base + own.entries]
            for (op, rest), strides in zip(own.ops, own.strides, strict=True):
                if isinstance(op, Additions):
                    tile = added(op, tile, tuple(range(len(step.tile))), len(step.tile))
                    continue
                own_op = (
                    Run((0,), op.elements) if isinstance(op, Run) else Constant(tuple(range(len(strides))), op.transfer)
                )
                matrix = np.stack([evolved([own_op], e, len(strides), value) for e in np.eye(4 ** len(strides))], 1)
                local = offsets(strides)
                for place in rest:
                    tile[place + local] = matrix @ tile[place + local]
            found[base + own.entries] = tile
    assert np.allclose(found[reads.indices], expected[reads.indices], rtol=0, atol=1e-12)
