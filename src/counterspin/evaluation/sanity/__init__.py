"""Sanity checks: an evaluation that can fail."""

from counterspin.evaluation.sanity.base import Check, SanityContext, StoredRows, Tier
from counterspin.evaluation.sanity.reproducibility import samples_digest
from counterspin.evaluation.sanity.runner import CHECKS, checks_of, run_checks

__all__ = ["CHECKS", "Check", "SanityContext", "StoredRows", "Tier", "checks_of", "run_checks", "samples_digest"]
