"""Sanity checks: an evaluation that can fail."""

from counterspin.evaluation.sanity.base import Check, SanityContext, Tier
from counterspin.evaluation.sanity.reproducibility import samples_digest
from counterspin.evaluation.sanity.runner import CHECKS, run_checks

__all__ = ["CHECKS", "Check", "SanityContext", "Tier", "run_checks", "samples_digest"]
