"""Devices: their calibrations, the noise these mean, and which of their qubits to use."""

from counterspin.noise.devices.catalogue import DeviceRow, list_devices, load, missing_packages
from counterspin.noise.devices.placement import Placement, place
from counterspin.noise.devices.recipe import noise_of, notes_of
from counterspin.noise.devices.selection import best_subgraph
from counterspin.noise.devices.snapshot import GateCalibration, QubitCalibration, Snapshot

__all__ = [
    "DeviceRow",
    "GateCalibration",
    "Placement",
    "QubitCalibration",
    "Snapshot",
    "best_subgraph",
    "list_devices",
    "load",
    "missing_packages",
    "noise_of",
    "notes_of",
    "place",
]
