"""S26: which attack is stronger is a paired question, and its answer is printed."""

from itertools import combinations

from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext
from counterspin.evaluation.sanity.contenders import contested_budget
from counterspin.evaluation.statistics import holm, mcnemar, tango

__all__ = ["PairedDifferences"]

_ATTACKS = 4
_HALF_WIDTH = 0.05


class PairedDifferences(Check):
    """Exact McNemar tests between the attacks that broke most, adjusted by Holm; intervals of their differences.

    At the budget at which about half of the correct samples are broken, at most 4 attacks (6 pairs). The intervals are
    Tango's score intervals of a difference of paired shares, over the correct samples.
    """

    id = "S26"
    title = "Attacks compared on the same samples"
    tier = "paper"

    def run(self, context: SanityContext) -> CheckRecord:
        """INFO; WARN where an interval reaches more than 5 points to either side: too few samples to tell."""
        correct, n = context.correct, int(context.correct.sum())
        if n == 0 or len(context.results) < 2:
            return self.record("SKIP", "Fewer than two attacks, or no correct sample to compare them on.")
        budget = contested_budget(context)
        broken = {name: result.success[budget] & correct for name, result in context.results.items()}
        strongest = sorted(broken, key=lambda name: -int(broken[name].sum()))[:_ATTACKS]
        pairs = list(combinations(strongest, 2))
        counts = [(int((broken[a] & ~broken[b]).sum()), int((broken[b] & ~broken[a]).sum())) for a, b in pairs]
        adjusted = holm([mcnemar(b, c) for b, c in counts])
        intervals = [tango(b, c, n) for b, c in counts]
        width = max((high - low) / 2 for low, high in intervals)
        table = "; ".join(
            f"{a} {b} against {c} of {other}, p = {p:.3g}"
            for (a, other), (b, c), p in zip(pairs, counts, adjusted, strict=True)
        )
        said = f"Samples only one attack broke at ε = {context.threat.eps[budget]:g} (Holm): {table}."
        if width > _HALF_WIDTH:
            wide = f"Differences are known to {100 * width:.1f} points only; take more samples to compare attacks."
            return self.record("WARN", f"{wide} {said}", statistic=width, threshold=_HALF_WIDTH, p_value=min(adjusted))
        return self.record("INFO", said, statistic=width, threshold=_HALF_WIDTH, p_value=min(adjusted))
