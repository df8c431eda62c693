"""Threat models: where an attacker acts, in which norm, with what budget."""

from counterspin.threats.model import L2, Linf, Norm, ThreatModel, Units

__all__ = ["L2", "Linf", "Norm", "ThreatModel", "Units"]
