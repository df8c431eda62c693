"""Transfer: adversarial inputs made on surrogates of the target, judged by the target."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.attacks.ball import Ball
from counterspin.attacks.modes import frozen
from counterspin.attacks.oracle import ROWS_PER_CALL
from counterspin.attacks.quantum.base import QuantumAttack
from counterspin.attacks.quantum.results import Manipulation, Scope, Situation
from counterspin.attacks.stochastic import call_cost
from counterspin.attacks.transfer.architectures import same
from counterspin.attacks.transfer.crafting import Ensemble, craft
from counterspin.attacks.transfer.surrogate import (
    ANSWERS,
    Queries,
    Surrogate,
    ask,
    check_alike,
    check_kind,
    trained_surrogate,
    twin_of,
)
from counterspin.attacks.verdict import trace_distance
from counterspin.errors import ConditionsError, UsageError
from counterspin.threats import ThreatModel, check_words
from counterspin.types import Box, Classifier, Cost
from counterspin.validation import as_features, checked_scores

__all__ = ["OwnInputs", "Transfer", "Transferred"]

_NORMS = ("linf", "l2", "l1")
_UNITS = {"feature": "feature units", "relative": "share of the norm"}


@dataclass(frozen=True, eq=False)
class OwnInputs:
    """Inputs an attacker has before it asks anything; their labels are not needed.

    Args:
        x: `(n, features)`, apart from the samples that are attacked.

    Raises:
        InputError: no finite table of numbers.
    """

    x: Tensor = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what is no table, and take double precision."""
        object.__setattr__(self, "x", as_features(self.x, name="own").double())

    def __str__(self) -> str:
        """How many."""
        return f"{len(self.x)} inputs"


@dataclass(frozen=True, kw_only=True, eq=False)
class Transferred:
    """What a transfer attack did.

    Args:
        x_adv: inputs float64 `(batch, features)`; the clean ones where nothing was attacked.
        surrogates: what they were made on.
        queries: what the target was asked before; None: nothing.
    """

    x_adv: Tensor
    surrogates: tuple[Surrogate, ...]
    queries: Queries | None


