"""What an attack hands back: per budget and per sample, also for failures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from counterspin.threats import ThreatModel
from counterspin.types import Cost

__all__ = ["AttackResult", "BudgetResult"]


@dataclass(frozen=True, eq=False, kw_only=True)
class BudgetResult:
    """One attack at one budget.

    Args:
        eps: the budget, in the units of the threat.
        x_adv: best point of each sample, float64 `(batch, features)`; the clean input where none was better.
        success: broken by the float64 verdict on `x_adv`, at this or a smaller budget `(batch,)`; a universal
            perturbation may lose at a larger budget what it broke at a smaller one.
        distance: norm of `x_adv - x` in feature units `(batch,)`; infinite on failure.
        best_margin: verdict margin at `x_adv` `(batch,)`.
        trace_distance: between the pure states of `x` and `x_adv` `(batch,)`; NaN if the model shows no states.
        history: after each query of this budget, `broken`: share of the correct samples, and `best_margin`: mean over
            them with broken ones as 0; `late_gain`: per sample, how much its best margin fell over the last 10 queries.
        cost: queries of the attack; clean scores and verdicts are the evaluation's own and not in it.
        seconds: wall time.
        undecided: samples of a stochastic model on which the sequential test came to no verdict `(batch,)`; they count
            as unbroken in `success`. None for a deterministic model.
        verdict_cost: what the sequential tests took; nothing for a deterministic model.
    """

    eps: float
    x_adv: Tensor
    success: Tensor
    distance: Tensor
    best_margin: Tensor
    trace_distance: Tensor
    history: dict[str, list[float]]
    cost: Cost
    seconds: float
    undecided: Tensor | None = None
    verdict_cost: Cost = field(default_factory=Cost)


@dataclass(frozen=True, eq=False, kw_only=True)
class AttackResult:
    """An attack over all budgets of a threat; tensors have the axes `(budgets, batch, ...)`.

    Args:
        attack: the attack's name.
        config: everything that defines it.
        threat: the threat model.
        seed: initial seed of the generator.
        versions: of the libraries that computed it.
        correct: samples classified correctly before the attack `(batch,)`.
        budgets: one result per budget, ascending.
    """

    attack: str
    config: dict[str, Any]
    threat: ThreatModel
    seed: int
    versions: dict[str, str]
    correct: Tensor
    budgets: tuple[BudgetResult, ...]

    @property
    def x_adv(self) -> Tensor:
        """Adversarial inputs `(budgets, batch, features)`."""
        return self._stack(lambda budget: budget.x_adv)

    @property
    def success(self) -> Tensor:
        """Broken samples `(budgets, batch)`."""
        return self._stack(lambda budget: budget.success)

    @property
    def distance(self) -> Tensor:
        """Feature distances `(budgets, batch)`, infinite on failure."""
        return self._stack(lambda budget: budget.distance)

    @property
    def state_distance(self) -> Tensor:
        """Trace distances of the encoded states `(budgets, batch)`, NaN without states."""
        return self._stack(lambda budget: budget.trace_distance)

    @property
    def best_loss(self) -> Tensor:
        """Lowest verdict margins reached `(budgets, batch)`."""
        return self._stack(lambda budget: budget.best_margin)

    @property
    def history(self) -> tuple[dict[str, list[float]], ...]:
        """History of each budget."""
        return tuple(budget.history for budget in self.budgets)

    @property
    def cost(self) -> Cost:
        """Cost of all budgets together."""
        return sum((budget.cost for budget in self.budgets), Cost())

    @property
    def verdict_cost(self) -> Cost:
        """Cost of the sequential tests of a stochastic model."""
        return sum((budget.verdict_cost for budget in self.budgets), Cost())

    @property
    def robust_accuracy(self) -> Tensor:
        """Share of samples that are correct and unbroken, `(budgets,)`; undecided ones count as unbroken."""
        return (self.correct & ~self.success).double().mean(dim=1)

    @property
    def attack_success_rate(self) -> Tensor:
        """Broken over correctly classified samples, `(budgets,)`; NaN where none is correct."""
        return self.success.double().sum(dim=1) / self.correct.double().sum()

    def _stack(self, of: Callable[[BudgetResult], Tensor]) -> Tensor:
        return torch.stack([of(budget) for budget in self.budgets])
