"""S05 and S06, and the rule of all paired checks: a weaker method must not break what a stronger one did not."""

import torch
from torch import Tensor

from counterspin.attacks.evasion.fgsm import FGSM
from counterspin.attacks.evasion.random_draws import RandomDraws
from counterspin.attacks.registry import adapted
from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext
from counterspin.evaluation.sanity.contenders import UNGUIDED, attacks_with, is_iterative
from counterspin.evaluation.statistics import mcnemar

__all__ = ["OneStepBelowIterative", "RandomBelowGuided", "paired_record"]


def paired_record(
    check: Check,
    weaker: Tensor,
    stronger: Tensor,
    compared: Tensor,
    advice: str,
    *,
    ran: str = "",
    tested: bool = True,
) -> CheckRecord:
    """The paired rule: FAIL if the weaker broke max(2, 1 % of the compared) more, WARN if fewer but any.

    Args:
        check: whose record it is.
        weaker: broken by the weaker method `(budgets, batch)`.
        stronger: broken by the stronger method `(budgets, batch)`.
        compared: the correctly classified samples on which they are compared `(batch,)`.
        advice: what to do when samples were missed.
        ran: what the check ran, for the record.
        tested: whether both methods ran on all samples compared; McNemar's test means nothing if the samples were
            chosen by what one of them did.
    """
    missed = (weaker & ~stronger & compared).any(dim=0)
    gained = (stronger & ~weaker & compared).any(dim=0)
    b, c, threshold = int(missed.sum()), int(gained.sum()), max(2.0, 0.01 * int(compared.sum()))
    p_value = mcnemar(b, c) if tested else None
    said = [ran] if ran else []
    if b:
        against = f"{b} against {c} samples, exact McNemar p = {p_value:.3g}" if tested else f"{b} samples"
        said.insert(0, f"{advice} ({against}).")
    return check.record(
        "FAIL" if b >= threshold else "WARN" if b else "PASS",
        " ".join(said),
        statistic=float(b),
        threshold=threshold,
        samples=missed.nonzero()[:, 0].tolist(),
        p_value=p_value,
    )


class RandomBelowGuided(Check):
    """1000 random draws in the ball break nothing that the suite without draws and corners missed."""

    id = "S05"
    title = "Random draws find nothing new"

    def run(self, context: SanityContext) -> CheckRecord:
        """Paired rule; draws are taken from the results, or run here if the suite has none."""
        guided = [result.success for name, result in context.results.items() if name not in UNGUIDED]
        if not guided or not bool(context.correct.any()):
            return self.record("SKIP", "No guided attack or no correct sample to compare random draws with.")
        known = context.results.get("random")
        everyone = torch.arange(len(context.y))
        draws = known.success if known else context.attack_again(RandomDraws(), everyone, self.id).success
        advice = (
            "Random draws break samples the guided attacks missed, so gradients mislead here: raise restarts, add a "
            "gradient-free attack"
        )
        return paired_record(self, draws, torch.stack(guided).any(dim=0), context.correct, advice)


class OneStepBelowIterative(Check):
    """One gradient step breaks nothing that the iterative gradient attacks missed."""

    id = "S06"
    title = "One step is no stronger than many"

    def run(self, context: SanityContext) -> CheckRecord:
        """Paired rule; FGSM is taken from the results, or run here if the suite has none."""
        iterative = [context.results[a.name].success for a in attacks_with(context, "white") if is_iterative(a)]
        if not iterative or not bool(context.correct.any()):
            return self.record("SKIP", "No iterative gradient attack or no correct sample to compare one step with.")
        known = context.results.get("fgsm")
        everyone = torch.arange(len(context.y))
        one_step = (
            known.success if known else context.attack_again(adapted(FGSM(), context.model), everyone, self.id).success
        )
        advice = (
            "One step breaks samples that many steps missed: gradients are masked, or steps are too few or too long"
        )
        return paired_record(self, one_step, torch.stack(iterative).any(dim=0), context.correct, advice)
