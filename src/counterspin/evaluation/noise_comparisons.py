"""Paired tests between conditions, and between attack modes under one of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from torch import Tensor

from counterspin.evaluation.compare import paired_record
from counterspin.evaluation.noise_records import ConditionComparison
from counterspin.evaluation.statistics import holm

if TYPE_CHECKING:
    from counterspin.evaluation.noise_task import Examined

__all__ = ["compared"]

_PAIRED_MODES = ("fixed", "re-optimised")


def compared(examined: Sequence[Examined], eps: Sequence[float]) -> list[ConditionComparison]:
    """Each condition against the one before it, then replayed against re-optimised attacks under each.

    The p-values of one pair, clean accuracy and every mode and ε, are adjusted together.

    Args:
        examined: conditions in their order, on the same samples.
        eps: the budgets.
    """
    found: list[ConditionComparison] = []
    for one, two in pairwise(examined):
        names = one.variant.name, two.variant.name
        tests = [("clean accuracy", None, one.clean.correct, two.clean.correct)]
        tests += [
            (mode, value, one.standing(mode, place), two.standing(mode, place))
            for mode in _PAIRED_MODES
            for place, value in enumerate(eps)
        ]
        found += _family(names, tests)
    for one in examined[1:]:
        tests = [
            (one.variant.name, value, one.standing("fixed", place), one.standing("re-optimised", place))
            for place, value in enumerate(eps)
        ]
        found += _family(_PAIRED_MODES, tests)
    return found


def _family(
    names: tuple[str, str], tests: Iterable[tuple[str, float | None, Tensor, Tensor]]
) -> list[ConditionComparison]:
    single = [(what, value, paired_record(first, second)) for what, value, first, second in tests]
    adjusted = holm([paired.p_value for _, _, paired in single])
    return [
        ConditionComparison(
            first=names[0], second=names[1], what=what, eps=value, paired=paired.model_copy(update={"p_holm": p})
        )
        for (what, value, paired), p in zip(single, adjusted, strict=True)
    ]
