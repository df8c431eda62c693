"""Attacks on gate parameters: errors of the angles of a circuit."""

from counterspin.attacks.quantum.base import QuantumAttack
from counterspin.attacks.quantum.parameters.base import ParameterAttack, Tampering
from counterspin.attacks.quantum.parameters.minimum import WeightsMinimum
from counterspin.attacks.quantum.parameters.miscalibration import Drift, OverRotation
from counterspin.attacks.quantum.parameters.pgd import WeightsPGD
from counterspin.attacks.quantum.parameters.sparse import WeightsSparse
from counterspin.attacks.quantum.parameters.stealthy import WeightsStealthy

__all__ = [
    "ATTACKS",
    "Drift",
    "OverRotation",
    "ParameterAttack",
    "Tampering",
    "WeightsMinimum",
    "WeightsPGD",
    "WeightsSparse",
    "WeightsStealthy",
]

ATTACKS: tuple[QuantumAttack, ...] = (
    WeightsPGD(),
    WeightsMinimum(),
    WeightsSparse(),
    WeightsStealthy(),
    OverRotation(),
    Drift(),
)
