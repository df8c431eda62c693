"""How the training budget grows."""

import math
from dataclasses import dataclass

import torch

from counterspin.errors import UsageError
from counterspin.threats import ThreatModel
from counterspin.types import Box

__all__ = ["EpsilonSchedule", "middle"]


@dataclass(frozen=True, kw_only=True)
class EpsilonSchedule:
    """ε as a function of the training's progress: a line from `start` to `final`, then `final`.

    Args:
        final: in the units of the threat.
        warmup: share of the training until `final` is reached.
        start: ε at the beginning.

    Raises:
        UsageError: a budget that is not above 0, a start beyond it, or a warm-up that is no share.

    Example:
        >>> schedule = EpsilonSchedule(final=0.1, warmup=0.2)
        >>> [round(schedule(progress), 3) for progress in (0.0, 0.1, 0.2, 0.9)]
        [0.0, 0.05, 0.1, 0.1]
    """

    final: float
    warmup: float = 0.2
    start: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no schedule."""
        if not (math.isfinite(self.final) and self.final > 0):
            raise UsageError(f"eps is {self.final}; give a finite training budget above 0.")
        if not 0 <= self.start <= self.final:
            raise UsageError(f"start is {self.start}; the budget grows from there, give 0 to {self.final}.")
        if not 0 <= self.warmup <= 1:
            raise UsageError(f"warmup is {self.warmup}; give the share of the training it takes, 0 to 1.")

    def __call__(self, progress: float) -> float:
        """ε after a share `progress` of the training."""
        if progress >= self.warmup:
            return self.final
        return self.start + (self.final - self.start) * progress / self.warmup

    def check(self, threat: ThreatModel, bounds: Box) -> None:
        """Refuse a final budget beyond the box: from its half diameter on, a ball around the middle holds all of it.

        Raises:
            UsageError: it is; the message gives the limit.
        """
        if threat.norm == "l0":
            limit = float(bounds.features)
        elif threat.units == "relative":
            # The input itself is that long: the zero vector would be admissible.
            limit = 1.0
        elif threat.box == "none":
            return
        else:
            movable = threat.constraints.movable(bounds.features)
            half = torch.where(movable, bounds.upper - bounds.lower, 0.0) / 2
            limit = float(threat.size(half))
        if self.final > limit:
            raise UsageError(
                f"the training budget ends at eps {self.final:g}, beyond the box, whose half diameter is {limit:g} "
                f"({threat.norm}, {threat.units} units); give a smaller eps."
            )


def middle(threat: ThreatModel) -> float:
    """The budget a defence trains at where none is given: the middle of the threat's grid, the lower one of two.

    Example:
        >>> from counterspin.threats import Linf
        >>> middle(Linf(0.01, 0.02, 0.03)), middle(Linf(0.05, 0.1))
        (0.02, 0.05)
    """
    return threat.eps[(len(threat.eps) - 1) // 2]
