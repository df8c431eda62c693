"""Random circuits that use every gate, for tests of the engine."""

import numpy as np

from counterspin.circuits import GATES, Amplitudes, Angle, Circuit, OutcomeGroups, PauliExpectations, feature, weight

__all__ = ["random_circuit", "random_groups", "random_paulis"]


def random_circuit(
    rng: np.random.Generator,
    qubits: int,
    *,
    amplitudes: Amplitudes | None = None,
    inputs: int = 3,
    weights: int = 4,
    extra: int = 8,
    uploads: bool = True,
) -> Circuit:
    """Every gate that fits the qubits once and `extra` more, in random order, with a layer end in the middle.

    Angles are constants, weights, inputs, and mixed expressions `c + a·x_i·w_j + b·x_k`; inputs occur again and again.
    """
    fitting = [kind for kind in GATES.values() if kind.qubits <= qubits]
    chosen = [*fitting, *rng.choice(np.array(fitting, dtype=object), extra)]
    rng.shuffle(chosen)
    circuit = Circuit(qubits, amplitudes=amplitudes)
    for position, kind in enumerate(chosen):
        size = kind.qubits or int(rng.integers(1, qubits + 1))
        wires = tuple(int(q) for q in rng.permutation(qubits)[:size])
        circuit = circuit.add(kind.name, wires, *(_angle(rng, inputs, weights, uploads) for _ in range(kind.angles)))
        if position == len(chosen) // 2:
            circuit = circuit.end_layer()
    # The last ones make the numbers of inputs and weights certain.
    last = feature(inputs - 1) * weight(weights - 1) if uploads else 0.5 * weight(weights - 1)
    return circuit.add("RY", 0, last).add("Rot", qubits - 1, 0.3, weight(0), 0.1)


def _angle(rng: np.random.Generator, inputs: int, weights: int, uploads: bool) -> Angle:
    constant = Angle(float(rng.normal()))
    w, x = weight(int(rng.integers(weights))), feature(int(rng.integers(inputs)))
    options = [constant, constant + float(rng.normal()) * w]
    if uploads:
        y = feature(int(rng.integers(inputs)))
        options += [float(rng.normal()) * x, constant + 1.3 * x * w - 0.7 * y, w + x]
    return options[int(rng.integers(len(options)))]


def random_paulis(rng: np.random.Generator, qubits: int, count: int = 4) -> PauliExpectations:
    """Random Pauli strings."""
    strings = []
    for _ in range(count):
        wires = sorted(int(q) for q in rng.permutation(qubits)[: int(rng.integers(1, qubits + 1))])
        strings.append(tuple((q, str(rng.choice(["X", "Y", "Z"]))) for q in wires))
    return PauliExpectations(tuple(strings))


def random_groups(rng: np.random.Generator, qubits: int) -> OutcomeGroups:
    """Two groups of random outcomes of random qubits in random order; one outcome is left out where there are many."""
    measured = tuple(int(q) for q in rng.permutation(qubits)[: int(rng.integers(1, qubits + 1))])
    outcomes = [int(o) for o in rng.permutation(2 ** len(measured))]
    cut = len(outcomes) // 2
    return OutcomeGroups(measured, (tuple(outcomes[:cut]), tuple(outcomes[cut : max(cut + 1, len(outcomes) - 1)])))
