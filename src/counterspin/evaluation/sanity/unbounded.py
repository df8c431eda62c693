"""S10: an attacker who may go anywhere breaks every sample that can be broken."""

from typing import Any

import torch
from torch import Tensor

from counterspin.attacks.ball import Ball
from counterspin.attacks.losses import verdict_margin
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext
from counterspin.types import Classifier, HasEffectiveObservables

__all__ = ["UnboundedBudget"]

# Amplitude models see directions only: a ball a little larger than ‖x‖ holds a neighbourhood of the origin, so a scaled
# copy of every input.
_BEYOND_ORIGIN = 1.001
# As a share of the diameter: two features that are equal on paper.
_ROUNDING = 1e-9


class UnboundedBudget(Check):
    """With eps = diameter of the box, every sample with a known counterexample is broken by gradients or random draws.

    A sample's counterexamples are the clean inputs of the evaluation: any of them with another prediction is a point
    of the box, if mask, groups and ties let the attacker go there. Without a box and such constraints,
    amplitude-encoded models are attacked with eps just above the norm of the input. The exact attack is left out: it
    would find what the others hide.
    """

    id = "S10"
    title = "Unbounded budget breaks everything breakable"

    def run(self, context: SanityContext) -> CheckRecord:
        """FAIL if a sample with a known counterexample survives."""
        if context.model.stochastic:
            return self.record("SKIP", "Single predictions of a stochastic model are no counterexamples; see S15.")
        changes = _unbounded(context)
        if changes is None:
            return self.record("SKIP", "Without a box no budget reaches everything (amplitude encodings excepted).")
        attacks = [a for a in context.suite.values() if "effective_observables" not in a.requires]
        breakable = context.correct & _has_counterexample(context) & ~_proved_unflippable(context)
        left = breakable.nonzero()[:, 0]
        if len(left) == 0:
            return self.record(
                "SKIP", "No correct sample has a known counterexample, or it is proved that none exists."
            )
        if not attacks:
            return self.record("SKIP", "The suite has only the exact attack, which finds counterexamples by theorem.")
        for attack in attacks:
            if len(left):
                left = left[~context.attack_again(attack, left, self.id, **changes).success[0]]
        missed = float(len(left))
        if len(left):
            advice = (
                "Attacks without a bound miss samples that can be broken, so gradients are masked: use gradient-free "
                "attacks and more restarts before believing any number."
            )
            return self.record("FAIL", advice, statistic=missed, threshold=0.0, samples=left.tolist())
        return self.record("PASS", "", statistic=missed, threshold=0.0)


def _unbounded(context: SanityContext) -> dict[str, Any] | None:
    """Fields of a threat that reaches every admissible point, with as many queries as it takes; None if none does."""
    bounds = context.model.bounds
    diameter = float(context.threat.size(bounds.upper - bounds.lower))
    if context.threat.box == "data" and diameter < torch.inf:
        return {"eps": (diameter,), "units": "feature", "budget": None}
    if _is_amplitude_encoded(context.model) and not context.threat.constraints:
        return {"eps": (_BEYOND_ORIGIN,), "units": "relative", "budget": None}
    return None


def _is_amplitude_encoded(model: Classifier) -> bool:
    if not isinstance(model, HasEffectiveObservables):
        return False
    try:
        model.effective_observables()
    except (CapabilityError, ConditionsError):
        return False
    return True


def _has_counterexample(context: SanityContext) -> Tensor:
    """Samples `(batch,)` for which some clean input has a prediction the attacker wants."""
    target = context.threat.targets(context.y)
    known = torch.zeros_like(context.correct)
    for row in range(len(context.y)):
        own = context.y[row].expand(len(context.y))
        wanted = None if target is None else target[row].expand(len(context.y))
        known[row] = (_within_reach(context, row) & (verdict_margin(context.scores, own, wanted) < 0)).any()
    return known


def _within_reach(context: SanityContext, row: int) -> Tensor:
    """Clean inputs `(batch,)` that mask, groups and ties allow an attacker of the sample `row`."""
    if not context.threat.constraints:
        return torch.ones_like(context.correct)
    inputs, bounds = context.x.double(), context.model.bounds
    everything = context.threat.size(bounds.upper - bounds.lower).to(inputs).expand(len(inputs))
    ball = Ball.around(
        inputs[row].expand_as(inputs), everything, context.threat.norm, bounds, context.threat.constraints
    )
    return ball.contains(inputs, tolerance=_ROUNDING)


def _proved_unflippable(context: SanityContext) -> Tensor:
    proved = torch.zeros_like(context.correct)
    for certificate in context.certificates:
        proved |= torch.isinf(certificate.radius_lower)
    return proved
