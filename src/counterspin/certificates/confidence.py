"""Bounds on class probabilities that hold together, from finitely many shots of one sample."""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import beta
from torch import Tensor

from counterspin.errors import InputError, UsageError

__all__ = ["binomial_lower", "binomial_upper", "check_sampling", "pessimistic_probabilities"]

# Quantiles of the beta distribution are computed to about 1e-12 of themselves; bounds are moved outwards by more.
_QUANTILE = 1e-10


def check_sampling(name: str, count: int, confidence: float) -> None:
    """Refuse settings of a sampling certificate that bound nothing.

    Args:
        name: of the setting that says how often is measured.
        count: its value.
        confidence: with which the bounds hold together.

    Raises:
        UsageError: a count below 1, or a confidence outside (0, 1).
    """
    if count < 1:
        raise UsageError(f"{name} is {count}; give at least 1.")
    if not 0 < confidence < 1:
        raise UsageError(f"confidence is {confidence}; it must lie between 0 and 1, for example 0.999.")


def binomial_lower(hits: Tensor, shots: int, error: float) -> Tensor:
    r"""Lower bound of a probability, exceeded with probability at most `error` (Clopper and Pearson, Biometrika 1934).

    .. math:: \ell(k) = \sup\{p : P(X \ge k \mid p) \le \alpha\} = B_\alpha(k, n - k + 1)

    with :math:`B_\alpha` the quantile of the beta distribution, and 0 for no hits.

    Args:
        hits: whole numbers of any shape.
        shots: n, how often each was tried.
        error: α, the chance that the bound lies above the probability.

    Returns:
        float64, the shape of `hits`.

    Raises:
        InputError: no shots, hits outside 0 to n, or an error outside (0, 1).

    Example:
        >>> round(binomial_lower(torch.tensor([100]), 100, 0.05).item(), 4)
        0.9705
    """
    _check(hits, shots, error)
    k = hits.cpu().numpy().astype(np.float64)
    bound = np.where(k > 0, beta.ppf(error, np.maximum(k, 1.0), shots - k + 1), 0.0)
    return torch.as_tensor(bound * (1 - _QUANTILE), dtype=torch.float64, device=hits.device)


def binomial_upper(hits: Tensor, shots: int, error: float) -> Tensor:
    """Upper bound of a probability, missed with probability at most `error`: the lower bound of the misses, mirrored.

    Arguments and errors are those of `binomial_lower`.

    Example:
        >>> round(binomial_upper(torch.tensor([0]), 100, 0.05).item(), 4)
        0.0295
    """
    # The difference itself rounds by half a unit of 1.
    return (1 - binomial_lower(shots - hits, shots, error) + torch.finfo(torch.float64).eps).clamp(max=1.0)


def pessimistic_probabilities(
    counts: Tensor, shots: int, y: Tensor, confidence: float, *, complete: bool = False
) -> Tensor:
    r"""A lower bound for the class `y` and upper bounds for all others, which hold together with `confidence`.

    One-sided Clopper–Pearson bounds, each at :math:`(1 - \text{confidence}) / K` (Bonferroni over the K classes); no
    upper bound exceeds one minus the lower one. With two classes that share all shots both bounds are one statement,
    which needs no correction. The confidence is that of one sample: a batch of B samples holds together with at least
    :math:`1 - B(1 - \text{confidence})`.

    `y` must not be read from the same shots, which would favour it.

    Args:
        counts: shots `(batch, classes)` in which each class came out, whole numbers.
        shots: how many shots were measured; counts may sum to less.
        y: class `(batch,)` of which to doubt that it wins.
        confidence: with which all bounds of one sample hold.
        complete: every shot counts for one of the classes, whatever the sample.

    Returns:
        `(batch, classes)` float64; for `guan_infidelity` and everything else that shrinks with `p_y` and grows with the
        others.

    Raises:
        InputError: no shots, counts that are no numbers of shots, or a confidence outside (0, 1).

    Example:
        >>> bounds = pessimistic_probabilities(torch.tensor([[90, 10]]), 100, torch.tensor([0]), 0.95, complete=True)
        >>> [round(p, 4) for p in bounds[0].tolist()]
        [0.8363, 0.1637]
    """
    if counts.ndim != 2 or y.shape != counts.shape[:1] or bool((counts.sum(dim=1) > shots).any()):
        raise InputError(
            f"counts have shape {tuple(counts.shape)} for {len(y)} labels and {shots} shots; give (batch, classes) "
            "whole numbers of which no row sums to more than the shots."
        )
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}; it must lie between 0 and 1, for example 0.999.")
    classes = counts.shape[1]
    events = 1 if complete and classes == 2 else classes
    error = (1 - confidence) / events
    own = y[:, None]
    lower = binomial_lower(counts.gather(1, own), shots, error)
    upper = torch.minimum(binomial_upper(counts, shots, error), 1 - lower)
    return upper.scatter(1, own, lower)


def _check(hits: Tensor, shots: int, error: float) -> None:
    if shots < 1 or hits.is_complex() or bool(((hits < 0) | (hits > shots) | (hits != hits.round())).any()):
        raise InputError(f"hits must be whole numbers from 0 to shots = {shots}, which must be at least 1.")
    if not 0 < error < 1:
        raise InputError(f"error is {error}; it is the chance that a bound fails, between 0 and 1.")
