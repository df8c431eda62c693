"""What attacks on the quantum parts of a model start from and hand back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from counterspin.attacks.losses import verdict_margin
from counterspin.types import Classifier, Cost

__all__ = ["Manipulation", "QuantumAttackResult", "QuantumBudget", "Scope", "Situation"]

# Whether each sample meets a manipulation of its own, or all samples meet the same.
Scope = Literal["sample", "shared"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Situation:
    """The checked arguments of a run.

    Args:
        model: the classifier, frozen.
        x: clean inputs float64 `(batch, features)`.
        y: labels `(batch,)`.
        target: the class the attacker wants; None: any wrong one.
        correct: samples to attack `(batch,)`: classified correctly and not of the target class.
        scores: clean scores float64 `(batch, classes)`.
        generator: source of all randomness.
    """

    model: Classifier
    x: Tensor
    y: Tensor
    target: int | None
    correct: Tensor
    scores: Tensor
    generator: torch.Generator

    def margin(self, scores: Tensor) -> Tensor:
        """Verdict margins `(batch,)` of scores `(batch, classes)`: at most 0 where the attacker has what it wants."""
        target = None if self.target is None else torch.full_like(self.y, self.target)
        return verdict_margin(scores, self.y, target)


@dataclass(frozen=True, kw_only=True, eq=False)
class Manipulation:
    """What an attack did at one budget.

    Args:
        scores: of every sample under it, float64 `(batch, classes)`, computed from what is described by `what`.
        spent: how much of the budget each sample's manipulation takes `(batch,)`, in the attack's unit.
        what: the manipulation itself, so that anyone can recompute the scores: states, a circuit, weights.
        evidence: what a report says of it, as JSON values (gates touched, detection signature).
        cost: queries it took.
    """

    scores: Tensor
    spent: Tensor
    what: Any
    evidence: dict[str, Any] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)


@dataclass(frozen=True, kw_only=True, eq=False)
class QuantumBudget:
    """One attack at one budget.

    Args:
        budget: in the unit of the attack.
        success: samples broken `(batch,)`.
        spent: what each success took `(batch,)`, infinite on failure.
        manipulation: what was done.
        seconds: wall time.
    """

    budget: float
    success: Tensor
    spent: Tensor
    manipulation: Manipulation
    seconds: float


@dataclass(frozen=True, kw_only=True, eq=False)
class QuantumAttackResult:
    """An attack on a quantum part over all its budgets.

    Args:
        attack: its name.
        config: everything that defines it.
        where: the part it acts on.
        unit: of budgets.
        scope: whether each sample meets its own manipulation.
        seed: initial seed of the generator.
        versions: of the libraries that computed it.
        correct: samples classified correctly without the attack `(batch,)`.
        attacked: the correct samples that were attacked `(batch,)`: all but those of the target class.
        budgets: ascending.
    """

    attack: str
    config: dict[str, Any]
    where: str
    unit: str
    scope: Scope
    seed: int
    versions: dict[str, str]
    correct: Tensor
    attacked: Tensor
    budgets: tuple[QuantumBudget, ...]

    @property
    def success(self) -> Tensor:
        """Broken samples `(budgets, batch)`."""
        return torch.stack([budget.success for budget in self.budgets])

    @property
    def robust_accuracy(self) -> Tensor:
        """Share of all samples that are correct and unbroken, `(budgets,)`."""
        return (self.correct & ~self.success).double().mean(dim=1)
