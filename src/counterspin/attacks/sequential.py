"""The verdict on a stochastic model: adversarial or robust beyond joint bounds, or undecided."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import torch
from scipy.stats import beta
from torch import Tensor

from counterspin.attacks.ledger import ledger_of
from counterspin.attacks.losses import verdict_margin
from counterspin.attacks.modes import frozen
from counterspin.attacks.oracle import ROWS_PER_CALL
from counterspin.attacks.stochastic import call_cost, reseeded
from counterspin.errors import UsageError
from counterspin.types import Classifier, Cost, PricesCalls
from counterspin.validation import as_features, as_labels, checked_scores

__all__ = ["FIRST_ROUND", "SequentialVerdict", "Status", "calls_price", "sequential_verdict"]

# Calls of the first round; each later round doubles the total.
FIRST_ROUND = 16


class Status(IntEnum):
    """Verdicts, ordered so that the worst of several is their maximum."""

    ROBUST = 0
    UNDECIDED = 1
    ADVERSARIAL = 2


@dataclass(frozen=True, eq=False, kw_only=True)
class SequentialVerdict:
    """What a sequential test found, per sample.

    Args:
        status: `Status` as int64 `(batch,)`.
        counts: how often each class was predicted `(batch, classes)`.
        lower: lower end of the joint interval of θ, see `sequential_verdict`, `(batch,)`.
        upper: its upper end `(batch,)`.
        calls: model calls of each sample `(batch,)`.
        cost: of all calls together.
        confidence: of each sample's verdict and interval.
        cut: whether an execution budget ended the test before its last round; undecided samples then had no chance.
    """

    status: Tensor
    counts: Tensor
    lower: Tensor
    upper: Tensor
    calls: Tensor
    cost: Cost
    confidence: float
    cut: bool = False

    @property
    def adversarial(self) -> Tensor:
        """Samples that are broken `(batch,)`."""
        return self.status == Status.ADVERSARIAL

    @property
    def robust(self) -> Tensor:
        """Samples that are not `(batch,)`."""
        return self.status == Status.ROBUST

    @property
    def undecided(self) -> Tensor:
        """Samples on which the calls ran out `(batch,)`."""
        return self.status == Status.UNDECIDED


def sequential_verdict(
    model: Classifier,
    x: Any,
    y: Any,
    target: Tensor | None = None,
    *,
    confidence: float = 0.95,
    max_calls: int = 1024,
    generator: torch.Generator | None = None,
) -> SequentialVerdict:
    r"""Decide whether the class most often predicted is the true one, with as few calls as that takes.

    One call gives one prediction ŷ: the class of the largest score, a tie counting against the true class (for a
    target: for the target). With c the true class, or the target, the test is about

    .. math:: \theta = \min_{j \ne c} \theta_j, \qquad
        \theta_j = \frac{P(\hat y = c)}{P(\hat y = c) + P(\hat y = j)},

    which is above ½ iff c is predicted more often than its strongest rival. Untargeted, θ > ½ is ROBUST and θ < ½
    ADVERSARIAL; with a target the other way round. Rounds end at 16, 32, 64, … calls; only undecided samples go on.

    With probability at least `confidence`, a sample's interval holds θ in all rounds at once, so no verdict is wrong.
    Proof: fix a round r of the R possible ones, and imagine that sampling never stops. Given the number :math:`n_j` of
    calls that predicted c or j, the number of those that predicted c is binomial with :math:`\theta_j`. Let
    :math:`L_j` be the one-sided Clopper–Pearson bound at level :math:`\alpha/2R` and :math:`U_j` the one at level
    :math:`\alpha/2R(K-1)`, α = 1 − confidence. For the strongest rival s, :math:`\min_j L_j \le L_s` exceeds
    :math:`\theta = \theta_s` with probability at most :math:`\alpha/2R`: the lower end needs no union over rivals. The
    upper end :math:`\min_j U_j` falls below θ only if some :math:`U_j < \theta \le \theta_j`, with probability at most
    :math:`(K-1) \cdot \alpha/2R(K-1)`. Summed over both ends and all rounds, a wrong end has probability at most α, and
    a test that stops sees a part of those rounds. The bound is for calls that are independent of each other; rows of
    one call need not be.

    Args:
        model: any classifier; one that is not stochastic is decided in the first rounds.
        x: inputs `(batch, features)`; scores are computed in float64.
        y: true classes `(batch,)`.
        target: wanted classes `(batch,)`, or None.
        confidence: above 0 and below 1.
        max_calls: calls per sample after which it is UNDECIDED.
        generator: seeds the model's random stream where it offers `seeded`; None: the stream goes on where it is.

    Raises:
        UsageError: a confidence or number of calls that makes no test.
        InputError: data that cannot be used.
        ModelError: scores that are mis-shaped or not finite.
    """
    if not 0.0 < confidence < 1.0:
        raise UsageError(f"confidence is {confidence}; it must lie above 0 and below 1, for example 0.95.")
    if not (isinstance(max_calls, int) and max_calls >= 1):
        raise UsageError(f"max_calls is {max_calls!r}; it must be a whole number of at least 1.")
    x = as_features(x).double()
    y = as_labels(y, model.classes, len(x)).to(x.device)
    rounds = _rounds(max_calls)
    alpha = (1.0 - confidence) / len(rounds)
    leader = y if target is None else target
    counts = torch.zeros(len(x), model.classes, dtype=torch.int64, device=x.device)
    lower, upper = torch.zeros(len(x)).to(x), torch.ones(len(x)).to(x)
    undecided = torch.arange(len(x), device=x.device)
    made, cost, cut = 0, Cost(), False
    model = reseeded(model, generator)
    ledger = ledger_of(model)
    with frozen(model):
        for total in rounds:
            # Round by round: an interval after half a round would be one more look at the data.
            price = calls_price(model, len(undecided), total - made)
            if not ledger.admits(price):
                cut = True
                break
            if isinstance(model, PricesCalls):
                _count(model, x, y, target, undecided.repeat(total - made), counts)
            else:
                for _ in range(total - made):
                    _count(model, x, y, target, undecided, counts)
            made, cost = total, cost + price
            lower[undecided], upper[undecided] = _interval(counts[undecided], leader[undecided], alpha)
            undecided = undecided[(lower[undecided] <= 0.5) & (upper[undecided] >= 0.5)]
            if len(undecided) == 0:
                break
    leads, trails = (Status.ROBUST, Status.ADVERSARIAL) if target is None else (Status.ADVERSARIAL, Status.ROBUST)
    status = torch.full_like(y, Status.UNDECIDED)
    status[lower > 0.5] = leads
    status[upper < 0.5] = trails
    calls = counts.sum(dim=1)
    return SequentialVerdict(
        status=status,
        counts=counts,
        lower=lower,
        upper=upper,
        calls=calls,
        cost=cost,
        confidence=confidence,
        cut=cut,
    )


def calls_price(model: Classifier, rows: int, calls: int) -> Cost:
    """What `calls` predictions of `rows` samples cost: one job of a device, calls of bounded size of others."""
    if isinstance(model, PricesCalls):
        return model.call_price(rows * calls)
    whole, rest = divmod(rows, ROWS_PER_CALL)
    sizes = [ROWS_PER_CALL] * whole + [rest] * (rest > 0)
    return sum((call_cost(model, size) for size in sizes * calls), Cost())


def _rounds(max_calls: int) -> list[int]:
    """Total calls at the end of each round."""
    totals, total = [], FIRST_ROUND
    while total < max_calls:
        totals.append(total)
        total *= 2
    return [*totals, max_calls]


def _count(model: Classifier, x: Tensor, y: Tensor, target: Tensor | None, rows: Tensor, counts: Tensor) -> None:
    """Add one prediction for each of the samples `rows`, which may repeat, to `counts`; a device takes all at once."""
    for index in rows.split(len(rows) if isinstance(model, PricesCalls) else ROWS_PER_CALL):
        with torch.no_grad():
            scores = checked_scores(model, x[index]).double()
        wanted = None if target is None else target[index]
        found = _predictions(scores, y[index], wanted)
        counts.index_put_((index, found), torch.ones_like(found), accumulate=True)


def _predictions(scores: Tensor, y: Tensor, target: Tensor | None) -> Tensor:
    """The class each row of scores stands for `(n,)`, ties broken in the attacker's favour."""
    broken = verdict_margin(scores, y, target) <= 0
    preferred = y if target is None else target
    others = scores.scatter(1, preferred[:, None], -torch.inf).argmax(dim=1)
    return torch.where(broken == (target is None), others, preferred)


def _interval(counts: Tensor, leader: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """Both ends of the interval of θ `(n,)`, each wrong with probability at most alpha / 2."""
    own = counts.gather(1, leader[:, None]).cpu().numpy()
    others = torch.ones_like(counts, dtype=torch.bool).scatter(1, leader[:, None], False)
    rivals = counts[others].reshape(len(counts), -1).cpu().numpy()
    # A beta distribution needs positive parameters; a bound without counts is set to its end.
    low = np.where(own > 0, beta.ppf(alpha / 2, np.maximum(own, 1), rivals + 1), 0.0)
    share = alpha / (2 * rivals.shape[1])
    high = np.where(rivals > 0, beta.ppf(1 - share, own + 1, np.maximum(rivals, 1)), 1.0)
    ends = (torch.from_numpy(end.min(axis=1)).to(counts.device) for end in (low, high))
    return next(ends), next(ends)
