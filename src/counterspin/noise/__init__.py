"""Noise: channels and models of them."""

from counterspin.noise.channels import (
    after_every_gate,
    amplitude_damping,
    bit_flip,
    depolarizing,
    phase_damping,
    phase_flip,
)
from counterspin.noise.kraus import Channel, Placed
from counterspin.noise.model import NoiseModel

__all__ = [
    "Channel",
    "NoiseModel",
    "Placed",
    "after_every_gate",
    "amplitude_damping",
    "bit_flip",
    "depolarizing",
    "phase_damping",
    "phase_flip",
]
