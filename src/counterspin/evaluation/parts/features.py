"""Attacks on the features, in the form of those on quantum parts: the quick suite, beside every certificate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch

from counterspin.attacks import Attack, every_attack
from counterspin.attacks.registry import adapted, names
from counterspin.certificates.registry import methods
from counterspin.errors import CapabilityError, UsageError
from counterspin.evaluation.attack_stage import attacks_of
from counterspin.evaluation.certified import certify_all
from counterspin.evaluation.fingerprints import model_digest
from counterspin.evaluation.parts.found import Found, FoundAt
from counterspin.evaluation.parts.matched import Certified
from counterspin.evaluation.parts.record import AttackRunRecord
from counterspin.evaluation.parts.summary import attack_record
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.sanity import samples_digest
from counterspin.evaluation.seeds import derived_generator
from counterspin.evaluation.steps import Progress
from counterspin.evaluation.subject import AuditSettings, Subject
from counterspin.threats import ThreatModel
from counterspin.types import Cost
from counterspin.versions import versions

__all__ = ["FeaturesTask", "feature_attacks", "feature_unit", "run_features"]

_TIER = "quick"
_UNITS = {"feature": "feature units", "relative": "share of the norm"}
_DEFENSE = "adversarial training, or training on certified margins"


def feature_unit(threat: ThreatModel) -> str:
    """The unit of a threat's budgets, with the norm.

    Example:
        >>> from counterspin.threats import L2
        >>> feature_unit(L2(0.1, units="relative"))
        'share of the norm (l2)'
    """
    return f"{'changed features' if threat.norm == 'l0' else _UNITS[threat.units]} ({threat.norm})"


def feature_attacks(
    subject: Subject, threat: ThreatModel, chosen: tuple[str, ...] | None
) -> tuple[tuple[Attack, ...], dict[str, str]]:
    """The attacks of the quick suite that serve, or those somebody chose by name; and why others are left out.

    Raises:
        UsageError: an unknown name, or one given twice.
        CapabilityError: a stochastic model, or one that lacks what an attack needs.
        ConditionsError: a chosen attack does not serve this threat.
    """
    if subject.model.stochastic:
        raise CapabilityError(
            "model is stochastic, and the verdicts here need scores that repeat; use `counterspin audit`, which tests "
            "each sample until it is sure."
        )
    if chosen is None:
        return attacks_of(subject, threat, AuditSettings(tier=_TIER))
    known = {attack.name: attack for attack in every_attack()}
    for place, name in enumerate(chosen):
        if name not in known:
            raise UsageError(f"there is no attack {name!r} on features; attacks: {', '.join(names())}.")
        if name in chosen[:place]:
            raise UsageError(f"attack {name!r} is given twice; once is enough.")
    attacks = tuple(adapted(known[name], subject.model) for name in chosen)
    for attack in attacks:
        attack.check(subject.model, threat)
    return attacks, {}


@dataclass(frozen=True, kw_only=True, eq=False)
class FeaturesTask:
    """Attacks on the features of a model.

    Args:
        subject: model and samples.
        threat: norm, budgets, box and target.
        attacks: what is run, in this order.
        seed: of every random stream.
        left_out: attacks that are not run, and why.
    """

    subject: Subject
    threat: ThreatModel
    attacks: tuple[Attack, ...]
    seed: int
    left_out: dict[str, str]

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that keys a run, with the digests of model and data."""
        return {
            "verb": "attack",
            "where": "features",
            "model": model_digest(self.subject.model, self.subject.x),
            "data": samples_digest(self.subject.x, self.subject.y),
            "attacks": [attack.config for attack in self.attacks],
            "threat": self.threat.to_json(),
            "seed": self.seed,
            "counterspin": versions()["counterspin"],
        }


def run_features(task: FeaturesTask, store: RunStore, progress: Progress) -> AttackRunRecord:
    """Do what the run directory does not hold yet, and return the record.

    Args:
        task: what to run.
        store: the run directory, opened with the task's configuration.
        progress: called with a label, finished and total steps.
    """
    stored = store.stage("record")
    if stored is not None:
        return AttackRunRecord.model_validate({**stored, "run": str(store.path)})
    total = len(task.attacks) + 1
    certified = _certified(task, store, lambda label: progress(label, 0, total))
    found = []
    for place, attack in enumerate(task.attacks, start=1):
        progress(attack.name, place, total)
        found.append(_found(attack, task, certified, store))
    target = task.threat.target
    record = attack_record(
        found,
        subject=task.subject,
        where="features",
        target=target if isinstance(target, int) else None,
        seed=task.seed,
        left_out=task.left_out,
        store=store,
        threat=task.threat.to_json(),
    )
    store.save_stage("record", record.to_json())
    return record


def _certified(task: FeaturesTask, store: RunStore, announce: Callable[[str], None]) -> Certified | None:
    """What all certificates that hold prove together; None where none holds."""
    subject, threat = task.subject, task.threat
    proof = certify_all(
        subject.model,
        subject.x,
        subject.y,
        threat,
        store,
        certificates=methods(_TIER),
        seed=task.seed,
        started=lambda label, _: announce(label),
    )
    if proof.radius is None or proof.exact is None:
        return None
    # A flip exactly at the budget is within reach, so the proof must reach beyond it.
    holds = proof.radius > threat.radii(subject.x)
    return Certified(holds=holds, method=", ".join(dict.fromkeys(proof.chosen())), exact=bool(proof.exact.all()))


def _found(attack: Attack, task: FeaturesTask, certified: Certified | None, store: RunStore) -> Found:
    subject, threat = task.subject, task.threat
    stage, shelf = f"attack/{attack.name}", f"attack-{attack.name}"
    card, tensors = store.stage(stage), store.tensors(shelf)
    if card is None or tensors is None:
        generator = derived_generator(task.seed, "attack", attack.name)
        result = attack(subject.model, subject.x, subject.y, threat, generator=generator)
        tensors = {"correct": result.correct, "success": result.success, "distance": result.distance}
        card = {"budgets": [{"cost": asdict(at.cost), "seconds": at.seconds} for at in result.budgets]}
        store.save_tensors(shelf, tensors)
        store.save_stage(stage, card)
    correct = tensors["correct"]
    targets = threat.targets(subject.y)
    return Found(
        attack=attack.name,
        unit=feature_unit(threat),
        scope="sample",
        goal="a wrong class",
        capability="changes each input before it is encoded, within a norm ball",
        knowledge=attack.knowledge,
        defense=_DEFENSE,
        config=attack.config,
        correct=correct,
        attacked=correct if targets is None else correct & (subject.y != targets),
        budgets=tuple(
            _at(eps, place, card["budgets"][place], tensors, threat.scale(subject.x))
            for place, eps in enumerate(threat.eps)
        ),
        certified=certified,
    )


def _at(eps: float, place: int, card: dict[str, Any], tensors: dict[str, torch.Tensor], scale: torch.Tensor) -> FoundAt:
    return FoundAt(
        budget=eps,
        success=tensors["success"][place],
        spent=tensors["distance"][place] / scale,
        cost=Cost(**card["cost"]),
        seconds=card["seconds"],
        evidence={},
    )
