"""Compiling a circuit to a program, once per circuit."""

from collections import Counter
from functools import lru_cache

import numpy as np

from counterspin.circuits import GATES, Angle, Circuit, Gate
from counterspin.simulation.program import (
    AngleTable,
    Diagonal,
    GateGroup,
    LayerEnd,
    Local,
    LocalStack,
    Matrix,
    Pass,
    Permutation,
    Program,
)

__all__ = ["compile_circuit"]


@lru_cache(maxsize=256)
def compile_circuit(circuit: Circuit) -> Program:
    """The program of a circuit; compiled once per circuit.

    Example:
        >>> from counterspin.circuits import Circuit
        >>> program = compile_circuit(Circuit(2).add("H", 0).add("CNOT", (0, 1)).add("X", 1))
        >>> [type(p).__name__ for p in program.passes]
        ['Local', 'Permutation']
    """
    table = _angle_table(circuit)
    addresses = np.split(table.address, np.cumsum([len(gate.angles) for gate in circuit.gates]))[:-1]
    groups = _groups(circuit, addresses)
    slots = {gate: (g, row) for g, group in enumerate(groups) for row, gate in enumerate(group.gates)}
    layer_ends = Counter(circuit.layers)
    passes: list[Pass] = [LayerEnd()] * layer_ends[0]
    for index, gate in enumerate(circuit.gates):
        kind = GATES[gate.kind]
        if kind.permutation and not (gate.kind == "X" and passes and isinstance(passes[-1], Local)):
            _add_permutation(passes, _source(gate, circuit.qubits))
        elif kind.qubits == 1:
            _add_local(passes, index, gate.qubits[0], circuit.qubits)
        elif kind.diagonal:
            _add_diagonal(passes, gate, addresses[index], circuit.qubits)
        else:
            passes.append(Matrix(gate.qubits, *slots[index]))
        passes += [LayerEnd()] * layer_ends[index + 1]
    return Program(circuit, table, groups, _stacks(passes, groups, circuit.qubits), tuple(passes))


def _angle_table(circuit: Circuit) -> AngleTable:
    angles = [a for gate in circuit.gates for a in gate.angles]
    terms = [(position, t) for position, a in enumerate(angles) if isinstance(a, Angle) for t in a.terms]
    per_sample = np.array([not isinstance(a, Angle) or bool(a.inputs) for a in angles], dtype=bool)
    return AngleTable(
        constants=np.array([a.constant if isinstance(a, Angle) else 0.0 for a in angles], dtype=np.float64),
        target=np.array([position for position, _ in terms], dtype=np.int64),
        coefficient=np.array([t.coefficient for _, t in terms], dtype=np.float64),
        input=np.array([-1 if t.input is None else t.input for _, t in terms], dtype=np.int64),
        weight=np.array([-1 if t.weight is None else t.weight for _, t in terms], dtype=np.int64),
        given=tuple(i for i, a in enumerate(angles) if not isinstance(a, Angle)),
        address=np.where(per_sample, ~(per_sample.cumsum() - 1), np.arange(len(angles))).astype(np.int64),
    )


def _groups(circuit: Circuit, addresses: list[np.ndarray]) -> tuple[GateGroup, ...]:
    members: dict[tuple[str, bool], list[int]] = {}
    for index, gate in enumerate(circuit.gates):
        if GATES[gate.kind].qubits == 1 or not (GATES[gate.kind].diagonal or GATES[gate.kind].permutation):
            members.setdefault((gate.kind, bool((addresses[index] < 0).any())), []).append(index)
    return tuple(
        GateGroup(kind, tuple(gates), np.stack([addresses[g] for g in gates]), per_sample)
        for (kind, per_sample), gates in members.items()
    )


def _stacks(passes: list[Pass], groups: tuple[GateGroup, ...], qubits: int) -> tuple[LocalStack, ...]:
    # Addresses in the order in which the engine lays the matrices out: shared ones after the identity, per-sample ones.
    address: dict[int, int] = {}
    counts = {False: 1, True: 0}
    for group in groups:
        if GATES[group.kind].qubits == 1:
            for gate in group.gates:
                address[gate] = ~counts[True] if group.per_sample else counts[False]
                counts[group.per_sample] += 1
    stacks = []
    for per_sample in (False, True):
        chosen = {
            position: step.gates
            for position, step in enumerate(passes)
            if isinstance(step, Local) and any(address[g] < 0 for gates in step.gates for g in gates) == per_sample
        }
        if chosen:
            longest = max(len(gates) for lists in chosen.values() for gates in lists)
            table = np.zeros((longest, len(chosen), qubits), dtype=np.int64)
            for row, lists in enumerate(chosen.values()):
                for qubit, gates in enumerate(lists):
                    table[: len(gates), row, qubit] = [address[g] for g in gates]
            stacks.append(LocalStack(tuple(chosen), table))
    return tuple(stacks)


def _add_local(passes: list[Pass], index: int, qubit: int, qubits: int) -> None:
    last = passes[-1] if passes else None
    lists = last.gates if isinstance(last, Local) else ((),) * qubits
    merged = Local(tuple((*gates, index) if q == qubit else gates for q, gates in enumerate(lists)))
    if isinstance(last, Local):
        passes[-1] = merged
    else:
        passes.append(merged)


def _add_permutation(passes: list[Pass], source: np.ndarray) -> None:
    last = passes[-1] if passes else None
    if isinstance(last, Permutation):
        passes[-1] = Permutation(last.source[source])
    else:
        passes.append(Permutation(source))


def _add_diagonal(passes: list[Pass], gate: Gate, angles: np.ndarray, qubits: int) -> None:
    signs, generators = _phases(gate, qubits)
    last = passes[-1] if passes else None
    if isinstance(last, Diagonal):
        passes[-1] = Diagonal(
            last.signs * signs,
            np.concatenate([last.angles, angles]),
            np.concatenate([last.generators, generators]),
        )
    else:
        passes.append(Diagonal(signs, angles, generators))


def _bits(qubit: int, qubits: int) -> np.ndarray:
    return (np.arange(2**qubits) >> (qubits - 1 - qubit)) & 1


def _source(gate: Gate, qubits: int) -> np.ndarray:
    # X, CNOT and SWAP are their own inverses, so "where a basis state comes from" is where it goes.
    states = np.arange(2**qubits)
    if gate.kind == "SWAP":
        a, b = gate.qubits
        differ = _bits(a, qubits) ^ _bits(b, qubits)
        return states ^ (differ << (qubits - 1 - a)) ^ (differ << (qubits - 1 - b))
    flip = 1 << (qubits - 1 - gate.qubits[-1])
    return states ^ (flip * _bits(gate.qubits[0], qubits)) if gate.kind == "CNOT" else states ^ flip


def _phases(gate: Gate, qubits: int) -> tuple[np.ndarray, np.ndarray]:
    """Signs `(2**qubits,)` and generators `(angles, 2**qubits)` of a diagonal gate on several qubits."""
    all_ones = np.prod([_bits(q, qubits) for q in gate.qubits], axis=0)
    first, last = _bits(gate.qubits[0], qubits), _bits(gate.qubits[-1], qubits)
    match gate.kind:
        case "RZZ":
            generator = -0.5 * (1.0 - 2.0 * first) * (1.0 - 2.0 * last)
        case "CRZ":
            generator = -0.5 * first * (1.0 - 2.0 * last)
        case "CP":
            generator = all_ones.astype(np.float64)
        case _:  # CZ, MCZ
            return 1.0 - 2.0 * all_ones, np.zeros((0, 2**qubits))
    return np.ones(2**qubits), generator[None]
