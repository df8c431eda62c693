"""Intervals and paired tests: every share, mean and median of an evaluation says how sure it is."""

from counterspin.evaluation.statistics.paired import holm, mcnemar, tango
from counterspin.evaluation.statistics.resampling import (
    RESAMPLES,
    bootstrap_interval,
    measured_mean,
    measured_median,
)
from counterspin.evaluation.statistics.shares import (
    CONFIDENCE,
    clopper_pearson,
    measured_share,
    rule_of_three,
    wilson,
)

__all__ = [
    "CONFIDENCE",
    "RESAMPLES",
    "bootstrap_interval",
    "clopper_pearson",
    "holm",
    "mcnemar",
    "measured_mean",
    "measured_median",
    "measured_share",
    "rule_of_three",
    "tango",
    "wilson",
]
