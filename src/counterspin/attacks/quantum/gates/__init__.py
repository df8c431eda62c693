"""Attacks on gates: faults, crosstalk, inserted and compiled backdoors."""

from counterspin.attacks.quantum.gates.crosstalk import ZZCrosstalk
from counterspin.attacks.quantum.gates.dropped import DroppedAngleBackdoor
from counterspin.attacks.quantum.gates.faults import PermanentFaults, TransientFaults
from counterspin.attacks.quantum.gates.rounding import RoundingBackdoor
from counterspin.attacks.quantum.gates.trojan import TrojanGates

__all__ = [
    "ATTACKS",
    "DroppedAngleBackdoor",
    "PermanentFaults",
    "RoundingBackdoor",
    "TransientFaults",
    "TrojanGates",
    "ZZCrosstalk",
]

# In the order in which they are listed.
ATTACKS = (
    TransientFaults(),
    PermanentFaults(),
    ZZCrosstalk(),
    TrojanGates(),
    DroppedAngleBackdoor(),
    RoundingBackdoor(),
)
