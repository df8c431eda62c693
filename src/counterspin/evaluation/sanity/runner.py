"""Running the sanity checks of a tier, and the verdict they add up to."""

from counterspin.errors import CapabilityError, ConditionsError
from counterspin.evaluation.records import CheckRecord, SanityRecord
from counterspin.evaluation.sanity.base import Check, SanityContext
from counterspin.evaluation.sanity.certified import AttackAboveCertificate
from counterspin.evaluation.sanity.convergence import FlatLoss
from counterspin.evaluation.sanity.intervals import NarrowIntervals
from counterspin.evaluation.sanity.paired import OneStepBelowIterative, RandomBelowGuided
from counterspin.evaluation.sanity.predictions import BatchIndependence
from counterspin.evaluation.sanity.reproducibility import Reproducible
from counterspin.evaluation.sanity.stored import AdmissibleInputs, RecomputedVerdicts
from counterspin.evaluation.sanity.unbounded import UnboundedBudget
from counterspin.evaluation.sanity.vanishing import VanishingBudget

__all__ = ["CHECKS", "run_checks"]

CHECKS: tuple[Check, ...] = (
    BatchIndependence(),
    AdmissibleInputs(),
    RecomputedVerdicts(),
    VanishingBudget(),
    RandomBelowGuided(),
    OneStepBelowIterative(),
    UnboundedBudget(),
    FlatLoss(),
    AttackAboveCertificate(),
    NarrowIntervals(),
    Reproducible(),
)

_TIERS: tuple[str, ...] = ("quick", "standard", "paper")


def run_checks(context: SanityContext, tier: str = "quick") -> SanityRecord:
    """Run every check of `tier` and the tiers below it, in the order of their ids.

    Args:
        context: the finished evaluation.
        tier: `"quick"`, `"standard"` or `"paper"`.

    Returns:
        The records; the verdict is `fail` if any check failed, else `warn` if any warned, else `pass`.
    """
    wanted = _TIERS[: _TIERS.index(tier) + 1]
    records = [_run(check, context) for check in CHECKS if check.tier in wanted]
    statuses = {record.status for record in records}
    verdict = "fail" if "FAIL" in statuses else "warn" if "WARN" in statuses else "pass"
    return SanityRecord(verdict=verdict, checks=records)


def _run(check: Check, context: SanityContext) -> CheckRecord:
    try:
        return check.run(context)
    except (CapabilityError, ConditionsError) as error:
        # A method the check needs does not apply to this model or threat: no evidence either way.
        return check.record("SKIP", f"Not applicable: {error}")
