"""The Python front door: `cs.audit`, `cs.certify` and `cs.plan`, each of `(model, x, y, threat)`."""

from counterspin.api.auditing import AuditReport, audit
from counterspin.api.certifying import Certification, certify
from counterspin.api.planning import Plan, plan

__all__ = ["AuditReport", "Certification", "Plan", "audit", "certify", "plan"]
