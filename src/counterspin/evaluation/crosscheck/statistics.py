"""Our intervals and tests against those of scipy and statsmodels."""

from collections.abc import Iterator
from itertools import product

import numpy as np
from scipy.stats import binomtest

from counterspin.attacks.external.extras import imported
from counterspin.evaluation.crosscheck.rows import Row
from counterspin.evaluation.statistics import clopper_pearson, mcnemar

__all__ = ["statistics_rows"]

_SIZES = (1, 2, 7, 50, 200, 1000)
_COUNTS = (0, 1, 2, 3, 5, 8, 20, 75)


def statistics_rows() -> Iterator[Row]:
    """The largest difference on a grid of counts, for Clopper–Pearson and exact McNemar."""
    intervals = [
        abs(ours - theirs)
        for n in _SIZES
        for hits in sorted({0, 1, n // 3, n // 2, n - 1, n})
        for ours, theirs in zip(clopper_pearson(hits, n), binomtest(hits, n).proportion_ci(method="exact"), strict=True)
    ]
    yield _row("scipy", "binomtest", "Clopper–Pearson bounds", max(intervals))
    reference = imported("statsmodels.stats.contingency_tables").mcnemar
    values = [
        abs(mcnemar(first, second) - reference(np.array([[0, first], [second, 0]]), exact=True).pvalue)
        for first, second in product(_COUNTS, repeat=2)
        if first + second
    ]
    yield _row("statsmodels", "mcnemar", "exact McNemar p-values", max(values))


def _row(tool: str, function: str, quantity: str, difference: float) -> Row:
    return Row(
        tool=tool,
        attack=function,
        quantity=f"largest difference of {quantity}",
        theirs=0.0,
        ours=float(difference),
        tolerance=1e-12,
        relation="=",
    )
