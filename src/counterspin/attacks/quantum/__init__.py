"""Attacks on the quantum parts of a model: states, gate parameters, gates, encoding, measurement."""

from counterspin.attacks.quantum.base import Manipulation, QuantumAttack, QuantumAttackResult, QuantumBudget, Situation

__all__ = ["Manipulation", "QuantumAttack", "QuantumAttackResult", "QuantumBudget", "Situation"]
