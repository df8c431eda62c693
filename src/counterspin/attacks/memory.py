"""What an oracle remembers of each sample: the point closest to breaking it, or the nearest that breaks it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.attacks.ball import Ball

__all__ = ["Memory"]

# A point outside the ball by more than this share of the radius is never remembered; the verdict projects the rest.
_FEASIBLE = 1e-6


@dataclass(eq=False, kw_only=True)
class Memory:
    """Per sample the best admissible point ever queried.

    Until a sample is broken, the best point is the one with the lowest verdict margin. From then on it is the same with
    `nearest` False, and the broken point nearest to the clean input with `nearest` True.

    In float32 a sample counts as broken only beyond a relative margin of 1e-6, so that the float64 verdict does not
    overturn it; the attack simply goes on until then.

    Args:
        best: best points `(samples, features)`.
        margin: their verdict margins `(samples,)`.
        broken: samples with a point that breaks them `(samples,)`.
        distance: size of the change of the best point where it breaks its sample, else infinite `(samples,)`.
        nearest: whether distance decides among the points that break a sample.
        settles: whether scores seen here can break a sample; those of a stochastic model cannot.
    """

    best: Tensor
    margin: Tensor
    broken: Tensor
    distance: Tensor
    nearest: bool
    settles: bool = True

    @classmethod
    def starting(cls, best: Tensor, margin: Tensor, *, nearest: bool, settles: bool = True) -> Memory:
        """Nothing broken yet."""
        return cls(
            best=best.clone(),
            margin=margin.clone(),
            broken=torch.zeros_like(margin, dtype=torch.bool),
            distance=torch.full_like(margin, torch.inf),
            nearest=nearest,
            settles=settles,
        )

    def remember(self, sample: Tensor, x: Tensor, ball: Ball, scores: Tensor, margin: Tensor) -> None:
        """Keep what is better than what was known.

        Args:
            sample: the sample of each row `(rows,)`.
            x: queried points `(rows, features)`.
            ball: the balls the rows `sample` belong to, indexable by `rows % ball.rows` through `ball.take`.
            scores: of the points `(rows, classes)`.
            margin: their verdict margins `(rows,)`.
        """
        margin = margin.to(self.margin)
        if self.nearest:
            slack = 0.0 if scores.dtype == torch.float64 else 1e-6
            breaking = margin <= -slack * scores.abs().amax(dim=1).to(margin)
            self._keep_nearest(sample[breaking], x[breaking], ball.take(sample[breaking]), margin[breaking])
            sample, x, scores, margin = (t[~breaking] for t in (sample, x, scores, margin))
        promising = ((margin < self.margin[sample]) & ~(self.broken[sample] & self.nearest)).nonzero()[:, 0]
        if len(promising):
            inside = ball.take(sample[promising]).contains(x[promising], tolerance=_FEASIBLE)
            promising = promising[inside]
        if len(promising) == 0:
            return
        # Several rows of one sample may improve at once: the lowest margin wins, the first row where they tie.
        owner = sample[promising]
        lowest = self.margin.scatter_reduce(0, owner, margin[promising], "amin")
        winners = promising[margin[promising] == lowest[owner]].flip(0)
        self.best[sample[winners]] = x[winners].to(self.best)
        self.margin = lowest
        if self.nearest or not self.settles:
            return
        slack = 0.0 if scores.dtype == torch.float64 else 1e-6
        clear = margin[winners] <= -slack * scores[winners].abs().amax(dim=1).to(margin)
        self.broken[sample[winners[clear]]] = True

    def _keep_nearest(self, sample: Tensor, x: Tensor, ball: Ball, margin: Tensor) -> None:
        size = ball.size(x - ball.center)[:, 0].to(self.distance)
        nearer = ((size < self.distance[sample]) & ball.contains(x, tolerance=_FEASIBLE)).nonzero()[:, 0]
        if len(nearer) == 0:
            return
        owner = sample[nearer]
        self.distance = self.distance.scatter_reduce(0, owner, size[nearer], "amin")
        winners = nearer[size[nearer] == self.distance[owner]].flip(0)
        self.best[sample[winners]] = x[winners].to(self.best)
        self.margin[sample[winners]] = margin[winners]
        self.broken[sample[winners]] = True
