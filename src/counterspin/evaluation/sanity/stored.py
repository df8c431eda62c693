"""S02 and S03: what lies in the run directory is admissible and says what the audit reports."""

import torch
from torch import Tensor

from counterspin.attacks.ball import Ball
from counterspin.attacks.modes import frozen
from counterspin.attacks.verdict import margins
from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext

__all__ = ["AdmissibleInputs", "RecomputedVerdicts"]

# A clean input may lie one float32 rounding outside its box, see validation.as_features.
_BOX_TOLERANCE = 1e-6
# Verdicts this close to the boundary, as a share of the largest score, may turn with the order of summation.
_TIE = 1e-12


class AdmissibleInputs(Check):
    """Every stored input keeps norm <= eps (1 + 1e-6) + 1e-7 (feature units), box, mask and listed values; no NaN."""

    id = "S02"
    title = "Stored inputs respect budget and box"

    def run(self, context: SanityContext) -> CheckRecord:
        """FAIL on any input an attacker of this threat could not have given."""
        clean = context.x.double()
        radii = context.threat.radii(clean)
        bad = torch.zeros(len(clean), dtype=torch.bool)
        for name, result in context.results.items():
            inputs = context.stored[name]
            if inputs.shape != result.x_adv.shape or inputs.dtype != torch.float64:
                advice = f"Stored inputs of {name} have another shape or dtype than the attack gave; run again."
                return self.record("FAIL", advice, threshold=0.0)
            size = context.threat.size(inputs - clean)
            # Written so that NaN fails every comparison and counts as bad.
            fine = (size <= radii * (1 + 1e-6) + 1e-7) & torch.isfinite(inputs).all(dim=2)
            if context.threat.box == "data":
                fine &= context.model.bounds.contains(inputs, tolerance=_BOX_TOLERANCE)
            if context.threat.constraints:
                fine &= torch.stack(
                    [self._constrained(context, radius, x) for radius, x in zip(radii, inputs, strict=True)]
                )
            bad |= (~fine).any(dim=0)
        count, ids = int(bad.sum()), bad.nonzero()[:, 0].tolist()
        if count:
            advice = "Stored adversarial inputs break the threat model; do not use these numbers, run the audit again."
            return self.record("FAIL", advice, statistic=float(count), threshold=0.0, samples=ids)
        return self.record("PASS", "", statistic=0.0, threshold=0.0)

    def _constrained(self, context: SanityContext, radius: Tensor, inputs: Tensor) -> Tensor:
        """Inputs `(batch, features)` that an attacker under mask, groups and ties could have given `(batch,)`."""
        threat, clean = context.threat, context.x.double()
        box = context.model.bounds if threat.box == "data" else None
        ball = Ball.around(clean, radius, threat.norm, box, threat.constraints)
        return ball.contains(inputs, tolerance=_BOX_TOLERANCE)


class RecomputedVerdicts(Check):
    """Success and distance recomputed in float64 from the stored inputs equal the reported ones."""

    id = "S03"
    title = "Verdicts recomputed from stored inputs"

    def run(self, context: SanityContext) -> CheckRecord:
        """FAIL on any verdict or distance that the stored input does not show."""
        if context.model.stochastic:
            return self.record("SKIP", "Verdicts on a stochastic model are statistical; S15 draws them again.")
        clean, target = context.x.double(), context.threat.targets(context.y)
        wrong = torch.zeros(len(clean), dtype=torch.bool)
        scale = context.scores.abs().amax(dim=1)
        for name, result in context.results.items():
            wrong |= result.correct != context.correct
            for inputs, budget in zip(context.stored[name].double(), result.budgets, strict=True):
                with frozen(context.model):
                    margin = margins(context.model, inputs, context.y, target)
                decided = ~(margin.abs() <= _TIE * scale)
                wrong |= decided & (budget.success != ((margin <= 0) & context.correct))
                wrong |= budget.success & ~context.correct
                wrong |= ~_same(budget.distance, context.threat.size(inputs - clean), budget.success)
        count, ids = int(wrong.sum()), wrong.nonzero()[:, 0].tolist()
        if count:
            advice = "Stored inputs do not show the reported verdicts; is the model deterministic? Then audit again."
            return self.record("FAIL", advice, statistic=float(count), threshold=0.0, samples=ids)
        return self.record("PASS", "", statistic=0.0, threshold=0.0)


def _same(reported: Tensor, size: Tensor, success: Tensor) -> Tensor:
    """Whether reported distances `(batch,)` are the sizes found where broken, and infinite elsewhere."""
    close = (reported - size).abs() <= 1e-9 + 1e-9 * size
    return torch.where(success, close, torch.isinf(reported))
