"""Attacks on the parts of a model, each beside the certificate that matches it."""

from counterspin.evaluation.parts.matched import Certified
from counterspin.evaluation.parts.record import AttackRunRecord, Contradiction, Finding, PartBudget
from counterspin.evaluation.parts.taxonomy import TaxonomyRecord

__all__ = ["AttackRunRecord", "Certified", "Contradiction", "Finding", "PartBudget", "TaxonomyRecord"]
