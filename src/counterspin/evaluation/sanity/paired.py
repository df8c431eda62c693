"""S05 and S06, paired: a weaker method must not break what a stronger one did not."""

import torch
from torch import Tensor

from counterspin.attacks.evasion.fgsm import FGSM
from counterspin.attacks.evasion.random_draws import RandomDraws
from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext
from counterspin.evaluation.statistics import mcnemar

__all__ = ["OneStepBelowIterative", "RandomBelowGuided", "paired_record"]

_UNGUIDED = ("random", "corners")


def paired_record(check: Check, weaker: Tensor, stronger: Tensor, correct: Tensor, advice: str) -> CheckRecord:
    """The paired rule: FAIL if the weaker broke max(2, 1 % of the correct) more, WARN if fewer but any.

    Args:
        check: whose record it is.
        weaker: broken by the weaker method `(budgets, batch)`.
        stronger: broken by the stronger method `(budgets, batch)`.
        correct: correctly classified samples `(batch,)`.
        advice: what to do when samples were missed.
    """
    missed = (weaker & ~stronger & correct).any(dim=0)
    gained = (stronger & ~weaker & correct).any(dim=0)
    b, threshold = int(missed.sum()), max(2.0, 0.01 * int(correct.sum()))
    ids = missed.nonzero()[:, 0].tolist()
    status = "FAIL" if b >= threshold else "WARN" if b >= 1 else "PASS"
    if b:
        c = int(gained.sum())
        advice = f"{advice} ({b} against {c} samples, exact McNemar p = {mcnemar(b, c):.3g})"
    return check.record(status, advice if b else "", statistic=float(b), threshold=threshold, samples=ids)


class RandomBelowGuided(Check):
    """1000 random draws in the ball break nothing that the suite without draws and corners missed."""

    id = "S05"
    title = "Random draws find nothing new"

    def run(self, context: SanityContext) -> CheckRecord:
        """Paired rule; draws are taken from the results, or run here if the suite has none."""
        guided = [result.success for name, result in context.results.items() if name not in _UNGUIDED]
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
        iterative = [
            result.success
            for name, result in context.results.items()
            if int(result.config.get("steps", 1)) > 1 and "gradient" in context.suite[name].requires
        ]
        if not iterative or not bool(context.correct.any()):
            return self.record("SKIP", "No iterative gradient attack or no correct sample to compare one step with.")
        known = context.results.get("fgsm")
        everyone = torch.arange(len(context.y))
        one_step = known.success if known else context.attack_again(FGSM(), everyone, self.id).success
        advice = (
            "One step breaks samples that many steps missed: gradients are masked, or steps are too few or too long"
        )
        return paired_record(self, one_step, torch.stack(iterative).any(dim=0), context.correct, advice)