@dataclass(frozen=True, kw_only=True)
class Transfer(QuantumAttack):
    r"""Inputs with the lowest margin on an ensemble of surrogates, within a norm ball and the box of the model.

    .. math:: \min_{\|\delta\|_p \le \varepsilon,\ x + \delta \in B}\ z_y(x + \delta) - \max_{j \ne y} z_j(x + \delta),
        \qquad z = \log \frac1M \sum_m \mathrm{softmax}\Bigl(\frac{5\,z_m}{s_m}\Bigr)

    The surrogates see the target only through its answers to a number of queries (`ask`): the attacker's own inputs and
    copies of them. The search (`craft`) is Auto-PGD with momentum and gradients averaged over jittered inputs, and goes
    on beyond the boundary of the surrogates. The target is asked once more for each sample: for the verdict.
    Transfer to and from quantum classifiers: arXiv:2001.00030; ensembles: arXiv:1611.02770; extraction:
    arXiv:1602.02697.

    Args:
        norm: `"linf"`, `"l2"` or `"l1"`.
        units: of budgets, `"feature"` or `"relative"`: as a share of the norm of each input.
        box: `"data"`: inputs stay in the model's box; `"none"`: they may leave it.
        surrogates: kinds that are trained: `"same"` (the target's architecture with fresh weights), `"mlp"`,
            `"logistic"`, `"other-encoding"` (angles for amplitudes and the reverse), `"twin"` (the target without its
            noise or its defence; not trained). Several make an ensemble.
        answers: what a query gives, `"scores"` or `"labels"`.
        queries: budget of queries to the target, for all surrogates together.
        steps: gradient steps on the surrogates.
        draws: gradients averaged in each step.
        diversity: length of the jitter as a share of the budget.
        own: the attacker's own inputs; None: the attacker starts from the very samples it is going to attack.
        others: models the attacker has besides: of another device, of other data.

    Raises:
        UsageError: an unknown norm, unit, kind or answer, no surrogate at all, or counts below 1.

    Example:
        >>> Transfer(norm="l2", surrogates=("mlp", "logistic")).unit
        'feature units (l2)'
    """

    norm: str = "linf"
    units: str = "feature"
    box: str = "data"
    surrogates: tuple[str, ...] = ("mlp",)
    answers: str = "scores"
    queries: int = 1000
    steps: int = 50
    draws: int = 4
    diversity: float = 0.3
    own: OwnInputs | None = None
    others: tuple[Surrogate, ...] = ()

    name: ClassVar[str] = "transfer"
    where: ClassVar[str] = "transfer"
    scope: ClassVar[Scope] = "sample"
    knowledge: ClassVar[str] = "transfer"
    goal: ClassVar[str] = "change the decision of each sample, or reach the target class"
    capability: ClassVar[str] = "asks the model a number of times, then changes each input within a norm ball"
    defense: ClassVar[str] = "margins wider than the budget: adversarial training; limits on queries slow it down only"
    default_budgets: ClassVar[tuple[float, ...]] = (0.02, 0.05, 0.1)

    def __post_init__(self) -> None:
        """Refuse what makes no attack."""
        check_words(norm=self.norm, units=self.units, box=self.box)
        if self.norm not in _NORMS:
            raise UsageError(f"norm is {self.norm!r}; transfer takes {', '.join(_NORMS)}.")
        if self.answers not in ANSWERS:
            raise UsageError(f"answers is {self.answers!r}; allowed: {', '.join(ANSWERS)}.")
        for kind in self.surrogates:
            check_kind(kind)
        names = [*self.surrogates, *(other.name for other in self.others)]
        if not names or len(set(names)) < len(names):
            raise UsageError(f"surrogates are {', '.join(names) or 'none'}; give at least one, each name once.")
        for option in ("queries", "steps", "draws"):
            if not (isinstance(getattr(self, option), int) and getattr(self, option) >= 1):
                raise UsageError(f"{option} is {getattr(self, option)!r}; it must be a whole number of at least 1.")
        if not (math.isfinite(self.diversity) and self.diversity >= 0):
            raise UsageError(f"diversity is {self.diversity}; give a share of the budget from 0 upwards.")

    @property
    def unit(self) -> str:
        """Feature units or a share of the norm of each input, with the norm."""
        return f"{_UNITS[self.units]} ({self.norm})"

    @property
    def config(self) -> dict[str, Any]:
        """Everything that defines the attack, as JSON values; own inputs and other models by their names."""
        own = None if self.own is None else str(self.own)
        return {**super().config, "own": own, "others": [other.name for other in self.others]}

    def check(self, model: Classifier) -> None:
        """Refuse a model that has no such surrogate, and surrogates of another task.

        Raises:
            CapabilityError: stochastic scores, an architecture that cannot be trained anew, or a surrogate of other
                features or classes.
            ConditionsError: the twin of a model without noise or defence, or own inputs of other features.
        """
        super().check(model)
        for other in self.others:
            check_alike(other, model)
        if "same" in self.surrogates:
            same(model, torch.zeros(1, model.bounds.features), torch.Generator().manual_seed(0))
        if "twin" in self.surrogates:
            check_alike(Surrogate(name="twin", model=twin_of(model)), model)
        if self.own is not None and self.own.x.shape[1] != model.bounds.features:
            raise ConditionsError(
                f"own inputs have {self.own.x.shape[1]} features, the model takes {model.bounds.features}; apply the "
                "model's preprocessing first."
            )

    def threat(self, *budgets: float) -> ThreatModel:
        """Norm, units and box as a threat model."""
        return ThreatModel(norm=self.norm, eps=budgets, units=self.units, box=self.box)

    def _run(self, situation: Situation, budget: float, before: Manipulation | None) -> Manipulation:
        model, x = situation.model, situation.x
        known, cost = (self._learned(situation), Cost()) if before is None else (before.what, Cost())
        if before is None and known.queries is not None:
            cost = known.queries.cost
        x_adv, open_ = known.x_adv.clone(), situation.correct
        if before is not None:
            open_ = open_ & (situation.margin(before.scores) > 0)
        rows, threat = open_.nonzero()[:, 0], self.threat(budget)
        box = model.bounds if self.box == "data" else Box.unbounded(x.shape[1])
        if len(rows):
            ball = Ball.around(x[rows], threat.radii(x)[0][rows], self.norm, box)
            target = None if self.target is None else torch.full_like(situation.y[rows], self.target)
            x_adv[rows] = self._crafted(known, x[rows], situation.y[rows], ball, target, situation.generator)
        scores = torch.cat([checked_scores(model, part).double() for part in x_adv.split(ROWS_PER_CALL)])
        return Manipulation(
            scores=scores,
            spent=threat.size(x_adv - x) / threat.scale(x),
            what=Transferred(x_adv=x_adv, surrogates=known.surrogates, queries=known.queries),
            evidence=_evidence(situation, known, x_adv),
            cost=cost + call_cost(model, len(rows)),
        )

    def _learned(self, situation: Situation) -> Transferred:
        """Surrogates, from queries where they are trained."""
        queries = None
        if set(self.surrogates) - {"twin"}:
            seeds = situation.x if self.own is None else self.own.x
            queries = ask(
                situation.model, seeds, queries=self.queries, answers=self.answers, generator=situation.generator
            )
        found = [self._surrogate(kind, situation, queries) for kind in self.surrogates]
        return Transferred(x_adv=situation.x, surrogates=(*found, *self.others), queries=queries)

    def _surrogate(self, kind: str, situation: Situation, queries: Queries | None) -> Surrogate:
        if kind == "twin" or queries is None:
            return Surrogate(name=kind, model=twin_of(situation.model))
        return trained_surrogate(kind, situation.model, queries, generator=situation.generator)

    def _crafted(
        self, known: Transferred, x: Tensor, y: Tensor, ball: Ball, target: Tensor | None, generator: torch.Generator
    ) -> Tensor:
        models = [surrogate.model for surrogate in known.surrogates]
        stack = torch.nn.ModuleList([model for model in models if isinstance(model, torch.nn.Module)])
        with frozen(stack):
            return craft(
                Ensemble(models, x),
                x,
                y,
                ball,
                target=target,
                steps=self.steps,
                diversity=self.diversity,
                draws=self.draws,
                generator=generator,
            )


def _evidence(situation: Situation, known: Transferred, x_adv: Tensor) -> dict[str, Any]:
    """How good the surrogates are, what was asked, and how far the encoded states moved."""
    attacked = situation.correct
    broken = {}
    for surrogate in known.surrogates:
        hit = situation.margin(surrogate.model(x_adv).double()) <= 0
        broken[surrogate.name] = int((hit & attacked).sum())
    evidence: dict[str, Any] = {"surrogates": [one.name for one in known.surrogates], "broken_surrogates": broken}
    if known.queries is not None:
        asked = known.queries
        evidence["queries"] = len(asked.x)
        evidence["agreement"] = {one.name: asked.agreement(one.model) for one in known.surrogates}
    fidelity = 1 - trace_distance(situation.model, situation.x, x_adv)[attacked].square()
    if len(fidelity) and bool(fidelity.isfinite().all()):
        evidence["fidelity"] = {"median": float(fidelity.median()), "lowest": float(fidelity.min())}
    return evidence
