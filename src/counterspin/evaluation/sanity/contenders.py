"""Which attacks of a suite meet in a check, at which budget, and on which samples."""

import torch
from torch import Tensor

from counterspin.attacks.base import Attack
from counterspin.attacks.minimum_norm import MinimumNorm
from counterspin.evaluation.sanity.base import SanityContext

__all__ = ["UNGUIDED", "attacks_with", "contested_budget", "is_iterative", "main_attack", "spread"]

# Attacks that look at no answer before they choose their points.
UNGUIDED = ("random", "corners")


def attacks_with(context: SanityContext, *knowledge: str) -> list[Attack]:
    """The guided attacks of the suite that have results and see what `knowledge` says, in the order of the suite."""
    return [
        attack
        for name, attack in context.suite.items()
        if name in context.results and name not in UNGUIDED and attack.knowledge in knowledge
    ]


def is_iterative(attack: Attack) -> bool:
    """Whether it takes several gradient steps."""
    return "gradient" in attack.requires and getattr(attack, "steps", 1) > 1


def main_attack(context: SanityContext, budget: int) -> Attack | None:
    """The iterative gradient attack that broke most samples at the budget of index `budget`; None if there is none.

    Of equally many, the one with the lower margins on the others. A search for the nearest point takes one run for all
    budgets and is only taken where nothing else is.
    """

    def strength(attack: Attack) -> tuple[bool, int, float]:
        found = context.results[attack.name].budgets[budget]
        left = float(found.best_margin.clamp_min(0.0).sum())
        return not isinstance(attack, MinimumNorm), int((found.success & context.correct).sum()), -left

    return max(filter(is_iterative, attacks_with(context, "white")), key=strength, default=None)


def contested_budget(context: SanityContext) -> int:
    """Index of the budget at which the share of correct samples that are broken is nearest to one half."""
    correct = context.correct
    broken = (context.worst_case & correct).sum(dim=1).double() / max(1, int(correct.sum()))
    return int((broken - 0.5).abs().argmin())


def spread(rows: Tensor, limit: int) -> Tensor:
    """At most `limit` of the `rows` `(n,)`, evenly spaced, so that no order of the samples decides.

    Example:
        >>> spread(torch.arange(100, 109), 3).tolist()
        [100, 104, 108]
    """
    if len(rows) <= limit:
        return rows
    return rows[torch.linspace(0, len(rows) - 1, limit, dtype=torch.float64).round().long()]
