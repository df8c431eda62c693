"""Encodings: how features enter a circuit."""

import math
from typing import Literal

from counterspin.circuits.angles import feature, weight
from counterspin.circuits.circuit import Amplitudes, Circuit
from counterspin.errors import UsageError

__all__ = ["amplitude_encoding", "angle_encoding", "reuploading"]

Axis = Literal["x", "y", "z"]


def amplitude_encoding(features: int, *, qubits: int | None = None, complex_data: bool = False) -> Circuit:
    """The unit vector `x/‖x‖` as initial state, padded with zeros.

    Args:
        features: how many amplitudes the data fills, any length.
        qubits: number of qubits; None: as few as hold the data.
        complex_data: inputs are `features` real parts followed by `features` imaginary parts.

    Example:
        >>> amplitude_encoding(64).qubits, amplitude_encoding(100).qubits
        (6, 7)
    """
    if features < 1:
        raise UsageError(f"features is {features}; amplitude encoding needs at least one.")
    needed = max(1, math.ceil(math.log2(features)))
    return Circuit(needed if qubits is None else qubits, amplitudes=Amplitudes(features, complex_data))


def angle_encoding(qubits: int, *, axis: Axis = "y", scale: float = 1.0) -> Circuit:
    """One rotation `R_axis(scale · x_q)` per qubit.

    Rotations about z follow a Hadamard gate, without which they would only add a phase to |0⟩.

    Example:
        >>> print(angle_encoding(1, axis="x", scale=2.0).draw())
        q0: ──RX(2·x0)──
    """
    circuit = Circuit(qubits)
    for qubit in range(qubits):
        circuit = circuit.add("H", qubit) if axis == "z" else circuit
        circuit = circuit.add(_rotation(axis), qubit, scale * feature(qubit))
    return circuit


def reuploading(
    qubits: int, layers: int, *, axis: Axis = "y", scale: float = 1.0, trainable_scale: bool = True
) -> Circuit:
    """Data re-uploading: each layer encodes all features again, then Rot on every qubit and a CNOT ring.

    The angle of qubit q in layer l is `scale · s_lq · x_q` with a trainable s (Pérez-Salinas et al., arXiv:1907.02085).

    Args:
        qubits: number of qubits and of features.
        layers: number of uploads.
        axis: axis of the encoding rotations.
        scale: fixed factor on every feature.
        trainable_scale: multiply each upload by a weight; those weights come first, `layers · qubits` of them.
    """
    scales = layers * qubits if trainable_scale else 0
    circuit = Circuit(qubits)
    for layer in range(layers):
        for qubit in range(qubits):
            angle = scale * feature(qubit)
            angle = angle * weight(layer * qubits + qubit) if trainable_scale else angle
            circuit = circuit.add(_rotation(axis), qubit, angle)
        for qubit in range(qubits):
            first = scales + 3 * (layer * qubits + qubit)
            circuit = circuit.add("Rot", qubit, weight(first), weight(first + 1), weight(first + 2))
        for qubit in range(qubits if qubits > 1 else 0):
            circuit = circuit.add("CNOT", (qubit, (qubit + 1) % qubits))
        circuit = circuit.end_layer()
    return circuit


def _rotation(axis: str) -> str:
    if axis not in ("x", "y", "z"):
        raise UsageError(f"axis is {axis!r}; allowed: x, y, z.")
    return f"R{axis.upper()}"
