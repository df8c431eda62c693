"""Exact simulation under noise: circuits with channels on Pauli vectors, up to 8 qubits."""

from counterspin.simulation.transfer.observables import transfer_observables
from counterspin.simulation.transfer.places import TRANSFER_QUBITS
from counterspin.simulation.transfer.values import transfer_distributions, transfer_values

__all__ = ["TRANSFER_QUBITS", "transfer_distributions", "transfer_observables", "transfer_values"]
