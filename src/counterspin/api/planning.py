"""`cs.plan`: what an audit would execute, before it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from counterspin.api.auditing import checked_budget, checked_settings
from counterspin.api.subjects import checked_subject
from counterspin.attacks import Attack
from counterspin.evaluation.execution import check_budget
from counterspin.evaluation.plan import Plan, plan_audit
from counterspin.evaluation.prices import Prices
from counterspin.models.conditions import Conditions
from counterspin.threats import ExecutionBudget, ThreatModel
from counterspin.types import Box

__all__ = ["Plan", "plan"]


def plan(
    model: Any,
    x: Any,
    y: Any,
    threat: ThreatModel,
    *,
    tier: str = "standard",
    seed: int = 0,
    attacks: Sequence[Attack] | None = None,
    budget: ExecutionBudget | str | None = None,
    bounds: Box | tuple[float, float] | None = None,
    prices: Prices | Mapping[str, Any] | str | Path | None = None,
    device: str | None = None,
    noise: Any = None,
    shots: int | None = None,
    mitigation: Any = None,
) -> Plan:
    """Upper bounds of the circuits, shots and jobs an audit takes, and what they cost; the model is not asked.

    Args:
        model: a classifier.
        x: samples `(batch, features)`.
        y: labels `(batch,)`.
        threat: the attacker.
        tier: as of `audit`.
        seed: as of `audit`.
        attacks: instead of the tier's attacks.
        budget: to compare with, as of `audit`.
        bounds: as of `audit`.
        prices: a price table, `{"circuit": 0.01, "shot": 0, "job": 0.3, "currency": "EUR"}`, or a JSON file of one.
        device: as of `audit`.
        noise: as of `audit`.
        shots: as of `audit`.
        mitigation: as of `audit`; each of its circuits is counted.

    Raises:
        InputError: data or a price file that cannot be used.
        ModelError: something that is no classifier.
        UsageError: options that make no sense.

    Example:
        >>> import counterspin as cs
        >>> recipe = cs.recipes.get("cancer-angle")
        >>> test, attacks = recipe.dataset().test, (cs.attacks.PGD(steps=5),)
        >>> cs.plan(recipe.model(), test.x[:10], test.y[:10], cs.Linf(0.05), attacks=attacks).steps[1].most.circuits
        70
    """
    settings, limit = checked_settings(threat, tier, seed, attacks), checked_budget(budget)
    conditions = Conditions.asked(device=device, noise=noise, shots=shots, mitigation=mitigation)
    subject = checked_subject(
        model, x, y, threat, name=None, dataset=None, bounds=bounds, conditions=conditions, seed=seed
    )
    check_budget(limit, subject.model)
    table = prices if prices is None or isinstance(prices, Prices) else Prices.read(prices)
    return plan_audit(subject, threat, settings, budget=limit, prices=table)
