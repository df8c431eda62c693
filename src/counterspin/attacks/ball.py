"""The set an attack moves in: a norm ball around each input, cut by the box."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from counterspin.types import Box

__all__ = ["Ball"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Ball:
    r"""Per row the admissible set :math:`\{z : \|z - c\|_p \le r,\ l \le z \le u\}`; it always holds its centre.

    Every point that `project` or a draw returns satisfies both constraints in floating point, in the ball's dtype.
    Periodic features have no bounds: a point past one end of the circle is kept as it is (`c + delta`), so that
    `z - c` is the way walked; `project` first brings any point to the representative next to the centre.

    Args:
        center: the clean inputs `(rows, features)`.
        radius: budget of each row in feature units `(rows, 1)`.
        norm: `"linf"` or `"l2"`.
        lower: lowest admissible values `(rows, features)`.
        upper: highest admissible values `(rows, features)`.
        period: period of each feature `(features,)`, infinite for those on a line.

    Example:
        >>> ball = Ball.around(torch.tensor([[0.9, 0.5]]), torch.tensor([0.2]), "linf", Box.uniform(0.0, 1.0, 2))
        >>> ball.project(torch.tensor([[2.0, 0.0]])).tolist()
        [[1.0, 0.30000001192092896]]
    """

    center: Tensor
    radius: Tensor
    norm: str
    lower: Tensor
    upper: Tensor
    period: Tensor

    @classmethod
    def around(cls, center: Tensor, radius: Tensor, norm: str, box: Box | None) -> Ball:
        """Balls of `radius` `(rows,)` around `center` `(rows, features)` in `box` (None: no box).

        A clean input a rounding outside the box is admissible by definition: the box reaches to it.
        """
        box = Box.unbounded(center.shape[1]) if box is None else box
        periodic = box.periodic.to(center.device)
        lower, upper = box.lower.to(center), box.upper.to(center)
        ball = cls(
            center=center,
            radius=radius.to(center)[:, None],
            norm=norm,
            lower=torch.minimum(lower.masked_fill(periodic, -torch.inf), center),
            upper=torch.maximum(upper.masked_fill(periodic, torch.inf), center),
            period=(upper - lower).masked_fill(~periodic, torch.inf),
        )
        # The same set with a radius that is reached: steps are shares of it, and would jump from wall to wall.
        farthest = ball.size(torch.maximum(ball.upper - center, center - ball.lower))
        return replace(ball, radius=torch.minimum(ball.radius, farthest))

    @property
    def rows(self) -> int:
        """Number of balls."""
        return self.center.shape[0]

    def take(self, index: Tensor) -> Ball:
        """The balls of the rows `index` `(n,)`."""
        return self._with(self.center[index], self.radius[index], self.lower[index], self.upper[index])

    def tile(self, times: int) -> Ball:
        """All balls `times` times over, copy after copy."""
        return self.take(torch.arange(self.rows, device=self.center.device).repeat(times))

    def size(self, delta: Tensor) -> Tensor:
        """Norm of each row of `delta`, `(rows, 1)`."""
        order = torch.inf if self.norm == "linf" else 2.0
        return torch.linalg.vector_norm(delta, ord=order, dim=1, keepdim=True)

    def contains(self, x: Tensor, tolerance: float = 0.0) -> Tensor:
        """Which rows of `x` are admissible `(rows,)`, up to a share `tolerance` of the radius."""
        slack = tolerance * self.radius
        inside = (x >= self.lower - slack) & (x <= self.upper + slack)
        return inside.all(dim=1) & (self.size(x - self.center) <= self.radius + slack)[:, 0]

    def project(self, x: Tensor) -> Tensor:
        r"""The nearest admissible point of each row of `x` `(rows, features)`, in Euclidean distance.

        L2 with a box: the minimiser is :math:`\mathrm{clip}(c + t(x - c))` with the largest :math:`t \le 1` that keeps
        it in the ball (the multiplier of the ball is :math:`1/t - 1`); :math:`t` in closed form from the sorted bounds.
        """
        x = self._unwrap(x)
        if self.norm == "linf":
            return self._inside_linf(x)
        return self._inside_l2(x)

    def steepest(self, gradient: Tensor) -> Tensor:
        """The direction of unit norm along which a linear function with this gradient grows most; 0 where it is 0."""
        if self.norm == "linf":
            return gradient.sign()
        # Scaled first: squares of tiny float32 gradients underflow.
        peak = gradient.abs().amax(dim=1, keepdim=True)
        scaled = torch.where(peak > 0, gradient / peak, 0.0)
        length = torch.linalg.vector_norm(scaled, dim=1, keepdim=True)
        return torch.where(length > 0, scaled / length, 0.0)

    def random_point(self, start: Tensor, generator: torch.Generator) -> Tensor:
        """A uniform draw from the ball for rows that start at its centre; other rows are warm starts and are kept."""
        if self.norm == "linf":
            draw = self.center + self.radius * (2 * self._uniform(self.center.shape, generator) - 1)
        else:
            share = self._uniform((self.rows, 1), generator) ** (1.0 / self.center.shape[1])
            draw = self.center + self.radius * share * self._direction(generator)
        cold = (start == self.center).all(dim=1, keepdim=True)
        return self.project(torch.where(cold, draw, start))

    def _with(self, center: Tensor, radius: Tensor, lower: Tensor, upper: Tensor) -> Ball:
        return Ball(center=center, radius=radius, norm=self.norm, lower=lower, upper=upper, period=self.period)

    def _uniform(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        draw = torch.rand(shape, generator=generator, dtype=self.center.dtype, device=generator.device)
        return draw.to(self.center.device)

    def _direction(self, generator: torch.Generator) -> Tensor:
        draw = torch.randn(self.center.shape, generator=generator, dtype=self.center.dtype, device=generator.device)
        return draw.to(self.center.device) / torch.linalg.vector_norm(draw, dim=1, keepdim=True).to(self.center.device)

    def _unwrap(self, x: Tensor) -> Tensor:
        circular = torch.isfinite(self.period)
        if not bool(circular.any()):
            return x
        half = self.period.masked_fill(~circular, 1.0) / 2
        delta = x - self.center
        return torch.where(circular, self.center + torch.remainder(delta + half, 2 * half) - half, x)

    def _clip(self, x: Tensor) -> Tensor:
        return torch.minimum(torch.maximum(x, self.lower), self.upper)

    def _inside_linf(self, x: Tensor) -> Tensor:
        x = self._clip(torch.minimum(torch.maximum(x, self.center - self.radius), self.center + self.radius))
        # center ± radius is rounded and may lie one unit in the last place too far.
        return torch.where((x - self.center).abs() > self.radius, torch.nextafter(x, self.center), x)

    def _inside_l2(self, x: Tensor) -> Tensor:
        outside = (~self.contains(x)).nonzero()[:, 0]
        if len(outside) == 0:
            return x
        part = self.take(outside)
        step = x[outside] - part.center
        point = part._clip(part.center + part._reach(step) * step)
        # Rounding center + delta costs up to eps |point| and may leave a row outside: shrink it by that much, then by
        # more, and in the end give up the step.
        unit = torch.finfo(x.dtype).eps * (part.size(point) + part.radius)
        for slack in (unit, 4 * unit, 16 * unit):
            delta = point - part.center
            length = part.size(delta)
            ratio = torch.where(length > part.radius, (part.radius - slack).clamp_min(0.0) / length, 1.0)
            point = torch.where(length > part.radius, part._clip(part.center + ratio * delta), point)
        point = torch.where(part.size(point - part.center) > part.radius, part.center, point)
        return x.index_copy(0, outside, point)

    def _reach(self, step: Tensor) -> Tensor:
        """The largest t in [0, 1] with |clip(center + t step) - center| <= radius, `(rows, 1)`."""
        room = torch.where(step > 0, self.upper - self.center, self.center - self.lower)
        # The features in the order in which they hit their bound as t grows; those that do not move never do.
        hit = torch.where(step == 0, torch.inf, room / step.abs())
        hit, order = hit.sort(dim=1)
        step, room = step.gather(1, order), room.gather(1, order)
        finite = torch.isfinite(hit)
        bound = torch.where(finite, room, 0.0).square()
        stopped = bound.cumsum(dim=1)
        moving = step.square().flip(1).cumsum(dim=1).flip(1)  # of this feature and all later ones
        at_hit = torch.where(finite, stopped - bound + hit.square() * moving, torch.inf)
        squared = self.radius.square()
        count = (at_hit <= squared).sum(dim=1, keepdim=True)
        zero = torch.zeros_like(squared)
        rest = squared - torch.cat([zero, stopped], dim=1).gather(1, count)
        speed = torch.cat([moving, zero], dim=1).gather(1, count)
        return torch.where(speed > 0, (rest.clamp_min(0.0) / speed).sqrt(), 1.0).clamp(max=1.0)
