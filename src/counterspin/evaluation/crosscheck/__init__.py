"""Our attacks and statistics against other tools and closed forms (extra `crosscheck`)."""

from counterspin.evaluation.crosscheck.rows import Crosscheck, Row
from counterspin.evaluation.crosscheck.runner import crosscheck

__all__ = ["Crosscheck", "Row", "crosscheck"]
