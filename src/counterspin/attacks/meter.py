"""A query budget per sample: who may still ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from counterspin.types import Cost

if TYPE_CHECKING:
    from counterspin.threats import QueryBudget

__all__ = ["Meter"]


class Meter:
    """What each sample has spent at one budget ε, against what it may spend.

    A query is a forward or a backward pass; circuits and shots are those of the model and of the gradient source, who
    say their price before they run. No limit is exceeded.

    Args:
        budget: the limits per sample; None entries are no limit.
        samples: number of samples.
        call: what a forward of one row costs.
        gradient: what a gradient of one row costs.

    Example:
        >>> from counterspin.threats import QueryBudget
        >>> meter = Meter(QueryBudget(queries=3), samples=1, call=Cost(forwards=1, circuits=1))
        >>> meter.affordable(torch.zeros(5, dtype=torch.long), gradient=False).tolist()
        [True, True, True, False, False]
    """

    def __init__(self, budget: QueryBudget, samples: int, call: Cost, gradient: Cost | None = None) -> None:
        limits = (budget.queries, budget.circuits, budget.shots)
        limit = torch.tensor([torch.inf if limit is None else limit for limit in limits], dtype=torch.float64)
        self._left = limit.repeat(samples, 1)
        self._prices = {False: _amounts(call), True: _amounts(call if gradient is None else gradient)}

    def spent(self) -> Tensor:
        """Samples that cannot afford another query `(samples,)`."""
        return (self._left < self._prices[False]).any(dim=1)

    def affordable(self, sample: Tensor, *, gradient: bool, calls: int = 1) -> Tensor:
        """Which of the rows, each of sample `sample` `(rows,)`, may be asked `calls` times; the first ones at most."""
        price = calls * self._prices[gradient]
        rank = _rank_within(sample)
        return ((rank[:, None] + 1) * price <= self._left[sample] + 1e-9).all(dim=1)

    def charge(self, sample: Tensor, cost: Cost) -> None:
        """Book `cost`, shared equally by the rows of samples `sample` `(rows,)`."""
        price = _amounts(cost) / len(sample)
        self._left.index_add_(0, sample, -price.expand(len(sample), -1))

    def take(self, index: Tensor) -> Meter:
        """A meter of the samples `index` `(n,)`; give it back by `put`."""
        part = Meter.__new__(Meter)
        part._left, part._prices = self._left[index], self._prices
        return part

    def put(self, index: Tensor, part: Meter) -> None:
        """Take over what the samples `index` `(n,)` have left in `part`."""
        self._left[index] = part._left


def _amounts(cost: Cost) -> Tensor:
    return torch.tensor([cost.forwards + cost.backwards, cost.circuits, cost.shots], dtype=torch.float64)


def _rank_within(sample: Tensor) -> Tensor:
    """How many earlier rows have the same sample `(rows,)`."""
    order = torch.argsort(sample, stable=True)
    ordered = sample[order]
    starts = torch.ones_like(ordered, dtype=torch.bool)
    starts[1:] = ordered[1:] != ordered[:-1]
    places = torch.arange(len(sample))
    first = torch.where(starts, places, 0).cummax(0).values
    rank = torch.empty_like(places)
    rank[order] = places - first
    return rank
