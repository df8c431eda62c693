"""Attacks on one part of a model, each stored as it finishes, so that the same command resumes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from counterspin.attacks.quantum import QuantumAttack, QuantumAttackResult
from counterspin.attacks.quantum.registry import label
from counterspin.errors import CapabilityError, ConditionsError, UsageError
from counterspin.evaluation.fingerprints import bytes_digest, model_digest
from counterspin.evaluation.parts.found import Found, FoundAt
from counterspin.evaluation.parts.matched import Certified, matched
from counterspin.evaluation.parts.record import AttackRunRecord
from counterspin.evaluation.parts.summary import attack_record
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.sanity import samples_digest
from counterspin.evaluation.seeds import derived_generator
from counterspin.evaluation.steps import Progress
from counterspin.evaluation.subject import Subject
from counterspin.types import Cost
from counterspin.versions import versions

__all__ = ["PartsTask", "run_parts", "serving"]


@dataclass(frozen=True, kw_only=True, eq=False)
class PartsTask:
    """Attacks on one part of a model.

    Args:
        subject: model and samples.
        where: the part.
        attacks: what is run, in this order.
        budgets: of each attack by its label.
        target: the class the attacker wants; None: any wrong one.
        seed: of every random stream.
        left_out: attacks that are not run, and why.
        asked: whether somebody chose the budgets; default ones may be too large for a small circuit.
    """

    subject: Subject
    where: str
    attacks: tuple[QuantumAttack, ...]
    budgets: dict[str, tuple[float, ...]]
    target: int | None
    seed: int
    left_out: dict[str, str]
    asked: bool = False

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that keys a run, with the digests of model and data."""
        return {
            "verb": "attack",
            "where": self.where,
            "model": model_digest(self.subject.model, self.subject.x),
            "data": samples_digest(self.subject.x, self.subject.y),
            "attacks": [_json(attack.config) for attack in self.attacks],
            "budgets": {name: list(levels) for name, levels in self.budgets.items()},
            "target": self.target,
            "seed": self.seed,
            "counterspin": versions()["counterspin"],
        }


def serving(
    attacks: Sequence[QuantumAttack], subject: Subject, *, chosen: bool
) -> tuple[tuple[QuantumAttack, ...], dict[str, str]]:
    """The attacks that serve a model, and by label why the others do not.

    Args:
        attacks: candidates.
        subject: model and samples.
        chosen: whether somebody chose these attacks: then each has to serve.

    Raises:
        CapabilityError: the model lacks what a chosen attack, or each one, requires.
        ConditionsError: the model is outside what a chosen attack, or each one, is about.
    """
    refused = {label(attack): attack.refusal(subject.model) for attack in attacks}
    found = tuple(attack for attack in attacks if refused[label(attack)] is None)
    for attack in attacks:
        if refused[label(attack)] is not None and (chosen or not found):
            attack.check(subject.model)
    return found, {name: reason for name, reason in refused.items() if reason is not None}


def run_parts(task: PartsTask, store: RunStore, progress: Progress) -> AttackRunRecord:
    """Do what the run directory does not hold yet, and return the record.

    Args:
        task: what to run.
        store: the run directory, opened with the task's configuration.
        progress: called with a label, finished and total steps.

    Raises:
        UsageError: budgets or a target that are none.
        InputError: data that cannot be used.
        ConditionsError: no attack could be run at all.
    """
    stored = store.stage("record")
    if stored is not None:
        return AttackRunRecord.model_validate({**stored, "run": str(store.path)})
    found: list[Found] = []
    left_out = dict(task.left_out)
    refusal: Exception | None = None
    for place, attack in enumerate(task.attacks):
        progress(label(attack), place, len(task.attacks))
        try:
            found.append(_found(attack, task, store))
        except (CapabilityError, ConditionsError, UsageError) as reason:
            if isinstance(reason, UsageError) and task.asked:
                raise
            # Some conditions show only once samples are looked at.
            left_out[label(attack)], refusal = str(reason), reason
    if not found and refusal is not None:
        raise refusal
    record = attack_record(
        found,
        subject=task.subject,
        where=task.where,
        target=task.target,
        seed=task.seed,
        left_out=left_out,
        store=store,
    )
    store.save_stage("record", record.to_json())
    return record


def _found(attack: QuantumAttack, task: PartsTask, store: RunStore) -> Found:
    """What an attack found and what is proved against it, computed now or stored by an earlier run."""
    name = label(attack)
    stage, shelf = f"attack/{name}", _file(name)
    card, tensors = store.stage(stage), store.tensors(shelf)
    if card is None or tensors is None:
        subject, budgets = task.subject, task.budgets[name]
        generator = derived_generator(task.seed, "attack on a part", task.where, name)
        result = attack(subject.model, subject.x, subject.y, budgets, generator=generator)
        certified = matched(attack, subject.model, subject.x, subject.y, budgets)
        card = _card(attack, result, certified)
        tensors = _tensors(result, certified)
        store.save_tensors(shelf, tensors)
        store.save_stage(stage, card)
    return _restored(card, tensors)


def _card(attack: QuantumAttack, result: QuantumAttackResult, certified: Certified | None) -> dict[str, Any]:
    """What is stored of an attack besides its verdicts."""
    return {
        "attack": label(attack),
        "unit": result.unit,
        "scope": result.scope,
        "goal": attack.goal,
        "capability": attack.capability,
        "knowledge": attack.knowledge,
        "defense": attack.defense,
        "config": _json(result.config),
        "method": None if certified is None else certified.method,
        "exact": None if certified is None else certified.exact,
        "budgets": [
            {
                "budget": budget.budget,
                "seconds": budget.seconds,
                "cost": asdict(budget.manipulation.cost),
                "evidence": _json(budget.manipulation.evidence),
            }
            for budget in result.budgets
        ],
    }


def _tensors(result: QuantumAttackResult, certified: Certified | None) -> dict[str, Tensor]:
    kept = {
        "correct": result.correct,
        # Without a target the same tensor; a file holds each of its tensors once.
        "attacked": result.attacked.clone(),
        "success": result.success,
        "spent": torch.stack([budget.spent for budget in result.budgets]).double(),
    }
    return kept if certified is None else {**kept, "holds": certified.holds.bool()}


def _restored(card: dict[str, Any], tensors: dict[str, Tensor]) -> Found:
    budgets = [
        FoundAt(
            budget=at["budget"],
            success=tensors["success"][place],
            spent=tensors["spent"][place],
            cost=Cost(**at["cost"]),
            seconds=at["seconds"],
            evidence=at["evidence"],
        )
        for place, at in enumerate(card["budgets"])
    ]
    names = ("attack", "unit", "scope", "goal", "capability", "knowledge", "defense", "config")
    holds = tensors.get("holds")
    return Found(
        **{name: card[name] for name in names},
        correct=tensors["correct"],
        attacked=tensors["attacked"],
        budgets=tuple(budgets),
        certified=None if holds is None else Certified(holds=holds, method=card["method"], exact=card["exact"]),
    )


def _file(name: str) -> str:
    """A file name for a label; options make it a digest."""
    plain, _, options = name.partition(":")
    return f"attack-{plain}-{bytes_digest(options.encode())[:12]}" if options else f"attack-{plain}"


def _json(value: Any) -> Any:
    """JSON values of settings and evidence: tensors as lists, what is not finite as None, anything else as its text."""
    if isinstance(value, dict):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_json(item) for item in value]
    if isinstance(value, Tensor):
        return _json(value.tolist())
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)
