"""Attacks on the quantum parts of a model: what they share. A subclass finds manipulations; verdicts are made here."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from time import perf_counter
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.attacks.losses import verdict_margin
from counterspin.attacks.modes import frozen
from counterspin.attacks.quantum.results import Manipulation, QuantumAttackResult, QuantumBudget, Scope, Situation
from counterspin.errors import CapabilityError, ConditionsError, InputError, UsageError
from counterspin.types import Classifier
from counterspin.validation import as_features, as_labels, check_classifier_interface, checked_scores
from counterspin.versions import versions

__all__ = ["QuantumAttack"]


@dataclass(frozen=True, kw_only=True)
class QuantumAttack(ABC):
    """An attack on a quantum part of a model: frozen configuration, called on a model, a batch and budgets.

    Budgets are taken in ascending order, and each run knows what the one before it found: with a manipulation for each
    sample, what is broken stays broken by the same one; with one for all samples, the one that breaks most is kept.

    Subclasses implement `_run` and `unit`, and set:

    * `where`: `"state"`, `"parameters"`, `"gates"`, `"encoding"` or `"measurement"`;
    * `scope`: `"sample"` or `"shared"`;
    * `goal`: one line, what the attacker wants to reach;
    * `capability`: one line, what it must be able to do;
    * `defense`: one line, which defence to expect to help;
    * `default_budgets`: what is tried where nothing is asked for;
    * `whole`: whether budgets are counts;
    * `ceiling`: the largest budget that means anything.

    Args:
        target: the class the attacker wants; None: any wrong one.
    """

    target: int | None = None

    name: ClassVar[str]
    where: ClassVar[str]
    scope: ClassVar[Scope]
    knowledge: ClassVar[str] = "white"
    goal: ClassVar[str]
    capability: ClassVar[str]
    defense: ClassVar[str]
    default_budgets: ClassVar[tuple[float, ...]]
    whole: ClassVar[bool] = False
    ceiling: ClassVar[float] = math.inf

    @property
    @abstractmethod
    def unit(self) -> str:
        """Unit of budgets, with the norm where there is one: `infidelity`, `radians (linf)`, `gates`."""

    @property
    def config(self) -> dict[str, Any]:
        """Everything that defines the attack, as JSON values."""
        return {"name": self.name, **{item.name: getattr(self, item.name) for item in fields(self)}}

    def check(self, model: Classifier) -> None:
        """Refuse a model this attack cannot serve, before any compute; subclasses extend it.

        Raises:
            CapabilityError: the model lacks what the attack requires.
            ConditionsError: the model is outside what the attack is about.
        """
        if model.stochastic:
            raise CapabilityError(
                f"model ({type(model).__name__}) is stochastic and attack {self.name} needs scores that repeat; attack "
                "the model at infinitely many shots."
            )

    def refusal(self, model: Classifier) -> str | None:
        """Why this attack cannot serve `model`, as a sentence; None if it can."""
        try:
            self.check(model)
        except (CapabilityError, ConditionsError) as reason:
            return str(reason)
        return None

    def __call__(
        self,
        model: Classifier,
        x: Any,
        y: Any,
        budgets: Sequence[float] | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> QuantumAttackResult:
        """Attack every sample at every budget.

        Args:
            model: the classifier.
            x: inputs `(batch, features)`, numpy or torch.
            y: labels `(batch,)`.
            budgets: strictly ascending and positive, in `unit`; None: `default_budgets`.
            generator: source of randomness; None means seed 0. The seed is recorded.

        Raises:
            UsageError: budgets that are none of this attack's, or a target that is no class.
            InputError: data that cannot be used, or all samples of the target class.
            CapabilityError: the model lacks what the attack requires.
            ConditionsError: the model is outside what the attack is about.
        """
        levels = self.checked_budgets(self.default_budgets if budgets is None else budgets)
        model = check_classifier_interface(model)
        x = as_features(x, model.bounds).double()
        y = as_labels(y, model.classes, len(x)).to(x.device)
        self.check(model)
        self._check_target(model.classes, y)
        generator = torch.Generator().manual_seed(0) if generator is None else generator
        # One seed per budget, drawn up front: what a budget finds depends on those below it only by what they found.
        seeds = torch.randint(2**62, (len(levels),), generator=generator).tolist()
        with frozen(model), torch.no_grad():
            scores = checked_scores(model, x).double()
            correct = verdict_margin(scores, y) > 0
            attacked = correct if self.target is None else correct & (y != self.target)
            found: list[QuantumBudget] = []
            for level, seed in zip(levels, seeds, strict=True):
                situation = Situation(
                    model=model,
                    x=x,
                    y=y,
                    target=self.target,
                    correct=attacked,
                    scores=scores,
                    generator=torch.Generator().manual_seed(seed),
                )
                found.append(self._budget(situation, level, found[-1] if found else None))
        return QuantumAttackResult(
            attack=self.name,
            config=self.config,
            where=self.where,
            unit=self.unit,
            scope=self.scope,
            seed=generator.initial_seed(),
            versions=versions(),
            correct=correct,
            attacked=attacked,
            budgets=tuple(found),
        )

    def checked_budgets(self, budgets: Sequence[float]) -> tuple[float, ...]:
        """The budgets as numbers.

        Raises:
            UsageError: none, or one that is not positive, not ascending, no count where counts are meant, or above the
                largest that means anything.
        """
        levels = tuple(float(value) for value in budgets)
        shown = ", ".join(f"{level:g}" for level in levels) or "none"
        unit = f"in {self.unit}"
        if not levels or not all(0 < level < math.inf for level in levels) or list(levels) != sorted(set(levels)):
            raise UsageError(f"budgets of {self.name} are {shown}; give positive numbers {unit}, ascending.")
        if self.whole and not all(level.is_integer() for level in levels):
            raise UsageError(f"budgets of {self.name} are {shown}; give whole numbers {unit}.")
        if levels[-1] > self.ceiling:
            raise UsageError(f"budgets of {self.name} are {shown}; the largest {unit} is {self.ceiling:g}.")
        return levels

    @abstractmethod
    def _run(self, situation: Situation, budget: float, before: Manipulation | None) -> Manipulation:
        """The manipulation found at `budget`.

        Args:
            situation: model and samples; gradients are switched off and may be switched on.
            budget: in `unit`.
            before: what was found at the next smaller budget, allowed here as well; None: nothing.
        """

    def _budget(self, situation: Situation, level: float, before: QuantumBudget | None) -> QuantumBudget:
        began = perf_counter()
        found = self._run(situation, level, None if before is None else before.manipulation)
        if not bool(torch.isfinite(found.scores).all()):
            raise InputError(f"attack {self.name} led to scores that are not finite; the model cannot be judged.")
        success = situation.correct & (situation.margin(found.scores) <= 0)
        infinite = torch.full_like(found.spent, math.inf)
        spent = torch.where(success, found.spent, infinite)
        if before is not None and self.scope == "sample":
            spent = torch.where(before.success, before.spent, spent)
            success = success | before.success
        elif before is not None and int(before.success.sum()) > int(success.sum()):
            success, spent, found = before.success, before.spent, before.manipulation
        return QuantumBudget(
            budget=level, success=success, spent=spent, manipulation=found, seconds=perf_counter() - began
        )

    def _check_target(self, classes: int, y: Tensor) -> None:
        if self.target is None:
            return
        if not 0 <= self.target < classes:
            raise UsageError(f"target is {self.target}; the model has {classes} classes, 0 to {classes - 1}.")
        if bool((y == self.target).all()):
            raise InputError(f"every sample is of the target class {self.target}; give samples of other classes.")
