"""Shares of samples with their intervals."""

import math

from scipy.stats import beta, norm

from counterspin.errors import InputError
from counterspin.evaluation.records import Measured

__all__ = ["CONFIDENCE", "clopper_pearson", "measured_share", "rule_of_three", "wilson"]

CONFIDENCE = 0.95


def clopper_pearson(hits: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    r"""Exact two-sided binomial interval of a share (Clopper and Pearson, Biometrika 26, 1934).

    .. math:: [B_{\alpha/2}(k, n-k+1),\ B_{1-\alpha/2}(k+1, n-k)], \quad \alpha = 1 - \text{confidence}

    with :math:`B_q(a, b)` the q-quantile of the beta distribution; 0 below no hits and 1 above n of n.

    Raises:
        InputError: no samples, more hits than samples, or a confidence outside (0, 1).

    Example:
        >>> low, high = clopper_pearson(0, 100)
        >>> round(low, 4), round(high, 4)
        (0.0, 0.0362)
    """
    _check(hits, n, confidence)
    alpha = 1.0 - confidence
    low = 0.0 if hits == 0 else float(beta.ppf(alpha / 2, hits, n - hits + 1))
    high = 1.0 if hits == n else float(beta.ppf(1 - alpha / 2, hits + 1, n - hits))
    return low, high


def wilson(hits: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    r"""Score interval of a share (Wilson, J. Am. Stat. Assoc. 22, 1927).

    .. math::
        \frac{1}{1 + z^2/n}
        \Bigl(\hat p + \frac{z^2}{2n} \pm z \sqrt{\frac{\hat p (1 - \hat p)}{n} + \frac{z^2}{4 n^2}}\Bigr)

    It holds its confidence on average over the true shares, where Clopper–Pearson holds it for each of them and is
    wider: for plots and planning, not for a published bound.

    Raises:
        InputError: no samples, more hits than samples, or a confidence outside (0, 1).

    Example:
        >>> low, high = wilson(0, 100)
        >>> round(low, 4), round(high, 4)
        (0.0, 0.037)
    """
    _check(hits, n, confidence)
    z = float(norm.ppf(0.5 + confidence / 2))
    share, pull = hits / n, z * z / n
    middle = (share + pull / 2) / (1 + pull)
    half = z / (1 + pull) * math.sqrt(share * (1 - share) / n + pull / (4 * n))
    # Rounding must not leave an end that is 0 or 1 by construction a little beside it.
    return 0.0 if hits == 0 else middle - half, 1.0 if hits == n else middle + half


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
    _check(hits, n, CONFIDENCE)
    bound = min(3 / n, 1.0)
    if hits == 0:
        return f"0 of {n}: with 95 % confidence the true share is below {100 * bound:.3g} % (rule of three)"
    if hits == n:
        return f"{n} of {n}: with 95 % confidence the true share is above {100 * (1 - bound):.3g} % (rule of three)"
    return None


def _check(hits: int, n: int, confidence: float) -> None:
    if n < 1 or not 0 <= hits <= n:
        raise InputError(f"hits is {hits} of n = {n} samples; a share needs n >= 1 and 0 <= hits <= n.")
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}; it must lie between 0 and 1, for example 0.95.")
