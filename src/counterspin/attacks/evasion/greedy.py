"""Greedy flips guided by scores, for threats that count changes or list values."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from counterspin.attacks.base import Attack, Ball
from counterspin.attacks.losses import Margin
from counterspin.attacks.oracle import ROWS_PER_CALL, Oracle
from counterspin.errors import ConditionsError, UsageError
from counterspin.threats import ThreatModel
from counterspin.types import Classifier

__all__ = ["Greedy"]

_Flip = tuple[Tensor, Tensor]


@dataclass(frozen=True, kw_only=True)
class Greedy(Attack):
    """Change one feature or group at a time, each time the one that hurts most.

    In each step every flip (a unit and one of its other values, the clean one included) is tried from the current point
    and the best is taken if it helps. Where none helps, one of the changes made so far is first taken back, each in its
    turn, so that flips are exchanged once the budget is full; a start ends when no exchange helps. A flip that leaves
    the ball is brought back into it. The first start sets out from the best point known, the clean input at first, the
    others from random points.

    It serves L0, and every norm where all changeable features are discrete. A continuous feature (or tied set) in L0
    is tried at `levels` values, evenly spaced between its bounds.

    Args:
        steps: most rounds of flips per start.
        levels: values of a continuous feature, at least 2: its bounds and those between.

    Raises:
        UsageError: fewer than 2 levels.

    Example:
        >>> Greedy().config["levels"]
        5
    """

    steps: int = 50
    levels: int = 5

    norms = ("linf", "l2", "l1", "l0")
    knowledge: ClassVar[str] = "black"

    def __post_init__(self) -> None:
        """Refuse a grid without both bounds."""
        super().__post_init__()
        if self.levels < 2:
            raise UsageError(f"levels is {self.levels}; it must be at least 2, the bounds of a feature.")

    def _check_threat(self, model: Classifier, threat: ThreatModel) -> None:
        super()._check_threat(model, threat)
        features = model.bounds.features
        free = threat.constraints.movable(features) & ~threat.constraints.discrete(features)
        if threat.norm != "l0" and bool(free.any()):
            raise ConditionsError(
                f"attack greedy flips values; under {threat.norm!r} it needs every changeable feature to be discrete. "
                "List values in groups, use L0, or use APGD."
            )

    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        flips, loss = _flips(ball, self.levels), Margin()
        cold = (start == ball.center).all(dim=1, keepdim=True)
        known = oracle.best.to(start).repeat(ball.rows // len(oracle.y), 1)
        x = torch.where(cold, ball.random_point(ball.center, generator), ball.round(ball.project(known)))
        value = oracle.value(x, loss)
        # Which change is taken back before the next flip; 0: none.
        turn = torch.zeros(ball.rows, dtype=torch.long, device=x.device)
        for _ in range(self.steps):
            changes = _changed(ball, x, flips)
            if oracle.finished or bool((turn > changes.sum(dim=1)).all()):
                return
            base, before = _taken_back(ball, x, changes, turn, flips), value
            for proposals in _proposals(ball, base, flips):
                values = oracle.value(proposals, loss).reshape(-1, ball.rows)
                found, which = values.max(dim=0)
                row = which * ball.rows + torch.arange(ball.rows, device=x.device)
                x = torch.where((found > value)[:, None], proposals[row], x)
                value = torch.maximum(found, value)
            turn = torch.where(value > before, 0, turn + 1)


def _flips(ball: Ball, levels: int) -> list[_Flip]:
    """Of each unit its features `(width,)` and the values to try `(rows, values, width)`, the clean one first."""
    found = [(features, values) for features, values, _ in ball.joint_values()]
    movable = (ball.upper > ball.lower).any(dim=0)
    if ball.structure is None:
        unit = torch.arange(len(movable), device=movable.device)
    else:
        unit, movable = ball.structure.unit, movable & ~ball.structure.discrete
    share = torch.linspace(0.0, 1.0, levels).to(ball.center)[None, :, None]
    for number in unit[movable].unique():
        features = ((unit == number) & movable).nonzero()[:, 0]
        low, high, clean = (edge[:, None, features] for edge in (ball.lower, ball.upper, ball.center))
        found.append((features, torch.cat([clean, low + share * (high - low)], dim=1)))
    return found


def _proposals(ball: Ball, base: Tensor, flips: list[_Flip]) -> Iterator[Tensor]:
    """Every flip of `base`, brought into the ball, as many copies of the rows at a time as one model call holds."""
    every = [(features, value) for features, values in flips for value in values.unbind(dim=1)]
    size = max(1, ROWS_PER_CALL // ball.rows)
    for begin in range(0, len(every), size):
        copies = []
        for features, value in every[begin : begin + size]:
            copy = base.clone()
            copy[:, features] = value
            copies.append(copy)
        balls = ball.tile(len(copies))
        yield balls.round(balls.project(torch.cat(copies)))


def _changed(ball: Ball, x: Tensor, flips: list[_Flip]) -> Tensor:
    """Which units of each row differ from the clean input `(rows, units)`."""
    return torch.stack([(x != ball.center)[:, features].any(dim=1) for features, _ in flips], dim=1)


def _taken_back(ball: Ball, x: Tensor, changes: Tensor, turn: Tensor, flips: list[_Flip]) -> Tensor:
    """`x` without its change number `turn` `(rows,)`, counted from 1."""
    back = changes & (changes.cumsum(dim=1) == turn[:, None])
    x = x.clone()
    for column, (features, _) in zip(back.unbind(dim=1), flips, strict=True):
        x[:, features] = torch.where(column[:, None], ball.center[:, features], x[:, features])
    return x
