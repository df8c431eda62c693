"""Intervals and paired tests: every share, mean and median of an evaluation says how sure it is."""

import math
from collections.abc import Callable

import torch
from scipy.stats import beta, binom
from torch import Tensor

from counterspin.errors import InputError
from counterspin.evaluation.records import Measured

__all__ = [
    "bootstrap_interval",
    "clopper_pearson",
    "mcnemar",
    "measured_mean",
    "measured_median",
    "measured_share",
    "rule_of_three",
]

CONFIDENCE = 0.95
RESAMPLES = 2000
# Resampled values held at once; 4 million float64 are 32 MB.
_CHUNK = 4_000_000


def clopper_pearson(hits: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    r"""Exact two-sided binomial interval of a share (Clopper and Pearson, Biometrika 26, 1934).

    .. math:: [B_{\alpha/2}(k, n-k+1),\ B_{1-\alpha/2}(k+1, n-k)], \quad \alpha = 1 - \text{confidence}

    with :math:`B_q(a, b)` the q-quantile of the beta distribution; 0 below no hits and 1 above n of n.

    Raises:
        InputError: no samples, or more hits than samples.

    Example:
        >>> low, high = clopper_pearson(0, 100)
        >>> round(low, 4), round(high, 4)
        (0.0, 0.0362)
    """
    if n < 1 or not 0 <= hits <= n:
        raise InputError(f"hits is {hits} of n = {n} samples; a share needs n >= 1 and 0 <= hits <= n.")
    alpha = 1.0 - confidence
    low = 0.0 if hits == 0 else float(beta.ppf(alpha / 2, hits, n - hits + 1))
    high = 1.0 if hits == n else float(beta.ppf(1 - alpha / 2, hits + 1, n - hits))
    return low, high


def measured_share(hits: int, n: int) -> Measured:
    """The share `hits / n` with its Clopper–Pearson 95 % interval.

    Raises:
        InputError: no samples, or more hits than samples.

    Example:
        >>> share = measured_share(97, 100)
        >>> share.value, round(share.low, 4), round(share.high, 4), share.n
        (0.97, 0.9148, 0.9938, 100)
    """
    low, high = clopper_pearson(hits, n)
    return Measured(value=hits / n, low=low, high=high, n=n)


def rule_of_three(hits: int, n: int) -> str | None:
    """What seeing none (or all) of `n` samples does and does not show, in words; None for any other share.

    With no hit in `n` samples the true share is below about `3 / n` with 95 % confidence, because
    `(1 - 3/n)**n` is about 0.05.

    Raises:
        InputError: no samples, or more hits than samples.

    Example:
        >>> rule_of_three(0, 150)
        '0 of 150: with 95 % confidence the true share is below 2 % (rule of three)'
    """
    clopper_pearson(hits, n)
    bound = min(3 / n, 1.0)
    if hits == 0:
        return f"0 of {n}: with 95 % confidence the true share is below {100 * bound:.3g} % (rule of three)"
    if hits == n:
        return f"{n} of {n}: with 95 % confidence the true share is above {100 * (1 - bound):.3g} % (rule of three)"
    return None


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p-value of the exact McNemar test on paired verdicts.

    Args:
        only_first: samples the first method broke and the second did not.
        only_second: samples the second method broke and the first did not.

    Returns:
        The probability of a split at least as uneven if both methods were equally strong; 1 without any difference.

    Raises:
        InputError: a negative count.

    Example:
        >>> mcnemar(0, 6)
        0.03125
    """
    if only_first < 0 or only_second < 0:
        raise InputError(f"discordant pairs are {only_first} and {only_second}; counts are 0 or more.")
    pairs = only_first + only_second
    return min(1.0, 2.0 * float(binom.cdf(min(only_first, only_second), pairs, 0.5)))


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
