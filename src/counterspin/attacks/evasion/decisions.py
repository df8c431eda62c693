"""What attacks that see only the predicted class share: a point of another class to start from, and bisection."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from counterspin.attacks.ball import Ball
from counterspin.attacks.losses import verdict_margin
from counterspin.attacks.oracle import Oracle

__all__ = ["Decisions"]

# How far a start is looked for where a feature has no bounds, in budgets.
_FAR = 64.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Decisions:
    """A model of which one sees whether a sample is still classified as it should be, and nothing else.

    Args:
        oracle: answers for rows.
        ball: admissible set of each row; the search may leave its budget, never its other constraints.
        y: true class of each row `(rows,)`.
        target: wanted class of each row `(rows,)`, or None.
        whole: the balls as large as the box.
    """

    oracle: Oracle
    ball: Ball
    y: Tensor
    target: Tensor | None
    whole: Ball

    @classmethod
    def of(cls, oracle: Oracle, ball: Ball) -> Decisions:
        """The decisions an oracle lets one see."""
        copies = ball.rows // len(oracle.y)
        reach = torch.maximum(ball.upper - ball.center, ball.center - ball.lower)
        reach = torch.where(torch.isfinite(reach), reach, _FAR * ball.radius)
        return cls(
            oracle=oracle,
            ball=ball,
            y=oracle.y.repeat(copies),
            target=None if oracle.target is None else oracle.target.repeat(copies),
            whole=replace(ball, radius=ball.size(reach)),
        )

    def flipped(self, x: Tensor) -> Tensor:
        """Whether points `(..., rows, features)` break their samples `(..., rows)`; one query each."""
        scores = self.oracle.scores(x.flatten(0, -2))
        times = len(scores) // len(self.y)
        target = None if self.target is None else self.target.repeat(times)
        return (verdict_margin(scores, self.y.repeat(times), target) <= 0).reshape(x.shape[:-1])

    def admissible(self, x: Tensor) -> Tensor:
        """The nearest points `(..., rows, features)` within everything but the budget."""
        times = x.flatten(0, -2).shape[0] // self.whole.rows
        return self.whole.tile(times).project(x.flatten(0, -2)).reshape(x.shape)

    def draw(self, share: float, generator: torch.Generator) -> Tensor:
        """One point per row `(rows, features)`: the clean input blended with noise from the whole box.

        Args:
            share: of the noise; 1 for none of the input.
            generator: source of the noise.
        """
        center = self.ball.center
        uniform = torch.rand(center.shape, generator=generator, dtype=center.dtype, device=generator.device)
        far = _FAR * self.ball.radius
        lower = torch.maximum(self.ball.lower, center - far)
        upper = torch.minimum(self.ball.upper, center + far)
        noise = lower + (upper - lower) * uniform.to(center.device)
        return self.admissible(center + share * (noise - center))

    def start(self, draws: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The nearest of some draws of another class `(rows, features)`, and which rows have one `(rows,)`."""
        point, size = self.ball.center, torch.full_like(self.ball.radius, torch.inf)
        for attempt in range(draws):
            if self.oracle.finished:
                break
            # Near ones are better starts, far ones more often of another class.
            candidate = self.draw((attempt % 4 + 1) / 4, generator)
            length = torch.where(self.flipped(candidate)[:, None], self.distance(candidate), torch.inf)
            point, size = torch.where(length < size, candidate, point), torch.minimum(size, length)
        return point, torch.isfinite(size)[:, 0]

    def between(self, far: Tensor, share: Tensor) -> Tensor:
        """Points at a share `(rows, 1)` of the distance to `far` `(rows, features)`, in the norm of the threat."""
        delta = far - self.ball.center
        if self.ball.norm == "linf":
            length = share * self.ball.size(delta)
            return self.ball.center + torch.minimum(torch.maximum(delta, -length), length)
        return self.ball.center + share * delta

    def to_boundary(self, far: Tensor, tolerance: float) -> Tensor:
        """The point at which the way from the clean input to `far`, which breaks it, crosses the boundary.

        Args:
            far: `(rows, features)`.
            tolerance: share of the way up to which it is met; the point returned is on the far side.
        """
        low, high = torch.zeros_like(far[:, :1]), torch.ones_like(far[:, :1])
        width = 1.0
        while width > tolerance and not self.oracle.finished:
            middle = (low + high) / 2
            flipped = self.flipped(self.between(far, middle))[:, None]
            low, high = torch.where(flipped, low, middle), torch.where(flipped, middle, high)
            width /= 2
        return self.between(far, high)

    def distance(self, x: Tensor) -> Tensor:
        """Size of the change `(rows, 1)`."""
        return self.ball.size(x - self.ball.center)
