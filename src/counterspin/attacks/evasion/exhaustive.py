"""Every admissible point of a discrete threat: exact, where there are few."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import torch
from torch import Tensor

from counterspin.attacks.base import Attack, Ball
from counterspin.attacks.oracle import ROWS_PER_CALL, Oracle
from counterspin.errors import ConditionsError
from counterspin.threats import ThreatModel
from counterspin.types import Classifier

__all__ = ["MAX_POINTS", "Exhaustive", "admissible_points"]

# As many points cost about as much as the random draws of four restarts.
MAX_POINTS = 4096


def admissible_points(threat: ThreatModel, features: int) -> int | None:
    r"""Upper limit of the number of points an attacker can reach; None where a continuous feature can change.

    .. math:: \prod_g |V_g| \qquad\text{and in L0}\qquad \sum_{|S| \le \varepsilon} \prod_{g \in S} (|V_g| - 1)

    A clean value that is not in its list makes one more choice.

    Example:
        >>> from counterspin.threats import Group, L0
        >>> bits = tuple(Group(features=(i,), values=((0,), (1,))) for i in range(10))
        >>> admissible_points(L0(2, groups=bits), 10)
        56
    """
    movable = threat.constraints.movable(features)
    if bool((movable & ~threat.constraints.discrete(features)).any()):
        return None
    sizes = [len(group.values) for group in threat.groups if bool(movable[list(group.features)].all())]
    if threat.norm != "l0":
        return math.prod(sizes)
    # Coefficients of the product of 1 + (|V_g| - 1) t: choices by the number of changed groups.
    ways = [1]
    for size in sizes:
        ways = [a + (size - 1) * b for a, b in zip([*ways, 0], [0, *ways], strict=True)]
    return sum(ways[: int(threat.eps[-1]) + 1])


@dataclass(frozen=True, kw_only=True)
class Exhaustive(Attack):
    """Query every admissible point, so that what is not broken is robust.

    It serves threats under which every changeable feature is discrete, with at most 4096 points.

    Example:
        >>> Exhaustive().name
        'exhaustive'
    """

    norms = ("linf", "l2", "l1", "l0")
    knowledge: ClassVar[str] = "black"

    def _check_threat(self, model: Classifier, threat: ThreatModel) -> None:
        super()._check_threat(model, threat)
        points = admissible_points(threat, model.bounds.features)
        if points is None:
            raise ConditionsError(
                "attack exhaustive needs every changeable feature to be discrete; list values in groups, mask the "
                "other features, or use APGD."
            )
        if points > MAX_POINTS:
            raise ConditionsError(
                f"attack exhaustive tries every admissible point, at most {MAX_POINTS}; the threat allows {points}. "
                "Use Greedy, a smaller budget or a narrower mask."
            )

    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        groups = list(ball.joint_values())
        limit = int(ball.radius.max()) if ball.norm == "l0" else len(groups)
        counts = [values.shape[1] for _, values, _ in groups]
        for block in _codes(counts, limit, max(1, ROWS_PER_CALL // ball.rows)):
            if oracle.finished:
                return
            balls = ball.tile(len(block))
            x = balls.center.clone()
            for code, (features, values, number) in zip(block.unbind(dim=1), groups, strict=True):
                row = torch.arange(ball.rows, device=x.device).repeat(len(block))
                # Rows with fewer values than others repeat theirs.
                index = code.to(x.device).repeat_interleave(ball.rows) % number[row]
                x[:, features] = values[row, index]
            inside = balls.contains(x)
            x = torch.where(inside[:, None], x, balls.center).reshape(len(block), ball.rows, -1)
            x = x[inside.reshape(len(block), ball.rows).any(dim=1)]
            if len(x):
                oracle.scores(x.flatten(0, 1))


def _codes(counts: list[int], limit: int, size: int) -> Iterator[Tensor]:
    """Choices for each group, 0 for its clean value, with at most `limit` others; blocks `(<= size, groups)`."""
    if limit >= len(counts):
        yield from _mixed_radix(torch.arange(len(counts)), counts, len(counts), 0, size)
        return
    for changed in range(limit + 1):
        for chosen in combinations(range(len(counts)), changed):
            others = [counts[group] - 1 for group in chosen]
            yield from _mixed_radix(torch.tensor(chosen, dtype=torch.long), others, len(counts), 1, size)


def _mixed_radix(chosen: Tensor, radices: list[int], groups: int, first: int, size: int) -> Iterator[Tensor]:
    """All numbers with the digits `radices` in the places `chosen`, digits counted from `first`."""
    total = math.prod(radices)
    for begin in range(0, total, size):
        number = torch.arange(begin, min(begin + size, total))
        codes = torch.zeros(len(number), groups, dtype=torch.long)
        for place, radix in zip(chosen.tolist(), radices, strict=True):
            codes[:, place] = number % radix + first
            number = number // radix
        yield codes
