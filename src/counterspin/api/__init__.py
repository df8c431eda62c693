"""The Python front door: `cs.audit(model, x, y, threat)` and `cs.certify(model, x, y, threat)`."""

from counterspin.api.auditing import AuditReport, audit
from counterspin.api.certifying import Certification, certify

__all__ = ["AuditReport", "Certification", "audit", "certify"]
