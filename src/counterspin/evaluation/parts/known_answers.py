r"""Known-answer circuits: inputs whose outcomes are known tell a tampered circuit from shot noise.

Of N shots from the declared distribution p the observed frequencies are, in the mean, at most
:math:`\tfrac12 \sum_o \sqrt{p_o (1 - p_o) / N}` away in total variation, and one shot changes that by at most 1/N. So
(McDiarmid) with probability at least :math:`1 - \alpha` they are no further away than

.. math:: \tau_N(p, \alpha) = \tfrac12 \sum_o \sqrt{\frac{p_o (1 - p_o)}{N}} + \sqrt{\frac{\ln(1/\alpha)}{2N}}.

What is further away was not the declared circuit. A circuit with distribution q is caught with probability at least
:math:`1 - \beta` where its total variation from p is above :math:`\tau_N(p, \alpha) + \tau_N(q, \beta)`. Several inputs
share :math:`\alpha` equally. Noise of an honest device moves outcomes too: give the distributions under its noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from counterspin.errors import InputError, UsageError

__all__ = ["KnownAnswers", "caught", "noise_threshold", "shots_needed"]

# Beyond this many shots a circuit counts as one that cannot be told apart.
_SHOTS = 10**9


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownAnswers:
    """The verdict on some known-answer circuits.

    Args:
        distance: total variation of observed and declared outcomes `(inputs,)`.
        threshold: what shot noise explains `(inputs,)`.
        tampered: whether any input is beyond it.
    """

    distance: Tensor
    threshold: Tensor
    tampered: bool


def noise_threshold(distribution: Tensor, shots: int, alpha: float) -> Tensor:
    """Total variation `(...)` from `distribution` `(..., outcomes)` that its shots exceed with probability <= alpha.

    Raises:
        UsageError: no shots, or no probability.

    Example:
        >>> import torch
        >>> round(noise_threshold(torch.tensor([0.5, 0.5]), 10_000, 0.01).item(), 4)
        0.0202
    """
    if shots < 1 or not 0 < alpha < 1:
        raise UsageError(f"shots and alpha are {shots} and {alpha:g}; give at least 1 shot and 0 < alpha < 1.")
    spread = (distribution * (1 - distribution)).clamp(min=0).sqrt().sum(dim=-1)
    return spread / (2 * math.sqrt(shots)) + math.sqrt(math.log(1 / alpha) / (2 * shots))


def caught(declared: Tensor, counts: Tensor, *, alpha: float = 0.01) -> KnownAnswers:
    """Whether observed counts are not those of the declared circuit, with a false alarm of at most `alpha` over all.

    Args:
        declared: outcome probabilities of some inputs `(inputs, outcomes)`.
        counts: how often each outcome was seen `(inputs, outcomes)`, with the same number of shots for every input.
        alpha: probability of a false alarm.

    Raises:
        InputError: counts that do not fit the distributions.

    Example:
        >>> import torch
        >>> caught(torch.tensor([[0.5, 0.5]]), torch.tensor([[700, 300]])).tampered
        True
    """
    totals = counts.sum(dim=-1)
    if counts.shape != declared.shape or not len(counts) or bool((totals != totals[0]).any()) or int(totals[0]) < 1:
        raise InputError(
            f"counts {tuple(counts.shape)} do not fit the distributions {tuple(declared.shape)}; give one row of "
            "counts per input, all of the same number of shots."
        )
    shots = int(totals[0])
    distance = (counts / shots - declared).abs().sum(dim=-1) / 2
    threshold = noise_threshold(declared, shots, alpha / len(counts))
    return KnownAnswers(distance=distance, threshold=threshold, tampered=bool((distance > threshold).any()))


def shots_needed(declared: Tensor, tampered: Tensor, *, alpha: float = 0.01, beta: float = 0.01) -> int | None:
    """Shots for each input with which a tampered circuit is caught with probability at least 1 - beta.

    Args:
        declared: outcome probabilities of some inputs `(inputs, outcomes)`.
        tampered: those of the tampered circuit.
        alpha: probability of a false alarm over all inputs.
        beta: probability of a miss.

    Returns:
        The smallest number that the bound gives; None: the outcomes are (almost) the same.

    Example:
        >>> import torch
        >>> shots_needed(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.5]]))
        50
    """
    distance = (declared - tampered).abs().sum(dim=-1) / 2

    def told(shots: int) -> bool:
        reach = noise_threshold(declared, shots, alpha / len(declared)) + noise_threshold(tampered, shots, beta)
        return bool((distance > reach).any())

    if not told(_SHOTS):
        return None
    low, high = 0, _SHOTS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if told(middle) else (middle, high)
    return high
