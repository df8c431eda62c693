"""S14: an attack hands back the adversarial point it has seen."""

import torch

from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext

__all__ = ["ReturnedPoints"]


class ReturnedPoints(Check):
    """No external or user attack returned a point that does not break a sample after it had queried one that does.

    Such attacks keep their last iterate instead of their best. Their verdicts count what they returned, so they look
    weaker than they are; `lost` in their history marks the samples.
    """

    id = "S14"
    title = "Attacks return what they found"
    tier = "standard"

    def run(self, context: SanityContext) -> CheckRecord:
        """FAIL on any such sample."""
        lost = torch.zeros_like(context.correct)
        watched, careless = [], []
        for name, result in context.results.items():
            marks = [budget.history["lost"] for budget in result.budgets if "lost" in budget.history]
            if not marks:
                continue
            watched.append(name)
            found = (torch.tensor(marks) > 0).any(dim=0)
            lost |= found
            careless += [name] if bool(found.any()) else []
        if not watched:
            return self.record("SKIP", "No external attack in the suite; our own keep the best point ever queried.")
        count = int(lost.sum())
        if count:
            advice = (
                f"{', '.join(careless)} queried adversarial points and returned others; keep the best iterate, or take "
                "the best point ever queried as the result."
            )
            ids = lost.nonzero()[:, 0].tolist()
            return self.record("FAIL", advice, statistic=float(count), threshold=0.0, samples=ids)
        return self.record("PASS", f"Watched: {', '.join(watched)}.", statistic=0.0, threshold=0.0)
