"""S09: a larger budget loses no counterexample."""

import torch
from torch import Tensor

from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext
from counterspin.evaluation.sanity.contenders import main_attack, spread
from counterspin.evaluation.sanity.paired import paired_record

__all__ = ["ColdStartsAreMonotone"]

_SAMPLES = 200


class ColdStartsAreMonotone(Check):
    r"""What breaks at :math:`\varepsilon` breaks from a cold start at a larger :math:`\varepsilon'` too.

    The ball of the larger budget holds that of the smaller one, so a sample that is lost shows an attack that misses
    counterexamples. The suite itself starts warm and cannot show it. The main gradient attack runs anew at every budget
    after the first (at twice the only one), alone, on at most 200 samples that it broke at the budget before. Stored
    results of all attacks, external ones too, must grow with the budget as they are.
    """

    id = "S09"
    title = "Cold starts lose nothing at larger budgets"
    tier = "standard"

    def run(self, context: SanityContext) -> CheckRecord:
        """Paired rule over all pairs of neighbouring budgets."""
        correct, eps = context.correct, context.threat.eps
        attack = main_attack(context, len(eps) - 1)
        lost, runs = [_lost_in_results(context)], []
        if attack is not None:
            broken = context.results[attack.name].success & correct
            for smaller, larger in zip(broken, eps[1:] or (2 * eps[0],), strict=False):
                rows = spread(smaller.nonzero()[:, 0], _SAMPLES)
                if len(rows):
                    again = context.attack_again(attack, rows, f"{self.id} {larger}", eps=(larger,))
                    lost.append(torch.zeros_like(correct).index_fill(0, rows[~again.success[0]], True))
                    runs.append(f"{len(rows)} samples at ε = {larger:g}")
        if not runs and (len(eps) == 1 or not context.results):
            return self.record("SKIP", "No iterative gradient attack, or it broke nothing a larger budget could lose.")
        ran = f"Ran {attack.name} from cold on {', '.join(runs)}." if attack and runs else "Compared stored results."
        weaker = torch.stack(lost)
        advice = "Samples broken at one budget survive a cold start at a larger one: raise restarts and steps"
        return paired_record(self, weaker, torch.zeros_like(weaker), correct, advice, ran=ran, tested=False)


def _lost_in_results(context: SanityContext) -> Tensor:
    """Samples `(batch,)` that some stored result breaks at one budget and not at the next."""
    lost = torch.zeros_like(context.correct)
    for result in context.results.values():
        lost |= (result.success[:-1] & ~result.success[1:]).any(dim=0)
    return lost
