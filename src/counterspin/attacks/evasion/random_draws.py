"""Random draws in the ball: the baseline every guided attack must beat."""

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.attacks.base import Attack, Ball
from counterspin.attacks.oracle import ROWS_PER_CALL, Oracle

__all__ = ["RandomDraws"]


@dataclass(frozen=True, kw_only=True)
class RandomDraws(Attack):
    """Uniform draws from the ball.

    It needs no gradient, so it shows when gradients mislead: on periodic loss surfaces random draws have beaten
    100 steps of PGD.

    Args:
        draws: points per sample, budget and restart.

    Example:
        >>> RandomDraws().name
        'random'
    """

    draws: int = 1000

    norms = ("linf", "l2", "l1", "l0")
    knowledge = "black"

    @property
    def name(self) -> str:
        """`random`."""
        return "random"

    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        left = self.draws
        while left and not oracle.finished:
            # As many copies as one model call holds.
            copies = min(left, max(1, ROWS_PER_CALL // ball.rows))
            balls = ball.tile(copies)
            oracle.scores(balls.random_point(balls.center, generator))
            left -= copies
