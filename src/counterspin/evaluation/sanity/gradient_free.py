"""S07: whoever sees gradients breaks at least what can be broken without."""

import torch
from torch import Tensor

from counterspin.attacks.base import Attack
from counterspin.attacks.evasion.square import Square
from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext
from counterspin.evaluation.sanity.contenders import attacks_with, spread
from counterspin.evaluation.sanity.paired import paired_record

__all__ = ["GradientFreeBelowWhiteBox"]

# For suites without a gradient-free attack.
_STAND_IN = Square(queries=2000, precision="float32")
_SAMPLES = 50


class GradientFreeBelowWhiteBox(Check):
    """Guided attacks that see only scores or labels break nothing that the white-box attacks missed.

    Random draws and corners are compared with the whole suite by S05 and are left out here. A suite without a guided
    gradient-free attack is given one where it applies: Square with 2000 queries, on at most 50 samples that the
    white-box attacks left unbroken at some budget.
    """

    id = "S07"
    title = "Gradient-free attacks find nothing new"
    tier = "standard"

    def run(self, context: SanityContext) -> CheckRecord:
        """Paired rule."""
        white_box = attacks_with(context, "white")
        if not white_box or not bool(context.correct.any()):
            return self.record("SKIP", "No white-box attack or no correct sample to compare with.")
        stronger = _broken_by_any(context, white_box)
        gradient_free = attacks_with(context, "black", "decision")
        advice = (
            "A gradient-free attack breaks samples the white-box attacks missed, so gradients are masked or too few "
            "restarts were made: believe no gradient attack here, keep the gradient-free ones in the suite"
        )
        if gradient_free:
            weaker = _broken_by_any(context, gradient_free)
            ran = f"Compared: {_names(gradient_free)} with {_names(white_box)}."
            return paired_record(self, weaker, stronger, context.correct, advice, ran=ran)
        survivors = (context.correct & ~stronger.all(dim=0)).nonzero()[:, 0]
        if len(survivors) == 0:
            return self.record("SKIP", "The white-box attacks break every correct sample; nothing is left to find.")
        rows = spread(survivors, _SAMPLES)
        weaker, compared = torch.zeros_like(stronger), torch.zeros_like(context.correct)
        weaker[:, rows], compared[rows] = context.attack_again(_STAND_IN, rows, self.id).success, True
        ran = f"Ran {_STAND_IN.name} on {len(rows)} of {len(survivors)} samples unbroken at some budget."
        return paired_record(self, weaker, stronger, compared, advice, ran=ran, tested=False)


def _broken_by_any(context: SanityContext, attacks: list[Attack]) -> Tensor:
    return torch.stack([context.results[attack.name].success for attack in attacks]).any(dim=0)


def _names(attacks: list[Attack]) -> str:
    return ", ".join(attack.name for attack in attacks)
