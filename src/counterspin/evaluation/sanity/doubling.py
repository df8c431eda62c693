"""S11 and S12: an attack given twice as much finds hardly more."""

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext
from counterspin.evaluation.sanity.contenders import contested_budget, main_attack, spread

__all__ = ["MoreIterations", "MoreRestarts"]

_SAMPLES = 50
_WARN, _FAIL = 0.01, 0.05
# One sample of a handful is many points and proves nothing, as in paired checks.
_FAIL_SAMPLES = 2


class _Doubling(Check):
    r"""The main gradient attack with one number doubled, against everything the suite found.

    It runs from a fresh generator at the budget at which about half of the correct samples are broken, on at most 50 of
    the :math:`S` survivors there. With :math:`b` of :math:`m` broken and :math:`n` samples in all,

    .. math:: \text{gain} = \frac{b}{m} \cdot \frac{S}{n}, \qquad
        \text{median gain} = \operatorname{median}_i \frac{m_i - \min(m_i, m'_i)}{m_i^{\text{clean}}}

    estimate by how much robust accuracy would fall, and say how far the margins :math:`m_i` of the survivors moved.
    """

    tier = "standard"
    number: ClassVar[str]

    def run(self, context: SanityContext) -> CheckRecord:
        """WARN beyond 1 point or 1 % of the median margin, FAIL beyond 5 points (and at least 2 samples)."""
        if context.threat.budget is not None:
            return self.record("SKIP", "The query budget of the threat ends every attack, twice the effort as well.")
        if not context.results:
            return self.record("SKIP", "No attack to double.")
        budget = contested_budget(context)
        attack = main_attack(context, budget)
        survivors = (context.correct & ~context.worst_case[budget]).nonzero()[:, 0]
        if attack is None or len(survivors) == 0:
            return self.record("SKIP", "No iterative gradient attack, or no survivor to try again.")
        rows, eps = spread(survivors, _SAMPLES), context.threat.eps[budget]
        before = getattr(attack, self.number)
        again = context.attack_again(replace(attack, **{self.number: 2 * before}), rows, self.id, eps=(eps,))
        broken = again.success[0]
        gain = int(broken.sum()) / len(rows) * len(survivors) / len(context.y)
        moved = _median_gain(context, budget, rows, again.best_loss[0])
        ran = (
            f"Ran {attack.name} with {2 * before} {self.number} instead of {before} on {len(rows)} of "
            f"{len(survivors)} survivors at ε = {eps:g}: {int(broken.sum())} broken ({100 * gain:.1f} points), margins "
            f"lower by {100 * moved:.2g} % at the median."
        )
        status = "PASS"
        if gain > _FAIL and int(broken.sum()) >= _FAIL_SAMPLES:
            status = "FAIL"
        elif gain > _WARN or moved > _WARN:
            status = "WARN"
        advice = ran if status == "PASS" else f"Twice the {self.number} still gain; raise them and audit again. {ran}"
        return self.record(status, advice, statistic=max(gain, moved), threshold=_WARN, samples=rows[broken].tolist())


class MoreIterations(_Doubling):
    """S11, with twice the steps."""

    id = "S11"
    title = "Twice the iterations gain nothing"
    number = "steps"


class MoreRestarts(_Doubling):
    """S12, with twice the restarts."""

    id = "S12"
    title = "Twice the restarts gain nothing"
    number = "restarts"


def _median_gain(context: SanityContext, budget: int, rows: Tensor, after: Tensor) -> float:
    """Median over the samples `rows` `(n,)` of how far margins fell to `after` `(n,)`, as a share of the clean ones."""
    before = torch.stack([result.best_loss[budget] for result in context.results.values()]).amin(dim=0)[rows]
    clean = (context.relative_margin * context.scores.abs().amax(dim=1))[rows]
    return float(((before - after).clamp_min(0.0) / clean).median())
