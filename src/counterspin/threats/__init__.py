"""Threat models: where an attacker acts, in which norm, with what budget and under which constraints."""

from counterspin.threats.budget import ExecutionBudget, QueryBudget
from counterspin.threats.constraints import Constraints, Group
from counterspin.threats.model import L0, L1, L2, Linf, Norm, ThreatModel, Units, check_words

__all__ = [
    "L0",
    "L1",
    "L2",
    "Constraints",
    "ExecutionBudget",
    "Group",
    "Linf",
    "Norm",
    "QueryBudget",
    "ThreatModel",
    "Units",
    "check_words",
]
