"""What a foreign tool asks a model, told to our oracle."""

from __future__ import annotations

import torch
from torch import Tensor

from counterspin.attacks.ball import Ball
from counterspin.attacks.oracle import Oracle
from counterspin.types import Cost

__all__ = ["Witness"]

# Foreign tools compute in float32: a point this many roundings outside its ball is meant to be inside.
_ROUNDINGS = 16

# A margin no query can have: it stands where a sample was not asked about.
_UNASKED = 1e30


class Witness:
    """Files each query of a foreign tool with the sample it belongs to.

    Tools ask about all their rows in order, or about some of them only (those not yet broken) without saying which;
    such queries go to the sample with the nearest clean input. A wrong guess can only lose a point: what the oracle
    remembers lies in the ball of the sample it is filed under and is judged by that sample's class.

    Args:
        oracle: where queries are filed and counted.
        ball: the balls of the tool's rows.
        sample: the oracle's sample of each row `(rows,)`.
    """

    def __init__(self, oracle: Oracle, ball: Ball, sample: Tensor) -> None:
        self._oracle = oracle
        self._ball = ball
        self._sample = sample

    def __call__(self, x: Tensor, scores: Tensor) -> None:
        """Note features `x` `(n, features)` and their scores `(n, classes)`; a backward through them is counted too."""
        n = len(x)
        points = x.detach().to(self._ball.center)
        rows = torch.arange(n, device=x.device) if n == self._ball.rows else self._nearest(points)
        self._file(self._sample[rows], self.snapped(points, rows), scores.detach())
        if scores.requires_grad:
            scores.register_hook(lambda _: self._count(Cost(backwards=n)))

    def snapped(self, x: Tensor, rows: Tensor) -> Tensor:
        """Points `x` `(n, features)`, those a rounding outside the ball of their row `(n,)` moved into it."""
        inside = self._ball.take(rows).project(x)
        slack = _ROUNDINGS * torch.finfo(torch.float32).eps * (1.0 + x.abs())
        close = ((inside - x).abs() <= slack).all(dim=1, keepdim=True)
        return torch.where(close, inside, x)

    def _nearest(self, x: Tensor) -> Tensor:
        order = torch.inf if self._ball.norm == "linf" else 2.0
        return torch.cdist(x, self._ball.center, p=order).argmin(dim=1)

    def _file(self, sample: Tensor, x: Tensor, scores: Tensor) -> None:
        """Hand over queries as whole stacks of the samples, in their order, filled up where nothing was asked."""
        samples = len(self._oracle.y)
        asked = torch.nn.functional.one_hot(sample, samples)
        layer = (asked.cumsum(dim=0) - 1).gather(1, sample[:, None])[:, 0]
        place = layer * samples + sample
        layers = int(layer.max()) + 1
        nowhere = x.new_zeros(samples * layers, x.shape[1])
        wanted = self._oracle.y if self._oracle.target is None else (self._oracle.target + 1) % scores.shape[1]
        filler = _UNASKED * torch.nn.functional.one_hot(wanted, scores.shape[1]).to(scores).repeat(layers, 1)
        self._oracle.observe(
            nowhere.index_copy(0, place, x),
            filler.index_copy(0, place, scores),
            Cost(forwards=len(x), circuits=len(x)),
        )

    def _count(self, cost: Cost) -> None:
        self._oracle.cost += cost
