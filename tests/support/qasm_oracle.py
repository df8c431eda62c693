"""What another reader of OpenQASM, Qiskit's, makes of a program: its unitary in our order of qubits.

Qiskit is imported by whoever calls it: that takes seconds, and `same_up_to_phase` needs nothing of it.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

__all__ = ["foreign_circuit", "foreign_unitary", "same_up_to_phase"]


def foreign_circuit(text: str, *, strict: bool = True) -> QuantumCircuit:
    """The program as Qiskit reads it; version 2 with the qelib1.inc of the paper (strict) or of today."""
    from qiskit import qasm2, qasm3

    if not text.lstrip().startswith("OPENQASM 2"):
        with warnings.catch_warnings():  # its own use of its own deprecated arguments
            warnings.filterwarnings("ignore", r"(?s).*argument ``annotated`` is deprecated", DeprecationWarning)
            return qasm3.loads(text)
    if strict:
        return qasm2.loads(text, strict=True)
    known, place = qasm2.LEGACY_CUSTOM_INSTRUCTIONS, qasm2.LEGACY_INCLUDE_PATH
    return qasm2.loads(text, custom_instructions=known, include_path=place)


def foreign_unitary(text: str, values: dict[str, float] | None = None, *, strict: bool = True) -> np.ndarray:
    from qiskit.quantum_info import Operator

    circuit = foreign_circuit(text, strict=strict)
    circuit.remove_final_measurements()
    if values:
        circuit = circuit.assign_parameters({k: v for k, v in values.items() if circuit.has_parameter(k)})
    return Operator(circuit.reverse_bits()).data


def same_up_to_phase(a: np.ndarray, b: np.ndarray) -> float:
    """How far two unitaries differ after the phase that suits them best."""
    phase = np.vdot(b, a)
    return float(np.abs(a - b * phase / abs(phase)).max())
