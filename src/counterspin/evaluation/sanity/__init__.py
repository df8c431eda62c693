"""Sanity checks: an evaluation that can fail."""

from counterspin.evaluation.sanity.base import Check, SanityContext, StoredRows, Tier
from counterspin.evaluation.sanity.reproducibility import samples_digest
from counterspin.evaluation.sanity.runner import CHECKS, KeptChecks, checks_of, none_run, not_run, run_checks

__all__ = [
    "CHECKS",
    "Check",
    "KeptChecks",
    "SanityContext",
    "StoredRows",
    "Tier",
    "checks_of",
    "none_run",
    "not_run",
    "run_checks",
    "samples_digest",
]
