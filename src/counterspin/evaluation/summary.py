"""The record of an audit, computed from per-sample results: nothing in it is remembered from the run itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from counterspin.attacks import AttackResult, BudgetResult
from counterspin.evaluation.certified import Certified
from counterspin.evaluation.records import AttackRecord, BudgetRecord, CostRecord, ExactRecord, Measured
from counterspin.evaluation.seeds import derived_generator
from counterspin.evaluation.statistics import measured_median, measured_share
from counterspin.threats import ThreatModel
from counterspin.types import Cost

__all__ = ["EXACT_ATTACKS", "budget_records", "median_radius", "total_cost"]

# Attacks that solve for the nearest flip instead of searching for it.
EXACT_ATTACKS = ("exact", "exact-boxed")


def budget_records(
    x: Tensor,
    correct: Tensor,
    threat: ThreatModel,
    results: Mapping[str, AttackResult],
    certified: Certified,
    undecided: Tensor | None = None,
) -> list[BudgetRecord]:
    """What each attack and each proof says at every budget.

    Args:
        x: clean inputs `(batch, features)` float64.
        correct: samples classified correctly `(batch,)`.
        threat: budgets and units.
        results: attack results by name.
        certified: what was proved.
        undecided: samples whose clean class a stochastic model leaves open `(batch,)`; None: deterministic.
    """
    radii = threat.radii(x)
    return [
        _budget_record(index, eps, radii[index], correct, results, certified, undecided)
        for index, eps in enumerate(threat.eps)
    ]


def median_radius(
    x: Tensor, correct: Tensor, threat: ThreatModel, certified: Certified, *, seed: int
) -> Measured | None:
    """Median certified radius in the units of the threat, misclassified samples counting as 0."""
    if certified.radius is None:
        return None
    relative = torch.where(correct, certified.radius / threat.scale(x), 0.0)
    return measured_median(relative, generator=derived_generator(seed, "median radius"))


def total_cost(results: Mapping[str, AttackResult], other_seconds: float) -> CostRecord:
    """Cost of all attacks together, and the wall time of the whole audit.

    Args:
        results: attack results by name.
        other_seconds: time of everything that is no attack.
    """
    cost = sum((result.cost + result.verdict_cost for result in results.values()), Cost())
    seconds = sum(budget.seconds for result in results.values() for budget in result.budgets)
    return CostRecord(
        forwards=cost.forwards,
        backwards=cost.backwards,
        circuits=cost.circuits,
        shots=cost.shots,
        jobs=cost.jobs,
        seconds=seconds + other_seconds,
    )


def _budget_record(
    index: int,
    eps: float,
    radius: Tensor,
    correct: Tensor,
    results: Mapping[str, AttackResult],
    certified: Certified,
    undecided: Tensor | None,
) -> BudgetRecord:
    standing = correct.clone()
    standing_gradient = correct.clone()
    # What may stand: no attack is known to have broken it, though a test of a stochastic model may not have decided.
    possible = correct if undecided is None else correct | undecided
    for result in results.values():
        # What broke at a smaller budget is within this one too, whatever the attack did at it.
        for budget in result.budgets[: index + 1]:
            standing &= ~_fallen(budget)
            possible = possible & ~budget.success
            if "gradient" in result.config:
                standing_gradient &= ~_fallen(budget)
    proved = certified.radius
    return BudgetRecord(
        eps=eps,
        attacks={name: _attack_record(result, index) for name, result in results.items()},
        worst_case=_share(standing),
        worst_case_gradient=_share(standing_gradient),
        # A flip exactly at the budget is within reach, so the proof must reach beyond it.
        certified=None if proved is None else _share(correct & (proved > radius)),
        exact=_exact_record(radius, correct, standing, certified),
        undecided=None if undecided is None else _share(possible & ~standing),
        worst_case_upper=None if undecided is None else _share(possible),
    )


def _fallen(budget: BudgetResult) -> Tensor:
    """Samples that cannot be said to stand `(batch,)`: broken, or undecided."""
    return budget.success if budget.undecided is None else budget.success | budget.undecided


def _exact_record(radius: Tensor, correct: Tensor, standing: Tensor, certified: Certified) -> ExactRecord | None:
    flips_at, proved = certified.flips_at, certified.radius
    if flips_at is None or proved is None:
        return None
    lower = correct & (proved > radius)
    # A counterexample is one whoever found it: the bracket never reaches above the worst case.
    upper = standing & (flips_at > radius)
    return ExactRecord(lower=_share(lower), upper=_share(upper), decided=_share(lower | ~upper))


def _attack_record(result: AttackResult, index: int) -> AttackRecord:
    budget = result.budgets[index]
    correct = int(result.correct.sum())
    broken = int((result.correct & budget.success).sum())
    names = ("circuits", "forwards", "backwards", "shots", "jobs")
    cost: dict[str, Any] = {name: getattr(budget.cost, name) for name in names}
    return AttackRecord(
        robust_accuracy=_share(result.correct & ~_fallen(budget)),
        attack_success_rate=measured_share(broken, correct) if correct else None,
        seconds=budget.seconds,
        config=result.config,
        undecided=None if budget.undecided is None else _share(result.correct & budget.undecided),
        verdict_circuits=budget.verdict_cost.circuits,
        verdict_shots=budget.verdict_cost.shots,
        **cost,
    )


def _share(mask: Tensor) -> Measured:
    return measured_share(int(mask.sum()), len(mask))
