"""S20: what an attack ascends must not decide what it breaks, and no output may be saturated."""

from dataclasses import replace

import torch
from torch import Tensor

from counterspin.attacks.evasion.apgd import APGD
from counterspin.attacks.gradients import Autodiff
from counterspin.attacks.losses import CW, CrossEntropy, Loss, Margin, verdict_margin
from counterspin.attacks.modes import frozen
from counterspin.attacks.registry import adapted
from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext

__all__ = ["SameSuccessByLoss"]

_SAMPLES = 50
_ATTACK = APGD(steps=30, restarts=3, precision="float32")
# On the recipes the losses of such small attacks differ by 0 to 5 of 50 samples without any masking.
_SPREAD, _SHARE = 2.0, 0.1
# A logit lead of 24 ln 2 makes the float32 softmax exactly 1: cross-entropy in its usual form has no gradient there.
_ROUNDS_TO_ONE = 24 * 0.6931471805599453
_SATURATED_SHARE = 0.1


class SameSuccessByLoss(Check):
    r"""Cross-entropy, margin and raw score differences break the same number of up to 50 samples.

    Give or take 2 samples, or a tenth of them if that is more: small attacks do not converge on all.
    APGD of 30 steps and 3 restarts ascends each loss at every budget. A softmax that is saturated, a rescaled margin
    or scores of very different size show up as a loss that breaks less. With two classes the margin is the raw
    difference and runs once.

    A sample is saturated if its float32 cross-entropy gradient is exactly zero while that of the margin is not, or if
    its class leads by more than :math:`24 \ln 2` in logits (probabilities: is exactly 1 in float32), beyond which a
    softmax in float32 is constant; more than a tenth of such samples is flagged.
    """

    id = "S20"
    title = "Success does not depend on the loss"
    tier = "standard"

    def run(self, context: SanityContext) -> CheckRecord:
        """WARN if success differs by more between losses (the statistic), or if outputs are saturated."""
        if context.model.stochastic:
            return self.record("SKIP", "Scores are random, so small attacks differ by chance whatever they ascend.")
        rows = context.correct.nonzero()[:_SAMPLES, 0]
        if len(rows) == 0:
            return self.record("SKIP", "No correctly classified sample to attack.")
        attack = adapted(_ATTACK, context.model)
        refusal = attack.refusal(context.model, context.threat)
        if refusal is not None:
            return self.record("SKIP", f"Not applicable: {refusal}")
        losses: tuple[Loss, ...] = (CrossEntropy(), Margin(), CW())[: 2 if context.model.classes == 2 else 3]
        broken = {loss.name: context.attack_again(replace(attack, loss=loss), rows, self.id).success for loss in losses}
        counts = {name: success.sum(dim=1) for name, success in broken.items()}
        spread = torch.stack(list(counts.values())).aminmax(dim=0)
        worst = int((spread.max - spread.min).argmax())
        difference, allowed = float((spread.max - spread.min)[worst]), max(_SPREAD, _SHARE * len(rows))
        saturated = _saturated(context, rows)
        share = float(saturated.double().mean())
        found = ", ".join(f"{name} {int(count[worst])}" for name, count in counts.items())
        advice = ""
        if difference > allowed:
            advice = (
                f"Success depends on the loss (of {len(rows)} samples, eps = {context.threat.eps[worst]:g}: {found}); "
                "believe the strongest, and rescale the scores or raise the steps until they agree."
            )
        if share > _SATURATED_SHARE:
            advice = (
                f"{advice} {100 * share:.0f} % of the outputs are saturated: cross-entropy has no gradient there in "
                "float32; attack the margin, or the scores before the softmax or temperature."
            ).strip()
        if not advice:
            return self.record("PASS", "", statistic=difference, threshold=allowed)
        some = torch.stack([success[worst] for success in broken.values()])
        ids = rows[some.any(dim=0) & ~some.all(dim=0) if difference > allowed else saturated].tolist()
        return self.record("WARN", advice, statistic=difference, threshold=allowed, samples=ids)


def _saturated(context: SanityContext, rows: Tensor) -> Tensor:
    """Which of the samples have outputs without a gradient of the cross-entropy in float32, `(n,)`."""
    x, y = context.x[rows].float(), context.y[rows]
    scores, outputs = context.scores[rows], context.model.outputs
    if outputs == "probabilities":
        beyond = scores.float().amax(dim=1) >= 1
    else:
        beyond = (verdict_margin(scores, y) > _ROUNDS_TO_ONE) & (outputs == "logits")
    zero = []
    with frozen(context.model):
        for loss in (CrossEntropy(), Margin()):
            found = Autodiff()(context.model, x, lambda scores, loss=loss: loss(scores, y, outputs=outputs))
            context.tally.add(found.cost)
            zero.append((found.gradient == 0).all(dim=1))
    return beyond | (zero[0] & ~zero[1])
