"""Attacks on the quantum parts of a model: states, gate parameters, gates, encoding, measurement."""

from counterspin.attacks.quantum.base import QuantumAttack
from counterspin.attacks.quantum.results import Manipulation, QuantumAttackResult, QuantumBudget, Situation

__all__ = ["Manipulation", "QuantumAttack", "QuantumAttackResult", "QuantumBudget", "Situation"]
