"""Two methods on the same samples: exact McNemar, Holm's adjustment, and an interval of the difference."""

import math
from collections.abc import Sequence

from scipy.optimize import root_scalar
from scipy.stats import binom, norm

from counterspin.errors import InputError
from counterspin.evaluation.statistics.shares import CONFIDENCE

__all__ = ["holm", "mcnemar", "tango"]


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


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    r"""Adjusted p-values of a family of tests (Holm, Scand. J. Statist. 6, 1979), in the order given.

    .. math:: \tilde p_{(i)} = \max_{j \le i} \min\bigl(1,\ (m - j + 1)\, p_{(j)}\bigr)

    with :math:`p_{(1)} \le \dots \le p_{(m)}`. Rejecting where :math:`\tilde p \le \alpha` keeps the probability of any
    false rejection at most :math:`\alpha`, whatever the dependence between the tests.

    Raises:
        InputError: a p-value that is no number from 0 to 1.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        (0.03, 0.06, 0.06)
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise InputError(f"p_values is {tuple(p_values)}; each must be a number from 0 to 1.")
    adjusted, floor = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        floor = max(floor, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = floor
    return tuple(adjusted)


def tango(only_first: int, only_second: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    r"""Score interval of a difference of paired shares (Tango, Stat. Med. 17, 891-908, 1998).

    All :math:`\delta` that the score test does not reject, with :math:`b` and :math:`c` the discordant pairs:

    .. math:: \frac{(b - c - n\delta)^2}{n\,(2\tilde q + \delta(1 - \delta))} \le z^2

    where :math:`\tilde q`, the likeliest share of pairs only the second has under :math:`\delta`, solves
    :math:`2nq^2 + (2n\delta - b(1 + \delta) - c(1 - \delta))\,q - c\,\delta(1 - \delta) = 0`. It belongs to
    McNemar's test (at :math:`\delta = 0` the statistic is :math:`(b - c)^2 / (b + c)`), is never degenerate, not even
    without discordant pairs, and keeps close to its confidence for small `n` (Fagerland, Lydersen, Laake, Stat. Med.
    33, 2850-2875, 2014), where Wald's interval fails.

    Args:
        only_first: pairs in which only the first succeeds, b.
        only_second: pairs in which only the second succeeds, c.
        n: all pairs.
        confidence: 1 - alpha.

    Returns:
        Lowest and highest difference, first minus second.

    Raises:
        InputError: no pairs, more discordant pairs than pairs, or a confidence outside (0, 1).

    Example:
        >>> low, high = tango(40, 20, 160)
        >>> round(low, 4), round(high, 4)
        (0.0309, 0.2181)
    """
    if n < 1 or min(only_first, only_second) < 0 or only_first + only_second > n:
        raise InputError(
            f"discordant pairs are {only_first} and {only_second} of n = {n}; counts are 0 or more, together at most n."
        )
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}; it must lie between 0 and 1, for example 0.95.")
    z = float(norm.ppf(0.5 + confidence / 2))
    return -_highest(only_second, only_first, n, z), _highest(only_first, only_second, n, z)


def _highest(b: int, c: int, n: int, z: float) -> float:
    """The highest difference that is not rejected."""
    observed = (b - c) / n

    def excess(delta: float) -> float:
        spread = n * (2 * _likeliest(b, c, n, delta) + delta * (1 - delta))
        return (b - c - n * delta) ** 2 - z * z * spread

    if b == n:
        return 1.0
    # Without discordant pairs the excess is 0 at the observed difference too, which is not the end looked for.
    return float(root_scalar(excess, bracket=(observed + 1e-12, 1.0), xtol=1e-14).root)


def _likeliest(b: int, c: int, n: int, delta: float) -> float:
    """The likeliest share of pairs only the second has, if the difference is `delta`."""
    linear = 2 * n * delta - b * (1 + delta) - c * (1 - delta)
    constant = c * delta * (1 - delta)
    root = math.sqrt(max(0.0, linear * linear + 8 * n * constant))
    # The form without cancellation.
    return 2 * constant / (root + linear) if linear > 0 else (root - linear) / (4 * n)
