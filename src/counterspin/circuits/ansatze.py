"""Ansätze: trainable blocks of gates."""

from counterspin.circuits.angles import weight
from counterspin.circuits.circuit import Circuit
from counterspin.errors import UsageError

__all__ = ["brick", "hardware_efficient", "strongly_entangling"]


def strongly_entangling(qubits: int, layers: int, *, entangler_range: int | None = None) -> Circuit:
    """Rot on every qubit, then a ring of CNOTs (Schuld et al., arXiv:1804.00633).

    Args:
        qubits: number of qubits.
        layers: number of layers.
        entangler_range: distance from control to target; None: 1, 2, … in turn, layer by layer.

    Example:
        >>> strongly_entangling(3, 2).weights
        18
    """
    if entangler_range is not None and not 1 <= entangler_range < max(qubits, 2):
        raise UsageError(f"entangler_range is {entangler_range}; allowed: 1 to {qubits - 1}.")
    circuit = Circuit(qubits)
    for layer in range(layers):
        for qubit in range(qubits):
            first = 3 * (layer * qubits + qubit)
            circuit = circuit.add("Rot", qubit, weight(first), weight(first + 1), weight(first + 2))
        if qubits > 1:
            reach = entangler_range or layer % (qubits - 1) + 1
            for qubit in range(qubits):
                circuit = circuit.add("CNOT", (qubit, (qubit + reach) % qubits))
        circuit = circuit.end_layer()
    return circuit


def hardware_efficient(qubits: int, layers: int) -> Circuit:
    """RY and RZ on every qubit, then CZ between neighbours on a line (Kandala et al., arXiv:1704.05018)."""
    circuit = Circuit(qubits)
    for layer in range(layers):
        for qubit in range(qubits):
            first = 2 * (layer * qubits + qubit)
            circuit = circuit.add("RY", qubit, weight(first)).add("RZ", qubit, weight(first + 1))
        for qubit in range(qubits - 1):
            circuit = circuit.add("CZ", (qubit, qubit + 1))
        circuit = circuit.end_layer()
    return circuit


def brick(qubits: int, layers: int) -> Circuit:
    """Brickwork: RX and RZ on every qubit, then RZZ on even pairs of neighbours in even layers, on odd ones in odd."""
    circuit = Circuit(qubits)
    index = 0
    for layer in range(layers):
        for qubit in range(qubits):
            circuit = circuit.add("RX", qubit, weight(index)).add("RZ", qubit, weight(index + 1))
            index += 2
        for qubit in range(layer % 2, qubits - 1, 2):
            circuit = circuit.add("RZZ", (qubit, qubit + 1), weight(index))
            index += 1
        circuit = circuit.end_layer()
    return circuit
