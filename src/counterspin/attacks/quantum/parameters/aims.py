r"""What one set of gate errors for all samples is to reach: a count, and the smooth stand-in that is ascended.

A count of broken samples has no gradient, so

.. math:: \sum_i \sigma(-m_i / \tau)

over the attacked samples is ascended, with :math:`m_i` the verdict margin. A high temperature pulls on all samples
alike, a low one on those near the boundary; which is right depends on how many can be broken, so several are tried.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.attacks.losses import verdict_margin
from counterspin.attacks.quantum.results import Situation

__all__ = ["Aim", "AsMany", "OneClass", "temperatures"]

# Shares of the attacked samples whose margins set the temperatures.
_SHARES = (0.5, 0.2, 0.08, 0.03)


@dataclass(frozen=True, kw_only=True, eq=False)
class Aim(ABC):
    """What the errors are to reach.

    Args:
        situation: the samples.
        finest: the temperature that tells errors of one count apart.
    """

    situation: Situation
    finest: float

    @abstractmethod
    def soft(self, scores: Tensor, temperature: Tensor, rows: Tensor | None = None) -> Tensor:
        """What is ascended `(lanes,)`, of scores `(lanes, rows, classes)` and temperatures `(lanes,)`.

        Args:
            scores: of the samples `rows`, under one set of errors per lane.
            temperature: one per lane.
            rows: which samples; None: all.
        """

    @abstractmethod
    def count(self, scores: Tensor, rows: Tensor | None = None) -> Tensor:
        """What is really reached `(lanes,)`, in samples."""

    def rank(self, scores: Tensor, rows: Tensor | None = None) -> Tensor:
        """Which lane is best `(lanes,)`: by the count, then by how near further samples are."""
        finest = torch.full_like(scores[:, 0, 0], self.finest)
        near = self.soft(scores, finest, rows) / (4 * len(self.situation.y))
        return self.count(scores, rows) + near.clamp(-0.4, 0.4)

    def _margins(self, scores: Tensor, rows: Tensor | None, target: int | None) -> Tensor:
        """Verdict margins `(lanes, rows)`."""
        lanes, count, _ = scores.shape
        y = self.situation.y if rows is None else self.situation.y[rows]
        y = y.repeat(lanes)
        wanted = None if target is None else torch.full_like(y, target)
        return verdict_margin(scores.flatten(0, 1), y, wanted).reshape(lanes, count)


@dataclass(frozen=True, kw_only=True, eq=False)
class AsMany(Aim):
    """As many of the attacked samples as possible."""

    def soft(self, scores: Tensor, temperature: Tensor, rows: Tensor | None = None) -> Tensor:
        """The soft count."""
        margins = self._margins(scores, rows, self.situation.target)
        return (torch.sigmoid(-margins / temperature[:, None]) * _at(self.situation.correct, rows)).sum(dim=1)

    def count(self, scores: Tensor, rows: Tensor | None = None) -> Tensor:
        """Broken samples."""
        broken = self._margins(scores, rows, self.situation.target) <= 0
        return (broken & _at(self.situation.correct, rows)).sum(dim=1).double()


@dataclass(frozen=True, kw_only=True, eq=False)
class OneClass(Aim):
    r"""The samples of one class, while the others lose no more than an allowance.

    .. math:: \sum_{i \in V} \sigma(-m_i/\tau) - \lambda\,\bigl(\sum_{i \in O} \sigma(-m_i/\tau) - a\bigr)_+

    with the victims V, the others O that are classified correctly, and the allowance a in samples.

    Args:
        victims: the attacked samples of that class `(batch,)`.
        others: correct samples of other classes `(batch,)`.
        regained: wrong samples of other classes `(batch,)`, which make up for lost ones where they turn right.
        allowed: how many the others may lose.
        price: λ.
    """

    victims: Tensor
    others: Tensor
    regained: Tensor
    allowed: float
    price: Tensor

    def soft(self, scores: Tensor, temperature: Tensor, rows: Tensor | None = None) -> Tensor:
        """Victims won, less the price of what others lose beyond the allowance."""
        heat = temperature[:, None]
        won = torch.sigmoid(-self._margins(scores, rows, self.situation.target) / heat) * _at(self.victims, rows)
        lost = torch.sigmoid(-self._margins(scores, rows, None) / heat) * _at(self.others, rows)
        # Scans have any number of lanes and need no price per lane: there the middle one serves.
        price = self.price if len(self.price) == len(scores) else self.price.median()
        return won.sum(dim=1) - price * (lost.sum(dim=1) - self.allowed).clamp_min(0)

    def count(self, scores: Tensor, rows: Tensor | None = None) -> Tensor:
        """Victims won; below 0 by the excess where others lose more than is allowed."""
        won = ((self._margins(scores, rows, self.situation.target) <= 0) & _at(self.victims, rows)).sum(dim=1)
        excess = self.lost(scores, rows) - self.allowed
        return torch.where(excess > 0, -excess, won.double())

    def lost(self, scores: Tensor, rows: Tensor | None = None) -> Tensor:
        """How many samples of other classes are classified correctly no more, on balance, `(lanes,)`."""
        wrong = self._margins(scores, rows, None) <= 0
        newly = (wrong & _at(self.others, rows)).sum(dim=1)
        return (newly - (~wrong & _at(self.regained, rows)).sum(dim=1)).double()


def temperatures(situation: Situation) -> Tensor:
    """Temperatures from coarse to fine, `(4,)`: quantiles of the clean margins of the attacked samples."""
    margins = situation.margin(situation.scores)[situation.correct]
    smallest = torch.finfo(torch.float64).eps * float(margins.abs().max())
    return margins.quantile(torch.tensor(_SHARES, dtype=torch.float64)).clamp_min(smallest)


def _at(mask: Tensor, rows: Tensor | None) -> Tensor:
    return mask if rows is None else mask[rows]
