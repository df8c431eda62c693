"""What every part of an attack asks of a model that may be random: its price, a new stream, a mean over calls."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from counterspin.types import Classifier, Cost, CountsShots, PricesCalls, Reseedable
from counterspin.validation import checked_scores

__all__ = ["call_cost", "mean_price", "mean_scores", "reseeded", "shots_per_call"]


def shots_per_call(model: Classifier) -> int:
    """Measurement shots of one call per sample, 0 for a model that counts none."""
    return model.shots_per_call if isinstance(model, CountsShots) else 0


@runtime_checkable
class _CountsCircuits(Protocol):
    """A classifier that runs several circuits for each row: those of an error mitigation."""

    @property
    def circuits_per_call(self) -> int: ...


def call_cost(model: Classifier, rows: int) -> Cost:
    """What one call on `rows` rows costs: what the model says, or a forward, its circuits and the shots of each row."""
    if isinstance(model, PricesCalls):
        return model.call_price(rows)
    circuits = model.circuits_per_call if isinstance(model, _CountsCircuits) else 1
    return Cost(forwards=rows, circuits=rows * circuits, shots=rows * shots_per_call(model))


def mean_price(model: Classifier, rows: int, calls: int) -> Cost:
    """What `mean_scores` of `rows` rows costs."""
    if isinstance(model, PricesCalls):
        return model.call_price(rows * calls)
    return sum([call_cost(model, rows)] * calls, Cost())


def reseeded(model: Classifier, generator: torch.Generator | None) -> Classifier:
    """The model with a random stream started from a number drawn from `generator`.

    A model that offers no seed, and any model without a generator, goes on with the stream it has.
    """
    if generator is None or not isinstance(model, Reseedable):
        return model
    return model.seeded(int(torch.randint(2**62, (), generator=generator, device=generator.device)))


def mean_scores(model: Classifier, x: Tensor, calls: int) -> Tensor:
    """Mean scores `(batch, classes)` of `calls` independent calls on `x` `(batch, features)`, without a graph.

    A device is handed all of them as one job.

    Raises:
        ModelError: the model returned scores that are mis-shaped or not finite.
    """
    with torch.no_grad():
        if isinstance(model, PricesCalls):
            return checked_scores(model, x.repeat(calls, 1)).unflatten(0, (calls, -1)).mean(dim=0)
        total = checked_scores(model, x)
        for _ in range(calls - 1):
            total = total + checked_scores(model, x)
    return total / calls
