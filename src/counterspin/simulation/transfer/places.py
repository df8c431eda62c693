"""Checks of a circuit with channels before it is run on Pauli vectors."""

from __future__ import annotations

from collections.abc import Sequence

from counterspin.circuits import Circuit
from counterspin.errors import UsageError
from counterspin.noise.kraus import Placed

__all__ = ["TRANSFER_QUBITS", "check_places"]

# 4^n numbers per sample and pass: beyond, random trajectories of state vectors are cheaper.
TRANSFER_QUBITS = 8


def check_places(circuit: Circuit, channels: Sequence[Placed]) -> None:
    """Refuse what does not fit.

    Raises:
        UsageError: more than 8 qubits, or a channel behind a gate or on a qubit that the circuit does not have.
    """
    if circuit.qubits > TRANSFER_QUBITS:
        raise UsageError(
            f"the circuit has {circuit.qubits} qubits; the Pauli-transfer engine takes at most {TRANSFER_QUBITS}, use "
            "engine='trajectories' beyond."
        )
    for placed in channels:
        if placed.after >= len(circuit.gates) or max(placed.qubits) >= circuit.qubits:
            raise UsageError(
                f"channel {placed.channel.name} is placed after gate {placed.after} on qubits {placed.qubits}; the "
                f"circuit has gates 0 to {len(circuit.gates) - 1} and qubits 0 to {circuit.qubits - 1}."
            )
