"""Which scores must stay ahead of which: the differences whose signs decide a prediction."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Race", "race_of"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Race:
    """Per sample pairs of classes; the prediction holds while the first of each pair is ahead.

    Args:
        winners: classes `(samples, pairs)`.
        losers: classes `(samples, pairs)`.
        rule: `"min"`: one pair that is lost flips the prediction; `"max"`: only all of them do.
    """

    winners: Tensor
    losers: Tensor
    rule: str

    def take(self, rows: Tensor) -> Race:
        """The pairs of some samples."""
        return Race(winners=self.winners[rows], losers=self.losers[rows], rule=self.rule)

    def differences(self, scores: Tensor) -> Tensor:
        """How far ahead each winner is `(samples, pairs)`, from scores `(samples, classes)`."""
        return scores.gather(1, self.winners) - scores.gather(1, self.losers)

    def margin(self, scores: Tensor) -> Tensor:
        """How far each sample is from a flip `(samples,)`: flipped iff at most 0."""
        ahead = self.differences(scores)
        return ahead.amin(dim=1) if self.rule == "min" else ahead.amax(dim=1)


def race_of(y: Tensor, target: Tensor | None, classes: int) -> Race:
    """The label against every other class, or every other class against the target.

    Args:
        y: labels `(samples,)`.
        target: the class the attacker wants `(samples,)`; None: any other.
        classes: number of classes.

    Example:
        >>> race_of(torch.tensor([1]), None, 3).losers.tolist()
        [[0, 2]]
    """
    one = y if target is None else target
    others = torch.arange(classes, device=y.device).expand(len(y), -1)
    others = others[others != one[:, None]].reshape(len(y), classes - 1)
    same = one[:, None].expand_as(others)
    if target is None:
        return Race(winners=same, losers=others, rule="min")
    return Race(winners=others, losers=same, rule="max")
