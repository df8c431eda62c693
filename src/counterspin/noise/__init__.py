"""Noise: channels, where they act, readout errors, and models of all of it."""

from counterspin.noise.channels import (
    after_every_gate,
    amplitude_damping,
    bit_flip,
    depolarizing,
    generalized_amplitude_damping,
    overrotation,
    pauli_channel,
    phase_damping,
    phase_flip,
    thermal_relaxation,
    zz_crosstalk,
)
from counterspin.noise.idle import IdleRule
from counterspin.noise.kraus import Channel, Placed
from counterspin.noise.linear_map import TransferMap
from counterspin.noise.model import NoiseModel
from counterspin.noise.readout import ReadoutErrors
from counterspin.noise.representations import average_fidelity, compose, pauli_probabilities, tensor
from counterspin.noise.rules import GateRule
from counterspin.noise.schedule import IdleWindow, Schedule, alap_schedule, time_ordered
from counterspin.noise.transfer import inverse, power, twirled

__all__ = [
    "Channel",
    "GateRule",
    "IdleRule",
    "IdleWindow",
    "NoiseModel",
    "Placed",
    "ReadoutErrors",
    "Schedule",
    "TransferMap",
    "after_every_gate",
    "alap_schedule",
    "amplitude_damping",
    "average_fidelity",
    "bit_flip",
    "compose",
    "depolarizing",
    "generalized_amplitude_damping",
    "inverse",
    "overrotation",
    "pauli_channel",
    "pauli_probabilities",
    "phase_damping",
    "phase_flip",
    "power",
    "tensor",
    "thermal_relaxation",
    "time_ordered",
    "twirled",
    "zz_crosstalk",
]
