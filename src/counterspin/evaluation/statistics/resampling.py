"""Means and medians with bootstrap intervals."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from counterspin.errors import InputError
from counterspin.evaluation.records import Measured
from counterspin.evaluation.statistics.shares import CONFIDENCE

__all__ = ["RESAMPLES", "bootstrap_interval", "measured_mean", "measured_median"]

RESAMPLES = 2000
# Resampled values held at once; 4 million float64 are 32 MB.
_CHUNK = 4_000_000


def bootstrap_interval(
    values: Tensor, statistic: Callable[[Tensor], Tensor], *, generator: torch.Generator
) -> tuple[float, float]:
    """Percentile bootstrap 95 % interval of a statistic (Efron and Tibshirani 1993, chapter 13).

    Args:
        values: one number per sample `(n,)`.
        statistic: from resamples `(resamples, n)` to one number each `(resamples,)`.
        generator: where the resamples are drawn from.

    Raises:
        InputError: no values, or NaN among them.
    """
    if values.ndim != 1 or len(values) == 0 or bool(torch.isnan(values).any()):
        raise InputError(f"values has shape {tuple(values.shape)}; it must be (n,) numbers, n >= 1, without NaN.")
    values = values.to(torch.float64)
    n, draws = len(values), []
    rows = max(1, _CHUNK // n)
    for start in range(0, RESAMPLES, rows):
        chosen = torch.randint(n, (min(rows, RESAMPLES - start), n), generator=generator)
        draws.append(statistic(values[chosen]))
    ordered = torch.cat(draws).sort().values
    # Order statistics instead of interpolation: infinite radii stay infinite and never become NaN.
    tail = (1 - CONFIDENCE) / 2
    low = ordered[math.floor(tail * (RESAMPLES - 1))]
    high = ordered[math.ceil((1 - tail) * (RESAMPLES - 1))]
    return float(low), float(high)


def measured_mean(values: Tensor, *, generator: torch.Generator) -> Measured:
    """The mean of `values` `(n,)` with its bootstrap interval.

    Raises:
        InputError: no values, or values that are not finite.
    """
    if not bool(torch.isfinite(values).all()):
        raise InputError("values holds NaN or infinite numbers; their mean would mean nothing.")
    low, high = bootstrap_interval(values, lambda draws: draws.mean(dim=-1), generator=generator)
    return Measured(value=float(values.to(torch.float64).mean()), low=low, high=high, n=len(values))


def measured_median(values: Tensor, *, generator: torch.Generator) -> Measured | None:
    """The median of `values` `(n,)` with its bootstrap interval; None where either of them is infinite.

    Infinite values are allowed (the radius of a sample no one can flip).

    Raises:
        InputError: no values, or NaN among them.

    Example:
        >>> measured_median(torch.tensor([1.0, 2.0, torch.inf]), generator=torch.Generator()) is None
        True
    """
    low, high = bootstrap_interval(values, _median, generator=generator)
    middle = float(_median(values.to(torch.float64)))
    if not math.isfinite(low + middle + high):
        return None
    return Measured(value=middle, low=low, high=high, n=len(values))


def _median(values: Tensor) -> Tensor:
    """Median over the last axis; torch.median takes the lower of two middle values, the field takes their mean."""
    ordered, n = values.sort(dim=-1).values, values.shape[-1]
    return (ordered[..., (n - 1) // 2] + ordered[..., n // 2]) / 2
