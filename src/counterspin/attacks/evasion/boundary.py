"""The Boundary attack: a random walk along the boundary that only comes nearer (Brendel et al., arXiv:1712.04248)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.attacks.base import Ball
from counterspin.attacks.evasion.decisions import Decisions
from counterspin.attacks.minimum_norm import MinimumNorm
from counterspin.attacks.oracle import Oracle

__all__ = ["BoundaryAttack"]

# Shares of the distance of the first sideways step and the first step inwards, and how fast both follow the share of
# steps that stay on the other side.
_SIDEWAYS, _INWARDS, _RATE = 0.1, 0.1, 1.1
_SMALLEST = 1e-6


@dataclass(frozen=True, kw_only=True)
class BoundaryAttack(MinimumNorm):
    r"""Random steps at constant distance from the clean input, each followed by one towards it.

    .. math:: \tilde x = \Pi_d\bigl(x_t + \delta d\,\eta\bigr), \qquad
        x_{t+1} = \Pi_{(1 - \epsilon) d}(\tilde x)\ \text{ if it breaks the sample}

    with d the distance of :math:`x_t`, :math:`\eta` a random direction (L2) or feature (L-infinity, which the paper
    does not treat) and :math:`\Pi_r` the change rescaled or clipped to size r. Starts are blends of the input with
    noise from the box, whatever its bounds. Both steps adapt per row as in the paper, by a factor per step instead of
    in windows: the sideways one to the half of its points, the inward one to the quarter of its points breaking the
    sample. Two queries per step.

    Args:
        steps: steps per start.
        draws: points asked for a start; the nearest one of another class is taken.

    Example:
        >>> BoundaryAttack().name
        'boundary'
    """

    steps: int = 1500
    draws: int = 40

    knowledge = "decision"

    @property
    def name(self) -> str:
        """`boundary`."""
        return "boundary"

    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        seen = Decisions.of(oracle, ball)
        x, found = seen.start(self.draws, generator)
        x = seen.to_boundary(x, 1e-3)
        sideways = torch.full_like(x[:, :1], _SIDEWAYS)
        inwards = torch.full_like(sideways, _INWARDS)
        for _ in range(self.steps):
            if oracle.finished:
                return
            distance = seen.distance(x)
            aside = seen.admissible(_resized(ball, x + sideways * distance * _noise(ball, generator), distance))
            candidate = seen.admissible(_resized(ball, aside, (1 - inwards) * distance))
            if not bool(found.all()):
                candidate = torch.where(found[:, None], candidate, seen.draw(1.0, generator))
            stayed, nearer = seen.flipped(torch.stack([aside, candidate]))
            nearer = nearer & (~found | (seen.distance(candidate) < distance)[:, 0])
            found = found | nearer
            x = torch.where(nearer[:, None], candidate, x)
            sideways = _followed(sideways, stayed, 1.0)
            inwards = _followed(inwards, nearer, 3.0).clamp(max=0.5)


def _noise(ball: Ball, generator: torch.Generator) -> Tensor:
    """Gaussian directions of unit length `(rows, features)`; in L-infinity along one random feature per row."""
    noise = torch.randn(ball.center.shape, generator=generator, dtype=ball.center.dtype, device=generator.device)
    if ball.norm == "linf":
        # Where most features are at their limit, a step of all of them at once takes back more than it can gain.
        chosen = torch.randint(noise.shape[1], (len(noise), 1), generator=generator, device=generator.device)
        noise = torch.zeros_like(noise).scatter(1, chosen, noise.gather(1, chosen))
        return noise.to(ball.center.device)
    return (noise / torch.linalg.vector_norm(noise, dim=1, keepdim=True)).to(ball.center.device)


def _resized(ball: Ball, x: Tensor, size: Tensor) -> Tensor:
    """The change to each row of `x` rescaled to `size` `(rows, 1)`, or clipped to it in L-infinity."""
    delta = x - ball.center
    if ball.norm == "linf":
        return ball.center + torch.minimum(torch.maximum(delta, -size), size)
    return ball.center + delta * (size / ball.size(delta).clamp_min(torch.finfo(x.dtype).tiny))


def _followed(step: Tensor, hit: Tensor, odds: float) -> Tensor:
    """Longer after a hit, shorter after a miss; at rest where misses are `odds` times as frequent as hits."""
    return torch.where(hit[:, None], step * _RATE**odds, step / _RATE).clamp(_SMALLEST, 1.0)
