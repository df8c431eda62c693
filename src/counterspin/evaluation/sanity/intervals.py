"""S25: enough samples for the digits that are shown."""

from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext
from counterspin.evaluation.statistics import measured_share

__all__ = ["NarrowIntervals"]

_HALF_WIDTH = 0.05


class NarrowIntervals(Check):
    """The 95 % intervals of clean and worst-case robust accuracy are at most 5 points to either side."""

    id = "S25"
    title = "Intervals are narrow enough"

    def run(self, context: SanityContext) -> CheckRecord:
        """WARN on any wider interval."""
        n, correct = len(context.y), context.correct
        counts = [int(correct.sum()), *(correct & ~context.worst_case).sum(dim=1).tolist()]
        shares = [measured_share(hits, n) for hits in counts]
        width = max((share.high - share.low) / 2 for share in shares)
        if width > _HALF_WIDTH:
            # The width shrinks with the square root of the number of samples.
            needed = int(1.05 * n * (width / _HALF_WIDTH) ** 2) + 1
            advice = (
                f"Intervals are up to {100 * width:.1f} points to either side; about {needed} samples give 5 points."
            )
            return self.record("WARN", advice, statistic=width, threshold=_HALF_WIDTH)
        return self.record("PASS", "", statistic=width, threshold=_HALF_WIDTH)
