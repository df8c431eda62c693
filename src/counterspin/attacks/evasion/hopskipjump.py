"""HopSkipJump: gradients of the boundary from decisions alone (Chen, Jordan and Wainwright, arXiv:1904.02144)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.attacks.base import Ball
from counterspin.attacks.evasion.decisions import Decisions
from counterspin.attacks.minimum_norm import MinimumNorm
from counterspin.attacks.oracle import Oracle
from counterspin.errors import UsageError

__all__ = ["HopSkipJump"]

# The bisection tolerance of the paper is γ d^(-3/2) (L2) and γ d^(-2) (L-infinity) with γ = 1, for images. A hundredth
# of it serves features by the dozen.
_GAMMA = 0.01


@dataclass(frozen=True, kw_only=True)
class HopSkipJump(MinimumNorm):
    r"""Walk along the boundary, guided by decisions at random points around it.

    .. math:: v = \frac{1}{B_t - 1} \sum_b (\phi(x_t + \delta_t u_b) - \bar\phi)\, u_b, \qquad
        x_t' = x_t + \xi_t \frac{v}{\|v\|_2} \ \text{or} \ x_t + \xi_t \operatorname{sign} v

    with :math:`\phi = \pm 1` whether the class is another one, :math:`B_t = B_0 \sqrt t` directions on the unit sphere
    and :math:`\xi_t = \|x_t - x\| / \sqrt t`, halved until the point breaks its sample; then the way back to the clean
    input is bisected to the boundary. Starts are blends of the input with noise from the box, whatever its bounds.
    Directions are cut by the box and averaged as they were asked.

    Args:
        steps: walks per start.
        evaluations: :math:`B_0`.
        draws: points asked for a start; the nearest one of another class is taken.

    Raises:
        UsageError: fewer than two evaluations.

    Example:
        >>> HopSkipJump().name
        'hopskipjump'
    """

    steps: int = 15
    evaluations: int = 60
    draws: int = 40

    knowledge = "decision"

    def __post_init__(self) -> None:
        """Refuse fewer than two evaluations."""
        super().__post_init__()
        if not (isinstance(self.evaluations, int) and self.evaluations >= 2):
            raise UsageError(f"evaluations is {self.evaluations!r}; it must be a whole number of at least 2.")

    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        seen = Decisions.of(oracle, ball)
        features = ball.center.shape[1]
        power = 2.0 if ball.norm == "linf" else 1.5
        tolerance = _GAMMA / features**power
        x, found = seen.start(self.draws, generator)
        x = seen.to_boundary(x, tolerance)
        for step in range(1, self.steps + 1):
            if oracle.finished:
                return
            # Wide enough for decisions to differ on the far side of a bisection of this tolerance.
            width = features ** (power - 1.0) * tolerance * seen.distance(x)
            count = int(self.evaluations * math.sqrt(step))
            direction = ball.steepest(self._direction(seen, x, width, count, generator), x)
            moved, flipped = self._walk(seen, x, direction, seen.distance(x) / math.sqrt(step))
            moved = seen.to_boundary(torch.where(flipped[:, None], moved, x), tolerance)
            nearer = flipped & (seen.distance(moved) < seen.distance(x))[:, 0]
            x = torch.where(nearer[:, None], moved, x)
            # Rows that have found no other class yet go on looking for one.
            candidate = torch.where(found[:, None], x, seen.draw(1.0, generator))
            if not bool(found.all()):
                late = seen.flipped(candidate) & ~found
                x, found = torch.where(late[:, None], candidate, x), found | late

    def _direction(self, seen: Decisions, x: Tensor, width: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """Estimate `(rows, features)` of the normal of the boundary at `x`, towards the other class."""
        noise = torch.randn((count, *x.shape), generator=generator, dtype=x.dtype, device=generator.device).to(x.device)
        noise = noise / torch.linalg.vector_norm(noise, dim=2, keepdim=True)
        points = seen.admissible(x + width * noise)
        asked = (points - x) / width.clamp_min(torch.finfo(x.dtype).tiny)
        phi = 2.0 * seen.flipped(points).to(x) - 1.0
        mean = phi.mean(dim=0)
        # Where all decisions agree the baseline would leave nothing: the mean direction is then all there is.
        weight = torch.where(mean.abs() == 1.0, phi, phi - mean)
        return (weight[..., None] * asked).mean(dim=0)

    def _walk(self, seen: Decisions, x: Tensor, direction: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
        """The farthest of the points one size, half a size, ... along `direction` that breaks its sample."""
        moved, flipped = x, torch.zeros_like(seen.y, dtype=torch.bool)
        for _ in range(12):
            candidate = torch.where(flipped[:, None], moved, seen.admissible(x + size * direction))
            now = seen.flipped(candidate)
            moved = torch.where((now & ~flipped)[:, None], candidate, moved)
            flipped = flipped | now
            if bool(flipped.all()) or seen.oracle.finished:
                break
            size = size / 2
        return moved, flipped
