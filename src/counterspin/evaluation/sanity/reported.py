"""S28: the reported number is what the stored rows say."""

import torch

from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext

__all__ = ["ReportedWorstCase"]

# Shares of whole counts, computed in another order.
_ROUNDING = 1e-9


class ReportedWorstCase(Check):
    """Reported robust accuracy at each budget is the share of samples that are correct and unbroken in every row.

    The rows are read back from the run directory, those of external attacks included: a number that leaves an attack
    out, or counts a misclassified sample as robust, is not the worst case.
    """

    id = "S28"
    title = "The reported number is the worst case"
    tier = "standard"

    def run(self, context: SanityContext) -> CheckRecord:
        """FAIL on any difference, and on an attack whose rows are missing."""
        if not context.rows or not context.reported:
            return self.record("SKIP", "Nothing is stored or reported yet; audit with a run directory.")
        missing = sorted(context.results.keys() - context.rows.keys())
        if missing:
            advice = f"The run directory holds no rows of {', '.join(missing)}; run the audit again."
            return self.record("FAIL", advice, statistic=float(len(missing)), threshold=0.0)
        standing = torch.ones_like(context.worst_case)
        for rows in context.rows.values():
            standing &= rows.correct & ~rows.broken.int().cummax(dim=0).values.bool()
        recomputed = standing.double().mean(dim=1)
        gap = float((recomputed - torch.tensor(context.reported, dtype=torch.float64)).abs().max())
        if gap > _ROUNDING:
            unseen = sorted(context.rows.keys() - context.results.keys())
            advice = (
                f"The stored rows of {len(context.rows)} attacks give "
                f"{', '.join(f'{100 * share:.1f} %' for share in recomputed.tolist())}, not the reported numbers"
                f"{'; left out: ' + ', '.join(unseen) if unseen else ''}. Do not use them; run the audit again."
            )
            return self.record("FAIL", advice, statistic=gap, threshold=0.0)
        return self.record(
            "PASS", f"Recomputed from the rows of {len(context.rows)} attacks.", statistic=gap, threshold=0.0
        )
