"""S29: samples, labels and threat from which something can be learned; never a quiet 0 % or 100 %."""

import torch
from torch import Tensor

from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext

__all__ = ["InformativeEvaluation"]

# Copies among the samples up to this share widen no interval by more than its own rounding.
_COPIES = 0.01


class InformativeEvaluation(Check):
    """The evaluation could have come out otherwise: what was asked is not decided before the first attack.

    * Some sample is classified correctly (else nothing was attacked, and 0 % is no finding).
    * At most 1 % of the samples are copies of others (discrete data aside), and no two copies differ in their label.
    * The predictions differ, or some attack succeeded.
    * A target class is predicted for some input, clean or adversarial.
    * The smallest budget does not cover the whole box of every sample.
    """

    id = "S29"
    title = "The evaluation can tell something"

    def run(self, context: SanityContext) -> CheckRecord:
        """FAIL if no sample is classified correctly, WARN on anything else; the statistic counts the findings."""
        if not bool(context.correct.any()):
            advice = (
                f"None of the {len(context.y)} samples is classified correctly, so nothing was attacked: 0 % robust "
                "accuracy says nothing here. Check labels, class order and preprocessing."
            )
            return self.record("FAIL", advice, statistic=0.0, samples=range(len(context.y)))
        copies, contradictions = _copies(context.x, context.y)
        found, ids = [], []
        if bool(contradictions.any()):
            found.append(f"{int(contradictions.sum())} samples have the features of another one and another label")
            ids += contradictions.nonzero()[:, 0].tolist()
        elif not context.threat.groups and int(copies.sum()) > _COPIES * len(copies):
            found.append(f"{int(copies.sum())} samples are copies of others, so the intervals are too narrow")
            ids += copies.nonzero()[:, 0].tolist()
        predicted = context.scores.argmax(dim=1)
        if len(predicted) > 1 and len(predicted.unique()) == 1 and not bool(context.worst_case.any()):
            found.append(f"every sample is taken for class {int(predicted[0])} and none is ever broken")
        if _target_is_unseen(context, predicted):
            found.append("no input, clean or adversarial, is taken for the target class")
        if _covers_the_box(context):
            found.append(f"eps = {context.threat.eps[0]:g} covers the whole box, so any input replaces any other")
        if found:
            advice = f"{'; '.join(found).capitalize()}. Look at samples, labels and threat before the numbers."
            return self.record("WARN", advice, statistic=float(len(found)), threshold=0.0, samples=ids)
        return self.record("PASS", "", statistic=0.0, threshold=0.0)


def _copies(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Which samples repeat an earlier one `(batch,)`, and which share their features with another label `(batch,)`."""
    _, group = torch.unique(x, dim=0, return_inverse=True)
    first = torch.full_like(group, len(group)).scatter_reduce(0, group, torch.arange(len(group)), "amin")
    lowest = torch.zeros_like(y).scatter_reduce(0, group, y, "amin", include_self=False)
    highest = torch.zeros_like(y).scatter_reduce(0, group, y, "amax", include_self=False)
    return first[group] < torch.arange(len(group)), (lowest < highest)[group]


def _target_is_unseen(context: SanityContext, predicted: Tensor) -> bool:
    target = context.threat.targets(context.y)
    if target is None or not context.results:
        return False
    return not bool(torch.isin(target, predicted).any() or context.worst_case.any())


def _covers_the_box(context: SanityContext) -> bool:
    """Whether the smallest budget reaches every corner of the box from every sample."""
    if context.threat.box == "none":
        return False
    bounds, x = context.model.bounds, context.x.double()
    farthest = torch.maximum(bounds.upper.to(x) - x, x - bounds.lower.to(x))
    return bool((context.threat.size(farthest) <= context.threat.radii(x)[0]).all())
