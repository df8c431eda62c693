"""The Python front door: `cs.audit`, `cs.certify`, `cs.plan` of `(model, x, y, threat)`, and `cs.harden`."""

from counterspin.api.auditing import AuditReport, audit
from counterspin.api.certifying import Certification, certify
from counterspin.api.hardening import HardenReport, harden
from counterspin.api.planning import Plan, plan

__all__ = ["AuditReport", "Certification", "HardenReport", "Plan", "audit", "certify", "harden", "plan"]
