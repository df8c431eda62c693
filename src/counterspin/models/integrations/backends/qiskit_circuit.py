"""A template as a Qiskit circuit with parameters."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from counterspin.models.integrations.backends.work import Column, Template
from counterspin.simulation.measurement import Setting

__all__ = ["bit_reversed", "parametrised", "pass_manager_for", "turned"]

# Kinds whose name in Qiskit is another one than in lower case.
_NAMES = {"CNOT": "cx", "U3": "u"}

# Gates every simulator takes.
_BASIS = ["rx", "ry", "rz", "x", "y", "z", "h", "s", "sdg", "t", "p", "u", "cx", "cz", "swap"]


def parametrised(template: Template, amplitudes: np.ndarray | None = None) -> Any:
    """The circuit; column k of the points is parameter `a[k]`. Our qubit k is Qiskit's, which counts bits backwards.

    Args:
        template: the circuit.
        amplitudes: state it starts in `(2**qubits,)`, our qubit 0 most significant; None: |0…0⟩.
    """
    from qiskit import QuantumCircuit
    from qiskit.circuit import ParameterVector

    circuit = QuantumCircuit(template.qubits)
    parameters = ParameterVector("a", template.columns)
    if amplitudes is not None:
        circuit.prepare_state(amplitudes[bit_reversed(template.qubits)].tolist(), range(template.qubits))
    for kind, qubits, angles in template.gates:
        values = [parameters[angle.index] if isinstance(angle, Column) else angle for angle in angles]
        _append(circuit, kind, values, list(qubits))
    return circuit


def turned(circuit: Any, setting: Setting) -> Any:
    """A copy of the circuit in the basis of a setting, with all qubits measured."""
    copy = circuit.copy()
    for qubit, pauli in setting.basis:
        if pauli == "Y":
            copy.sdg(qubit)
        copy.h(qubit)
    copy.measure_all()
    return copy


def pass_manager_for(device: Any) -> Any:
    """Transpiles once for whatever runs behind a primitive: its own backend, or gates that every simulator takes."""
    from qiskit.transpiler import generate_preset_pass_manager

    behind: Any = getattr(device, "backend", None)
    behind = behind() if callable(behind) else behind
    if getattr(behind, "target", None) is not None and getattr(behind, "coupling_map", None) is not None:
        return generate_preset_pass_manager(optimization_level=1, backend=behind, seed_transpiler=0)
    return generate_preset_pass_manager(optimization_level=1, basis_gates=_BASIS, seed_transpiler=0)


@lru_cache(maxsize=32)
def bit_reversed(qubits: int) -> np.ndarray:
    """Each outcome with its bits in reverse order, `(2**qubits,)`."""
    states = np.arange(2**qubits)
    bits = [((states >> bit) & 1) << (qubits - 1 - bit) for bit in range(qubits)]
    return np.sum(bits, axis=0)


def _append(circuit: Any, kind: str, angles: list[Any], qubits: list[int]) -> None:
    if kind == "Rot":
        for name, angle in zip(("rz", "ry", "rz"), angles, strict=True):
            getattr(circuit, name)(angle, *qubits)
    elif kind == "MCZ":
        circuit.h(qubits[-1])
        if len(qubits) > 1:
            circuit.mcx(qubits[:-1], qubits[-1])
        else:
            circuit.x(qubits[-1])
        circuit.h(qubits[-1])
    else:
        getattr(circuit, _NAMES.get(kind, kind.lower()))(*angles, *qubits)
