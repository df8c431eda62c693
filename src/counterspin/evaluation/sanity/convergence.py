"""S13: an attack that was still gaining when it stopped has not said its last word."""

import torch

from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext

__all__ = ["FlatLoss"]

# Largest gain over the last 10 queries, as a share of the clean margin, that counts as flat.
_FLAT = 0.01


class FlatLoss(Check):
    """The best margin of each survivor gained at most 1 % of its clean margin over the last 10 queries.

    What counts at a budget is the iterative attack that came closest on the sample: one that is stuck farther away does
    not hide that it was still gaining.
    """

    id = "S13"
    title = "Attacks have converged"

    def run(self, context: SanityContext) -> CheckRecord:
        """WARN if a sample survives while the iterative attack closest to breaking it was still gaining."""
        iterative = [result for result in context.results.values() if int(result.config.get("steps", 1)) > 1]
        if "exhaustive" in context.results:
            return self.record("SKIP", "Every admissible point was tried: no attack could have gained more.")
        if context.model.stochastic:
            return self.record(
                "SKIP", "Margins of a stochastic model are noisy; S11 and S12 double the effort instead."
            )
        survivors = context.correct & ~context.worst_case
        if not iterative or not bool(survivors.any()):
            return self.record("SKIP", "No iterative attack, or no survivor to look at.")
        margin = context.relative_margin * context.scores.abs().amax(dim=1)
        gains = torch.stack(
            [
                torch.tensor([b.history.get("late_gain", [0.0] * len(margin)) for b in r.budgets], dtype=torch.float64)
                / margin
                for r in iterative
            ]
        )
        closest = torch.stack([r.best_loss for r in iterative]).argmin(dim=0, keepdim=True)
        gain = torch.where(survivors, gains.gather(0, closest)[0], 0.0)
        rising = (gain > _FLAT).any(dim=0)
        statistic, ids = float(gain.max()), rising.nonzero()[:, 0].tolist()
        if ids:
            advice = "Attacks were still gaining on survivors when they stopped; raise their steps and audit again."
            return self.record("WARN", advice, statistic=statistic, threshold=_FLAT, samples=ids)
        return self.record("PASS", "", statistic=statistic, threshold=_FLAT)
