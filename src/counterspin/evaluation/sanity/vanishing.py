"""S04: an attacker who may change nothing breaks nothing."""

from dataclasses import replace

from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext

__all__ = ["VanishingBudget"]

# A threat has no budget of exactly 0; this one is far below what float64 scores of inputs of order 1 resolve as a move.
_EPS = 1e-12
# A sample within this share of its largest score of the boundary may be moved across it by rounding alone.
_CLEAR = 1e-6
_SAMPLES = 16


class VanishingBudget(Check):
    """Every attack of the suite, one restart, on up to 16 clearly correct samples with eps = 1e-12: success is 0."""

    id = "S04"
    title = "No success at vanishing budget"

    def run(self, context: SanityContext) -> CheckRecord:
        """FAIL on any success."""
        if context.threat.norm == "l0":
            return self.record("SKIP", "Budgets in L0 are whole numbers; the smallest one changes a whole feature.")
        clear = context.correct & (context.relative_margin > _CLEAR)
        rows = clear.nonzero()[:_SAMPLES, 0]
        if len(rows) == 0 or not context.suite:
            return self.record("SKIP", "No clearly correct sample or no attack to test with.")
        broken: set[int] = set()
        for attack in context.suite.values():
            result = context.attack_again(replace(attack, restarts=1), rows, self.id, eps=(_EPS,))
            broken |= set(rows[result.success[0]].tolist())
        if broken:
            advice = "An attack succeeds without a perturbation; its verdict, its box or its data preparation is wrong."
            return self.record("FAIL", advice, statistic=float(len(broken)), threshold=0.0, samples=sorted(broken))
        return self.record("PASS", "", statistic=0.0, threshold=0.0)
