"""A01: what the undefended twin gives away breaks nothing that the attacks on the defended model missed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.attacks import Attack
from counterspin.attacks.evasion.apgd import APGD
from counterspin.attacks.losses import Margin
from counterspin.attacks.modes import frozen
from counterspin.attacks.registry import adapted
from counterspin.attacks.verdict import margins
from counterspin.evaluation.hardening.record import TransferredAt
from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext
from counterspin.evaluation.sanity.contenders import attacks_with
from counterspin.evaluation.sanity.paired import paired_record
from counterspin.evaluation.sanity.surrogate import Hesitant
from counterspin.evaluation.statistics import measured_share
from counterspin.types import Classifier, Cost

__all__ = ["TransferFromTwin", "Transferred", "transferred"]

_QUICK = APGD(steps=50, restarts=2, loss=Margin(), precision="float32")
_FULL = APGD(steps=100, restarts=5, loss=Margin(), precision="float32")

_ADVICE = (
    "Points made on the undefended twin break samples that the white-box attacks missed, so the defence misleads their "
    "gradients: its robust accuracy is not to be believed"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Transferred:
    """What transferred points do to the defended model.

    Args:
        white_box: broken by its own white-box attacks `(budgets, batch)`.
        replayed: broken by the points of the audit before `(budgets, batch)`.
        fresh: broken by a fresh attack on the twin `(budgets, batch)`; None: no attack serves the twin.
        correct: samples the defended model gets right `(batch,)`.
    """

    white_box: Tensor
    replayed: Tensor
    fresh: Tensor | None
    correct: Tensor

    @property
    def broken(self) -> Tensor:
        """Broken by any transferred point `(budgets, batch)`."""
        return self.replayed if self.fresh is None else self.replayed | self.fresh

    def lines(self, eps: tuple[float, ...]) -> list[TransferredAt]:
        """The shares at each ε; nothing where no sample is correct."""
        n = int(self.correct.sum())
        if n == 0:
            return []
        return [
            TransferredAt(
                eps=value,
                white_box=measured_share(int(self.white_box[k].sum()), n),
                replayed=measured_share(int(self.replayed[k].sum()), n),
                fresh=None if self.fresh is None else measured_share(int(self.fresh[k].sum()), n),
                missed=int((self.broken[k] & ~self.white_box[k]).sum()),
            )
            for k, value in enumerate(eps)
        ]


def transferred(
    context: SanityContext, twin: Classifier, replays: Mapping[str, Tensor], *, quick: bool = False
) -> Transferred:
    """Verdicts of the defended model on points made on its undefended twin; a point counts at larger budgets, too.

    Args:
        context: the finished audit of the defended model.
        twin: the undefended model.
        replays: the points of the audit before, `(budgets, batch, features)` by attack.
        quick: whether the fresh attack is a small one.
    """
    nothing = torch.zeros(len(context.threat.eps), len(context.y), dtype=torch.bool)
    white_box, replayed = nothing.clone(), nothing.clone()
    for attack in attacks_with(context, "white"):
        white_box |= context.results[attack.name].success
    for points in replays.values():
        replayed |= _broken(context, points)
    fresh = _fresh(context, twin, _QUICK if quick else _FULL)
    return Transferred(
        white_box=_within(white_box) & context.correct,
        replayed=_within(replayed) & context.correct,
        fresh=None if fresh is None else _within(_broken(context, fresh)) & context.correct,
        correct=context.correct,
    )


@dataclass(frozen=True, eq=False)
class TransferFromTwin(Check):
    """The verdict on what was transferred.

    Args:
        found: what the points do to the defended model.
        attacks: how many attacks of the audit before were replayed.
    """

    found: Transferred
    attacks: int

    id = "A01"
    title = "Points from the undefended twin find nothing new"
    tier = "quick"

    def run(self, context: SanityContext) -> CheckRecord:
        """Paired rule, as in S08."""
        if not attacks_with(context, "white") or not bool(context.correct.any()):
            return self.record("SKIP", "No white-box attack, or no correct sample, to compare with.")
        ran = f"Replayed {self.attacks} attacks of the audit before" + (
            "."
            if self.found.fresh is None
            else ", and ran a fresh APGD on the twin that does not stop at its boundary."
        )
        return paired_record(self, self.found.broken, self.found.white_box, context.correct, _ADVICE, ran=ran)


def _fresh(context: SanityContext, twin: Classifier, wanted: Attack) -> Tensor | None:
    """Points `(budgets, batch, features)` as far beyond the twin's boundary as each budget reaches."""
    attack = adapted(wanted, twin)
    if attack.refusal(twin, context.threat) is not None:
        return None
    points = context.x.double().repeat(len(context.threat.eps), 1, 1)
    for label in context.y[context.correct].unique().tolist():
        mine = (context.correct & (context.y == label)).nonzero()[:, 0]
        found = context.attack_again(attack, mine, f"A01 {label}", model=Hesitant(twin, label))
        points[:, mine] = found.x_adv
    return points


def _within(broken: Tensor) -> Tensor:
    """Broken at this or a smaller budget `(budgets, batch)`."""
    return broken.int().cummax(dim=0).values.bool()


def _broken(context: SanityContext, points: Tensor) -> Tensor:
    """Verdicts on `points` `(budgets, batch, features)`."""
    budgets, n = points.shape[:2]
    y, target = context.y.repeat(budgets), context.threat.targets(context.y)
    target = None if target is None else target.repeat(budgets)
    with frozen(context.model):
        broken = margins(context.model, points.flatten(0, 1), y, target) <= 0
    context.tally.add(Cost(forwards=budgets * n, circuits=budgets * n))
    return broken.reshape(budgets, n)
