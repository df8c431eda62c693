"""Running the sanity checks of a tier, and the verdict they add up to."""

from dataclasses import asdict, replace
from time import perf_counter
from typing import Protocol, runtime_checkable

from counterspin.errors import (
    BudgetReachedError,
    CapabilityError,
    ConditionsError,
    CounterspinError,
    InterruptedRunError,
)
from counterspin.evaluation.records import CheckRecord, CostRecord, SanityRecord
from counterspin.evaluation.sanity.base import Check, SanityContext, Tally
from counterspin.evaluation.sanity.binarisation import PlantedPointsFound
from counterspin.evaluation.sanity.certified import AttackAboveCertificate
from counterspin.evaluation.sanity.cold_starts import ColdStartsAreMonotone
from counterspin.evaluation.sanity.convergence import FlatLoss
from counterspin.evaluation.sanity.differences import PairedDifferences
from counterspin.evaluation.sanity.doubling import MoreIterations, MoreRestarts
from counterspin.evaluation.sanity.frozen_twin import FrozenRandomness
from counterspin.evaluation.sanity.gradient_free import GradientFreeBelowWhiteBox
from counterspin.evaluation.sanity.gradients import GradientsAgree
from counterspin.evaluation.sanity.informative import InformativeEvaluation
from counterspin.evaluation.sanity.intervals import NarrowIntervals
from counterspin.evaluation.sanity.known_masks import KnownMasksAreBroken
from counterspin.evaluation.sanity.no_op import NoOpDirections
from counterspin.evaluation.sanity.paired import OneStepBelowIterative, RandomBelowGuided
from counterspin.evaluation.sanity.poles import EncodingPoles
from counterspin.evaluation.sanity.predictions import BatchIndependence
from counterspin.evaluation.sanity.reported import ReportedWorstCase
from counterspin.evaluation.sanity.reproducibility import Reproducible
from counterspin.evaluation.sanity.returned_points import ReturnedPoints
from counterspin.evaluation.sanity.saturation import SameSuccessByLoss
from counterspin.evaluation.sanity.shot_noise import GradientAboveShotNoise
from counterspin.evaluation.sanity.stochastic import StatisticalVerdicts
from counterspin.evaluation.sanity.stored import AdmissibleInputs, RecomputedVerdicts
from counterspin.evaluation.sanity.transfer import TransferBelowWhiteBox
from counterspin.evaluation.sanity.unbounded import UnboundedBudget
from counterspin.evaluation.sanity.vanishing import VanishingBudget
from counterspin.types import Cost

__all__ = ["CHECKS", "KeptChecks", "checks_of", "none_run", "not_run", "run_check", "run_checks"]

_NOT_RUN = "Not run: the execution budget was used up."

# In the order of their ids, S01 to S29.
CHECKS: tuple[Check, ...] = (
    BatchIndependence(),
    AdmissibleInputs(),
    RecomputedVerdicts(),
    VanishingBudget(),
    RandomBelowGuided(),
    OneStepBelowIterative(),
    GradientFreeBelowWhiteBox(),
    TransferBelowWhiteBox(),
    ColdStartsAreMonotone(),
    UnboundedBudget(),
    MoreIterations(),
    MoreRestarts(),
    FlatLoss(),
    ReturnedPoints(),
    StatisticalVerdicts(),
    FrozenRandomness(),
    GradientsAgree(),
    GradientAboveShotNoise(),
    EncodingPoles(),
    SameSuccessByLoss(),
    NoOpDirections(),
    PlantedPointsFound(),
    KnownMasksAreBroken(),
    AttackAboveCertificate(),
    NarrowIntervals(),
    PairedDifferences(),
    Reproducible(),
    ReportedWorstCase(),
    InformativeEvaluation(),
)


@runtime_checkable
class KeptChecks(Protocol):
    """Where finished checks are kept."""

    def get(self, name: str, /) -> CheckRecord | None:
        """The record of the check `name`; None if it is not finished."""
        ...

    def keep(self, record: CheckRecord, /) -> None:
        """Keep a finished check."""
        ...


_TIERS: tuple[str, ...] = ("quick", "standard", "paper")


def checks_of(tier: str) -> tuple[Check, ...]:
    """The checks of `tier` and of the tiers below it, in the order of their ids.

    Args:
        tier: `"quick"`, `"standard"` or `"paper"`.

    Example:
        >>> [check.id for check in checks_of("quick")][:3]
        ['S01', 'S02', 'S03']
    """
    wanted = _TIERS[: _TIERS.index(tier) + 1]
    return tuple(check for check in CHECKS if check.tier in wanted)


def run_checks(context: SanityContext, tier: str = "quick", kept: KeptChecks | None = None) -> SanityRecord:
    """Run every check of `tier` once, each with its own tally of what it spends.

    A check that does not apply is a SKIP; one that is refused for another reason is a FAIL that says so, and the others
    run all the same.

    Args:
        context: the finished evaluation.
        tier: `"quick"`, `"standard"` or `"paper"`.
        kept: where finished checks are looked up and kept, so that an interrupted run goes on; None: nowhere.

    Returns:
        The records; the verdict is `fail` if any check failed, else `warn` if any warned or was not run for lack of
        budget, else `pass`.

    Raises:
        InterruptedRunError: the user interrupted the run.
    """
    records = []
    for check in checks_of(tier):
        record = None if kept is None else kept.get(check.id)
        if record is None:
            record = run_check(check, context)
            if kept is not None and not not_run(record):
                kept.keep(record)
        records.append(record)
    statuses = {record.status for record in records}
    doubtful = "WARN" in statuses or any(not_run(record) for record in records)
    return SanityRecord(verdict="fail" if "FAIL" in statuses else "warn" if doubtful else "pass", checks=records)


def none_run(tier: str) -> SanityRecord:
    """The checks of `tier` where the execution budget leaves nothing they could judge."""
    nothing = CostRecord(**asdict(Cost()), seconds=0.0)
    left_out = [check.record("SKIP", _NOT_RUN).model_copy(update={"cost": nothing}) for check in checks_of(tier)]
    return SanityRecord(verdict="warn", checks=left_out)


def not_run(record: CheckRecord) -> bool:
    """Whether a check was not run because the execution budget was used up."""
    return record.status == "SKIP" and record.advice == _NOT_RUN


def run_check(check: Check, context: SanityContext) -> CheckRecord:
    """The record of one check, with what it spent."""
    tally, began = Tally(), perf_counter()
    record = _answer(check, replace(context, tally=tally))
    cost = CostRecord(**asdict(tally.spent), seconds=perf_counter() - began)
    return record.model_copy(update={"cost": cost})


def _answer(check: Check, context: SanityContext) -> CheckRecord:
    try:
        return check.run(context)
    except BudgetReachedError:
        return check.record("SKIP", _NOT_RUN)
    except (CapabilityError, ConditionsError) as error:
        # A method the check needs does not apply to this model or threat: no evidence either way.
        return check.record("SKIP", f"Not applicable: {error}")
    except InterruptedRunError:
        raise
    except CounterspinError as error:
        # A question that got no answer is not a passed check; one of them must not lose the whole audit.
        return check.record("FAIL", f"The check itself failed: {error}")
