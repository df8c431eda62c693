"""S24: proofs and counterexamples must not contradict each other."""

import torch

from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext

__all__ = ["AttackAboveCertificate"]

# Rounding of radius and distance, both computed in float64.
_ROUNDING = 1e-9


class AttackAboveCertificate(Check):
    """No attack succeeded below a certified radius.

    Radii and distances are in feature units of the threat's norm and of the same decision rule. A certificate of the
    ball without a box covers attacks inside a box, and one against any wrong class covers targeted attacks.
    """

    id = "S24"
    title = "No attack below a certified radius"

    def run(self, context: SanityContext) -> CheckRecord:
        """FAIL on any contradiction."""
        radius = torch.zeros(len(context.y), dtype=torch.float64)
        for certificate in context.certificates:
            radius = torch.maximum(radius, certificate.radius_lower.to(radius))
        certified = context.correct & (radius > 0)
        if not context.certificates or not context.results or not bool(certified.any()):
            return self.record("SKIP", "Nothing is certified, so there is nothing to contradict.")
        nearest = torch.stack([result.distance.amin(dim=0) for result in context.results.values()]).amin(dim=0)
        # An infinite radius proves that nothing flips the sample; then any finite distance contradicts it.
        broken = torch.isfinite(nearest) & (nearest < radius * (1 - _ROUNDING))
        ids = broken.nonzero()[:, 0].tolist()
        if ids:
            methods = ", ".join(sorted({certificate.method for certificate in context.certificates}))
            advice = f"A successful attack lies inside a certified radius ({methods}); one of them is wrong."
            return self.record("FAIL", advice, statistic=float(len(ids)), threshold=0.0, samples=ids)
        return self.record("PASS", "", statistic=0.0, threshold=0.0)
