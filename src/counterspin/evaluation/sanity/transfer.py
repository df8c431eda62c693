"""S08: whoever sees the model itself breaks at least what another model gives away."""

from collections.abc import Callable

import torch
from torch import Tensor

from counterspin.attacks.evasion.apgd import APGD
from counterspin.attacks.modes import frozen
from counterspin.attacks.sequential import Status, sequential_verdict
from counterspin.attacks.verdict import margins
from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext
from counterspin.evaluation.sanity.contenders import attacks_with, main_attack, spread
from counterspin.evaluation.sanity.paired import paired_record
from counterspin.evaluation.sanity.surrogate import Hesitant, train_surrogate
from counterspin.evaluation.seeds import derived_generator
from counterspin.types import Classifier, Cost, HasTwin, HasUndefended

__all__ = ["TransferBelowWhiteBox"]

_SAMPLES = 200
_ATTACK = APGD(steps=50)

_Craft = Callable[[SanityContext, Tensor], Tensor]


class TransferBelowWhiteBox(Check):
    """Points made on another model break nothing that the white-box attacks missed on this one.

    Others are tried on at most 200 correct samples: a classical surrogate, trained on the model's predictions of the
    samples, and the model without its defence where it shows one, both attacked by APGD beyond their boundary; and,
    where there is one, the model's twin of infinitely many shots, attacked by the main attack of the suite. Queries to
    others cost the audited model nothing and do not count.
    """

    id = "S08"
    title = "Transferred points find nothing new"
    tier = "paper"

    def run(self, context: SanityContext) -> CheckRecord:
        """Paired rule."""
        white_box = [context.results[attack.name].success for attack in attacks_with(context, "white")]
        rows = spread(context.correct.nonzero()[:, 0], _SAMPLES)
        if not white_box or len(rows) == 0:
            return self.record("SKIP", "No white-box attack or no correct sample to compare with.")
        weaker, ran = torch.zeros_like(context.worst_case), []
        crafts = {
            "a classical surrogate": _from_surrogate,
            "the twin": _from_twin,
            "the undefended model": _from_undefended,
        }
        for name, craft in crafts.items():
            points = craft(context, rows)
            if points is not None:
                broken = _breaks(context, rows, points)
                weaker[:, rows] |= broken
                ran.append(f"{name} (breaks {int(broken.any(dim=0).sum())} of {len(rows)})")
        compared = torch.zeros_like(context.correct)
        compared[rows] = True
        advice = (
            "Points made on another model break samples the white-box attacks missed, so the gradients of this one "
            "mislead: attack a smooth twin, add gradient-free attacks"
        )
        stronger = torch.stack(white_box).any(dim=0)
        return paired_record(self, weaker, stronger, compared, advice, ran=f"Transferred from {' and '.join(ran)}.")


def _from_surrogate(context: SanityContext, rows: Tensor) -> Tensor | None:
    """Points `(budgets, n, features)` that are far beyond the boundary of a surrogate."""
    predicted = context.scores.argmax(dim=1)
    generator = derived_generator(context.seed, "surrogate")
    surrogate = train_surrogate(context.model, context.x, predicted, generator=generator)
    return _beyond(context, rows, surrogate, "surrogate")


def _from_undefended(context: SanityContext, rows: Tensor) -> Tensor | None:
    """Points `(budgets, n, features)` far beyond the boundary of the undefended model; None where none is shown."""
    if not isinstance(context.model, HasUndefended) or _ATTACK.refusal(context.model.undefended, context.threat):
        return None
    return _beyond(context, rows, context.model.undefended, "undefended")


def _beyond(context: SanityContext, rows: Tensor, other: Classifier, label: str) -> Tensor:
    points = context.x[rows].double().repeat(len(context.threat.eps), 1, 1)
    for own in context.y[rows].unique().tolist():
        mine = context.y[rows] == own
        hesitant = Hesitant(other, own)
        result = context.attack_again(_ATTACK, rows[mine], f"{label} {own}", model=hesitant, budget=None)
        points[:, mine] = result.x_adv
    return points


def _from_twin(context: SanityContext, rows: Tensor) -> Tensor | None:
    """Points `(budgets, n, features)` that break the twin; None without a twin or an attack for it."""
    if not isinstance(context.model, HasTwin):
        return None
    twin, attack = context.model.twin, main_attack(context, len(context.threat.eps) - 1)
    if attack is None or attack.refusal(twin, context.threat) is not None:
        attack = _ATTACK
    return context.attack_again(attack, rows, "twin", model=twin, budget=None).x_adv


def _breaks(context: SanityContext, rows: Tensor, points: Tensor) -> Tensor:
    """Verdicts of the audited model on `points` `(budgets, n, features)`, `(budgets, n)`, statistical where it is."""
    target = context.threat.targets(context.y)
    budgets, n = points.shape[:2]
    inputs, rows = points.flatten(0, 1), rows.repeat(budgets)
    y, target = context.y[rows], None if target is None else target[rows]
    if context.model.stochastic:
        generator = derived_generator(context.seed, "transferred")
        verdict = sequential_verdict(context.model, inputs, y, target, generator=generator)
        context.tally.add(verdict.cost)
        return (verdict.status == Status.ADVERSARIAL).reshape(budgets, n)
    with frozen(context.model):
        broken = margins(context.model, inputs, y, target) <= 0
    context.tally.add(Cost(forwards=budgets * n, circuits=budgets * n))
    return broken.reshape(budgets, n)
