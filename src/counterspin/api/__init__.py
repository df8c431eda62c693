"""The Python front door: `cs.audit`, `cs.certify`, `cs.plan`, `cs.attack` and `cs.harden`."""

from counterspin.api.attacking import AttackReport, attack
from counterspin.api.auditing import AuditReport, audit
from counterspin.api.certifying import Certification, certify
from counterspin.api.hardening import HardenReport, harden
from counterspin.api.planning import Plan, plan

__all__ = [
    "AttackReport",
    "AuditReport",
    "Certification",
    "HardenReport",
    "Plan",
    "attack",
    "audit",
    "certify",
    "harden",
    "plan",
]
