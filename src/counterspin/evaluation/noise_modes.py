"""Three ways to attack a model under noise: replayed, re-optimised through the noise, and as hardware could."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from counterspin.attacks import Attack
from counterspin.attacks.evasion import APGD, PGD, Greedy, RandomDraws
from counterspin.attacks.gradients import SPSA, GradientSource, MeasuredShift, Twin
from counterspin.attacks.ledger import ledger_of
from counterspin.attacks.losses import Margin
from counterspin.attacks.registry import adapted
from counterspin.attacks.sequential import calls_price, sequential_verdict
from counterspin.attacks.task import VERDICT_CONFIDENCE
from counterspin.attacks.verdict import margins
from counterspin.errors import BudgetReachedError, CapabilityError, CounterspinError
from counterspin.evaluation.clean import CleanVerdict
from counterspin.threats import ThreatModel
from counterspin.types import Classifier, Cost, HasTwin

__all__ = ["ModeOutcome", "hardware_attack", "of_rows", "replayed", "searched", "through_noise"]

_STEPS = {"quick": (30, 2), "standard": (100, 5), "paper": (100, 5)}

# Gradient steps of an attack whose every gradient is a batch of shifted circuits, and directions of one without a rule.
_HARDWARE_STEPS = 8
_DIRECTIONS = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class ModeOutcome:
    """What one mode did to each sample.

    Args:
        broken: by the verdict on the condition's own model, at this or a smaller ε `(budgets, batch)`.
        undecided: samples on which the test of a stochastic model came to no verdict `(budgets, batch)`.
        x_adv: adversarial inputs `(budgets, batch, features)` float64.
        cost: of the attack and its verdicts.
        seconds: wall time.
    """

    broken: Tensor
    undecided: Tensor
    x_adv: Tensor
    cost: Cost
    seconds: float

    @property
    def fallen(self) -> Tensor:
        """Samples that cannot be said to stand `(budgets, batch)`."""
        return self.broken | self.undecided


def through_noise(model: Classifier, threat: ThreatModel, tier: str) -> Attack:
    """The attack that is re-optimised under each condition: the strongest gradient attack that serves the threat.

    A stochastic model is attacked along the exact gradient of its infinite-shot twin, noise included, where it has one;
    otherwise along a mean over its randomness.

    Raises:
        CapabilityError: no attack serves this model and threat.
    """
    steps, restarts = _STEPS[tier]
    found: Sequence[Attack] = (
        APGD(steps=steps, restarts=restarts, loss=Margin(), precision="float32"),
        PGD(steps=steps, restarts=restarts, precision="float32"),
        Greedy(),
        RandomDraws(draws=1000, precision="float32"),
    )
    for attack in found:
        fitting = _through(attack, model)
        if fitting.refusal(model, threat) is None:
            return fitting
    raise CapabilityError(
        f"no attack of the noise section serves a threat in norm {threat.norm} on this model; use norm linf, l2 or l1."
    )


def hardware_attack(model: Classifier, threat: ThreatModel) -> Attack:
    """An attack that asks for nothing a device cannot measure: few steps, gradients from circuits read with shots.

    Shifted circuits where every angle has a shift rule; differences along random directions where features are
    amplitudes, whose preparation no rule shifts on a device.

    Raises:
        CapabilityError: neither serves this model and threat.
    """
    sources: tuple[GradientSource, ...] = (MeasuredShift(), SPSA(directions=_DIRECTIONS))
    reasons = []
    for source in sources:
        attack = PGD(steps=_HARDWARE_STEPS, step_size=0.4, gradient=source, precision="float64")
        reason = attack.refusal(model, threat)
        if reason is None:
            return attack
        reasons.append(str(reason))
    raise CapabilityError(reasons[0])


def searched(
    attack: Attack,
    model: Classifier,
    x: Tensor,
    y: Tensor,
    threat: ThreatModel,
    clean: CleanVerdict,
    generator: torch.Generator,
) -> ModeOutcome:
    """Run `attack` on `model` at every ε.

    Raises:
        BudgetReachedError: the model pays from a ledger that ended the attack.
    """
    began = time.perf_counter()
    found = list(attack.budgets(model, x, y, threat, generator=generator, correct=clean.correct, scores=clean.scores))
    if ledger_of(model).reached or len(found) < len(threat.eps):
        raise BudgetReachedError("the execution budget ended an attack under noise; give more circuits or shots.")
    nothing = torch.zeros_like(clean.correct)
    return ModeOutcome(
        broken=torch.stack([result.success for result in found]),
        undecided=torch.stack([nothing if result.undecided is None else result.undecided for result in found]),
        x_adv=torch.stack([result.x_adv for result in found]),
        cost=sum((result.cost + result.verdict_cost for result in found), Cost()),
        seconds=time.perf_counter() - began,
    )


def replayed(
    model: Classifier,
    x_adv: Tensor,
    y: Tensor,
    clean: CleanVerdict,
    generator: torch.Generator,
    target: Tensor | None = None,
) -> ModeOutcome:
    """The verdict of `model` on inputs `(budgets, batch, features)` that were made on another model.

    What breaks at one ε counts as broken at every larger one. With `target`, broken means taken for that class.

    Raises:
        BudgetReachedError: the model pays from a ledger that does not reach for it.
    """
    began, cost = time.perf_counter(), Cost()
    rows = clean.correct.nonzero()[:, 0]
    wanted = None if target is None else target[rows]
    broken, undecided = (torch.zeros(len(x_adv), len(y), dtype=torch.bool) for _ in range(2))
    for place, points in enumerate(x_adv):
        if place:
            broken[place] = broken[place - 1]
        if model.stochastic:
            verdict = sequential_verdict(
                model, points[rows], y[rows], wanted, confidence=VERDICT_CONFIDENCE, generator=generator
            )
            if verdict.cut:
                raise BudgetReachedError("the execution budget ended a replay under noise; give more circuits.")
            broken[place, rows] |= verdict.adversarial
            undecided[place, rows] = verdict.undecided & ~broken[place, rows]
            cost += verdict.cost
        else:
            broken[place, rows] |= margins(model, points[rows], y[rows], wanted) <= 0
            cost += calls_price(model, len(rows), 1)
    return ModeOutcome(broken=broken, undecided=undecided, x_adv=x_adv, cost=cost, seconds=time.perf_counter() - began)


def of_rows(threat: ThreatModel, rows: Iterable[int]) -> ThreatModel:
    """The threat to some of the samples: a target of each sample's own goes with its sample."""
    if not isinstance(threat.target, tuple):
        return threat
    return replace(threat, target=tuple(threat.target[row] for row in rows))


def _through(attack: Attack, model: Classifier) -> Attack:
    """The attack with a gradient that serves `model`; one exact gradient of a twin is worth any number of draws."""
    source = getattr(attack, "gradient", None)
    if model.stochastic and isinstance(model, HasTwin) and isinstance(source, GradientSource):
        exact = replace(attack, gradient=Twin())  # pyright: ignore[reportCallIssue]
        if _checked(exact, model):
            return exact
    return adapted(attack, model)


def _checked(attack: Attack, model: Classifier) -> bool:
    source = getattr(attack, "gradient", None)
    try:
        if isinstance(source, GradientSource):
            source.check(model)
    except CounterspinError:
        return False
    return True
