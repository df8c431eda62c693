"""The record of attacks on one part, computed from per-sample results: nothing in it is remembered from the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from counterspin.evaluation.measured import CostRecord, Measured
from counterspin.evaluation.parts.found import Found, FoundAt
from counterspin.evaluation.parts.record import AttackRunRecord, Contradiction, Finding, PartBudget
from counterspin.evaluation.parts.taxonomy import joined, taxonomy
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.statistics import measured_share
from counterspin.evaluation.subject import Subject
from counterspin.types import Cost
from counterspin.versions import versions

__all__ = ["attack_record"]


def attack_record(
    found: Sequence[Found],
    *,
    subject: Subject,
    where: str,
    target: int | None,
    seed: int,
    left_out: dict[str, str],
    store: RunStore,
    threat: dict[str, Any] | None = None,
) -> AttackRunRecord:
    """The record of a run.

    Args:
        found: what each attack found, at least one.
        subject: model and samples.
        where: the part.
        target: the class the attacker wants; None: any wrong one.
        seed: of the run.
        left_out: attacks that were not run, and why.
        store: the run directory, whose configuration holds the digests of model and data.
        threat: what the threat says besides; None: nothing.
    """
    places = dict.fromkeys((one.unit, one.scope, at.budget) for one in found for at in one.budgets)
    groups = list(dict.fromkeys((unit, scope) for unit, scope, _ in places))
    ordered = sorted(places, key=lambda place: (groups.index(place[:2]), place[2]))
    rows = [
        _row(budget, [one for one in found if (one.unit, one.scope) == (unit, scope)], where, target)
        for unit, scope, budget in ordered
    ]
    whole = joined(finding.taxonomy for row in rows for finding in row.attacks)
    return AttackRunRecord(
        schema=1,
        model={**subject.model_card, "sha256": store.config["model"]},
        dataset={**subject.dataset_card, "samples": len(subject.x), "samples_sha256": store.config["data"]},
        where=where,
        threat={
            "where": where,
            "goal": whole.goal,
            "capability": whole.capability,
            "knowledge": whole.knowledge,
            "target": target,
            "budget_units": list(dict.fromkeys(one.unit for one in found)),
            "scopes": list(dict.fromkeys(one.scope for one in found)),
            **(threat or {}),
        },
        clean_accuracy=_share(found[0].correct),
        budgets=rows,
        contradictions=[line for one in found for line in _contradictions(one)],
        taxonomy=whole,
        left_out=left_out,
        versions=versions(),
        seed=seed,
        run=str(store.path),
    )


def _row(budget: float, peers: list[Found], where: str, target: int | None) -> PartBudget:
    """The row of all attacks of one unit and scope at one budget."""
    correct, scope = peers[0].correct, peers[0].scope
    standing = [correct & ~one.broken(budget) for one in peers]
    if scope == "shared":
        accuracy = min((_share(left) for left in standing), key=lambda share: share.value)
    else:
        accuracy = _share(torch.stack(standing).all(dim=0))
    here = [(one, at) for one in peers for at in one.budgets if at.budget == budget]
    proved = [one.proved(budget) for one in peers]
    known = [left for left in proved if left is not None]
    findings = [_finding(one, at, where, target) for one, at in here]
    return PartBudget(
        budget=budget,
        unit=peers[0].unit,
        scope=scope,
        accuracy=accuracy,
        # What one attack has no certificate against is proved against the row by none of the others.
        certified=_share(torch.stack(known).all(dim=0)) if len(known) == len(proved) else None,
        cost=_cost(sum((at.cost for _, at in here), Cost()), sum(at.seconds for _, at in here)),
        attacks=findings,
    )


def _finding(one: Found, at: FoundAt, where: str, target: int | None) -> Finding:
    attacked, broken, proved = int(one.attacked.sum()), one.broken(at.budget), one.proved(at.budget)
    spent = at.spent[at.success & torch.isfinite(at.spent)]
    goal = one.goal if target is None else f"{one.goal.rstrip('.')}, towards class {target}"
    return Finding(
        attack=one.attack,
        scope=one.scope,
        accuracy=_share(one.correct & ~broken),
        success=measured_share(int((one.attacked & broken).sum()), attacked) if attacked else None,
        spent=float(spent.median()) if len(spent) else None,
        certified=None if proved is None else _share(proved),
        method=None if one.certified is None else one.certified.method,
        exact=None if one.certified is None else one.certified.exact,
        cost=_cost(at.cost, at.seconds),
        evidence=at.evidence,
        defense=one.defense,
        taxonomy=taxonomy(where, one.attack, goal=goal, capability=one.capability, knowledge=one.knowledge),
        config=one.config,
    )


def _contradictions(one: Found) -> list[Contradiction]:
    """Samples that were proved and broken at the same budget."""
    found = []
    for place, at in enumerate(one.budgets):
        if one.certified is None:
            break
        both = one.certified.holds[place] & at.success
        found += [
            Contradiction(
                attack=one.attack, method=one.certified.method, sample=sample, budget=at.budget, unit=one.unit
            )
            for sample in both.nonzero().flatten().tolist()
        ]
    return found


def _cost(cost: Cost, seconds: float) -> CostRecord:
    return CostRecord(
        forwards=cost.forwards,
        backwards=cost.backwards,
        circuits=cost.circuits,
        shots=cost.shots,
        jobs=cost.jobs,
        seconds=seconds,
    )


def _share(mask: Tensor) -> Measured:
    return measured_share(int(mask.sum()), len(mask))
