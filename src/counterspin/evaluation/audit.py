"""The audit: clean accuracy, every attack, what can be proved, calibration, noise, sanity; stored step by step.

Each finished step lives in the run directory, and the record is computed from what is stored there: the same command
resumes an interrupted run, recomputes nothing of a finished one, and gives the same numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from counterspin.attacks import Attack, AttackResult
from counterspin.attacks.registry import adapted, applicable, suite
from counterspin.certificates.registry import methods
from counterspin.evaluation.calibration import calibrate, probabilities_from_scores
from counterspin.evaluation.certified import Certified, certify_all
from counterspin.evaluation.clean import CleanVerdict, clean_verdict
from counterspin.evaluation.fingerprints import model_digest
from counterspin.evaluation.noise_resilience import measure_noise
from counterspin.evaluation.records import (
    AuditRecord,
    BudgetRecord,
    CalibrationRecord,
    EngineRecord,
    Measured,
    NoiseRecord,
    SanityRecord,
)
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.sanity import SanityContext, run_checks, samples_digest
from counterspin.evaluation.seeds import derived_generator
from counterspin.evaluation.statistics import measured_share
from counterspin.evaluation.summary import EXACT_ATTACKS, budget_records, median_radius, total_cost
from counterspin.models._bounds import box_to_json
from counterspin.threats import ThreatModel
from counterspin.types import Box, Classifier, HasEngine
from counterspin.validation import as_features, as_labels, check_classifier_interface
from counterspin.versions import versions

__all__ = ["AuditSettings", "Subject", "audit_config", "run_audit"]

Progress = Callable[[str, int, int], None]

_NOISE_SAMPLES = {"quick": 100, "standard": 200, "paper": 200}


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """How thoroughly to audit.

    Args:
        tier: `"standard"`: suite v1 and the checks that belong to it; `"paper"`: the same with every check;
            `"quick"`: smaller settings that are not for publication.
        seed: seed of every random stream.
        attacks: instead of the tier's attacks; the exact attack is added where it applies.
    """

    tier: str = "standard"
    seed: int = 0
    attacks: tuple[Attack, ...] | None = None

    @property
    def suite(self) -> str | None:
        """The pinned suite that is run, `"v1"`; None for the quick tier or chosen attacks."""
        return None if self.attacks is not None or self.tier == "quick" else "v1"


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """What is audited: a model, samples, and how to name them.

    Args:
        model: the classifier.
        x: samples `(batch, features)`.
        y: labels `(batch,)`.
        model_card: what the record says of the model, JSON values.
        dataset_card: what the record says of the data, JSON values.
        class_names: one per class; empty: the numbers.
        feature_names: one per feature; empty: x0, x1, …
        image_shape: rows and columns where features are pixels.
    """

    model: Classifier
    x: Tensor
    y: Tensor
    model_card: dict[str, Any] = field(default_factory=dict)
    dataset_card: dict[str, Any] = field(default_factory=dict)
    class_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    image_shape: tuple[int, int] | None = None

    @classmethod
    def checked(cls, model: Any, x: Any, y: Any, threat: ThreatModel, **cards: Any) -> Subject:
        """A subject whose data were checked at the door, in float64.

        Raises:
            InputError: data that cannot be used.
            ModelError: something that is no classifier.
        """
        classifier = check_classifier_interface(model)
        box = classifier.bounds if threat.box == "data" else Box.unbounded(classifier.bounds.features)
        features = as_features(x, box).to(torch.float64)
        return cls(model=classifier, x=features, y=as_labels(y, classifier.classes, len(features)), **cards)


def audit_config(subject: Subject, threat: ThreatModel, settings: AuditSettings) -> dict[str, Any]:
    """The configuration that keys a run, with the digests of model and data."""
    return {
        "verb": "audit",
        "model": model_digest(subject.model, subject.x),
        "data": samples_digest(subject.x, subject.y),
        "threat": threat.to_json(),
        "tier": settings.tier,
        "seed": settings.seed,
        "attacks": [attack.config for attack in _attacks(subject, threat, settings)[0]],
        "engine": subject.model.engine if isinstance(subject.model, HasEngine) else None,
        "counterspin": versions()["counterspin"],
    }


def run_audit(
    subject: Subject, threat: ThreatModel, settings: AuditSettings, store: RunStore, progress: Progress
) -> AuditRecord:
    """Do what the run directory does not hold yet, and return the record.

    Args:
        subject: model and samples.
        threat: the attacker.
        settings: tier, seed, attacks.
        store: the run directory, opened with `audit_config`.
        progress: called with a label, finished and total steps.
    """
    finished = store.stage("record")
    if finished is not None:
        return AuditRecord.model_validate({**finished, "run": str(store.path)})
    attacks, left_out = _attacks(subject, threat, settings)
    certificates = methods(settings.tier)
    steps = _Steps(progress, total=4 + len(attacks) * len(threat.eps) + len(certificates))
    steps.done("clean predictions")
    clean = _clean(subject, settings, store)
    results = {a.name: _attacked(a, subject, clean.correct, threat, settings, store, steps) for a in attacks}
    _predicted(subject, results, store)
    certified = certify_all(
        subject.model,
        subject.x,
        subject.y,
        threat,
        store,
        certificates=certificates,
        seed=settings.seed,
        started=lambda name: steps.done(f"certificate {name}"),
    )
    steps.done("calibration")
    calibration = _calibrated(subject, clean, settings, store)
    steps.done("noise resilience")
    noise = _noise(subject, settings, store)
    steps.done("sanity checks")
    budgets = budget_records(subject.x, clean.correct, threat, results, certified, clean.undecided)
    evaluation = _Evaluation(attacks=attacks, results=results, certified=certified, budgets=budgets, clean=clean)
    sanity = SanityRecord.model_validate(
        _stage(store, "sanity", lambda: _checked(subject, threat, settings, evaluation, store))
    )
    record = AuditRecord(
        schema=1,
        model={**subject.model_card, "sha256": store.config["model"]},
        dataset={**subject.dataset_card, "samples": len(subject.x), "samples_sha256": store.config["data"]},
        threat=threat.to_json(),
        tier=settings.tier,
        suite=settings.suite,
        seed=settings.seed,
        clean_accuracy=_share(clean.correct),
        clean_undecided=None if clean.undecided is None else _share(clean.undecided),
        budgets=budgets,
        median_radius=median_radius(subject.x, clean.correct, threat, certified, seed=settings.seed),
        certificates=certified.cards(),
        calibration=calibration,
        noise_resilience=noise,
        sanity=sanity,
        cost=total_cost(results, _other_seconds(certified, store)),
        versions=versions(),
        engine=_engine(subject.model),
        left_out=left_out,
        run=str(store.path),
    )
    store.write_record(record)
    store.save_stage("record", record.to_json())
    return record


@dataclass(frozen=True, kw_only=True, eq=False)
class _Evaluation:
    """Everything the sanity checks look at."""

    attacks: tuple[Attack, ...]
    results: dict[str, AttackResult]
    certified: Certified
    budgets: list[BudgetRecord]
    clean: CleanVerdict


def _share(mask: Tensor) -> Measured:
    return measured_share(int(mask.sum()), len(mask))


def _engine(model: Classifier) -> EngineRecord | None:
    return EngineRecord(asked=model.engine, ran=model.runs_on()) if isinstance(model, HasEngine) else None


def _checked(
    subject: Subject, threat: ThreatModel, settings: AuditSettings, found: _Evaluation, store: RunStore
) -> dict[str, Any]:
    context = SanityContext(
        model=subject.model,
        x=subject.x,
        y=subject.y,
        threat=threat,
        scores=found.clean.scores,
        verdict=found.clean.correct,
        results=found.results,
        suite={attack.name: attack for attack in found.attacks},
        certificates=found.certified.results,
        stored={name: result.x_adv for name, result in found.results.items()},
        provenance={"model_sha256": store.config["model"], "samples_sha256": store.config["data"]},
        seed=settings.seed,
        reported=[budget.worst_case.value for budget in found.budgets],
        rows={name: store.rows(name) for name in store.attacks()},
    )
    return run_checks(context, settings.tier).model_dump(mode="json")


def _other_seconds(certified: Certified, store: RunStore) -> float:
    stages = sum(store.stage(f"seconds/{name}") or 0.0 for name in ("calibration", "noise", "sanity"))
    return stages + sum(result.seconds for result in certified.results)


class _Steps:
    """Counts finished steps for the progress display."""

    def __init__(self, progress: Progress, total: int) -> None:
        self.progress, self.total, self.finished = progress, total, 0

    def done(self, label: str) -> None:
        self.progress(label, self.finished, self.total)
        self.finished += 1


def _attacks(
    subject: Subject, threat: ThreatModel, settings: AuditSettings
) -> tuple[tuple[Attack, ...], dict[str, str]]:
    """The attacks of the audit, and why others of its suite are left out."""
    if settings.attacks is None:
        return applicable((adapted(attack, subject.model) for attack in suite(settings.tier)), subject.model, threat)
    # Attacks somebody chose stay alone, but for the exact ones: they close the gap to the proof.
    wanted = {*EXACT_ATTACKS} - {attack.name for attack in settings.attacks}
    exact = (a for a in suite() if a.name in wanted and not a.refusal(subject.model, threat))
    return (*settings.attacks, *exact), {}


def _stage(store: RunStore, name: str, compute: Callable[[], Any]) -> Any:
    """The stored value of a stage; computed and stored where it is missing, with the time it took."""
    value = store.stage(name)
    if value is None:
        began = time.perf_counter()
        value = compute()
        store.save_stage(name, value)
        store.save_stage(f"seconds/{name}", time.perf_counter() - began)
    return value


def _clean(subject: Subject, settings: AuditSettings, store: RunStore) -> CleanVerdict:
    if store.tensors("inputs") is None:
        store.save_stage(
            "subject",
            {
                "class_names": list(subject.class_names),
                "feature_names": list(subject.feature_names),
                "image_shape": subject.image_shape,
                "bounds": box_to_json(subject.model.bounds),
            },
        )
        generator = derived_generator(settings.seed, "clean")
        found = clean_verdict(subject.model, subject.x, subject.y, generator=generator)
        # Here, not after hours of attacks: a model that promises probabilities and gives none cannot be calibrated.
        probabilities_from_scores(found.scores, subject.model.outputs)
        store.save_tensors("clean", found.tensors())
        store.save_tensors("inputs", {"x": subject.x, "y": subject.y})
    return CleanVerdict.of(store.tensors("clean") or {})


def _attacked(
    attack: Attack,
    subject: Subject,
    correct: Tensor,
    threat: ThreatModel,
    settings: AuditSettings,
    store: RunStore,
    steps: _Steps,
) -> AttackResult:
    done = store.budgets(attack.name)
    generator = derived_generator(settings.seed, "attack", attack.name)
    seed = generator.initial_seed()
    for _ in done:
        steps.done(attack.name)
    fresh = attack.budgets(subject.model, subject.x, subject.y, threat, generator=generator, done=done, correct=correct)
    for index in range(len(done), len(threat.eps)):
        steps.done(f"{attack.name} at ε = {threat.eps[index]:g}")
        store.save_budget(attack.name, index, correct, next(fresh))
    return AttackResult(
        attack=attack.name,
        config=attack.config,
        threat=threat,
        seed=seed,
        versions=versions(),
        correct=correct,
        budgets=store.budgets(attack.name),
    )


def _predicted(subject: Subject, results: dict[str, AttackResult], store: RunStore) -> None:
    """Store the class each adversarial input is taken for; on a tie the rival, since a tie counts as broken."""
    if store.tensors("predictions") is not None:
        return
    predictions = {}
    for name, result in results.items():
        with torch.no_grad():
            scores = torch.stack([subject.model(budget.x_adv) for budget in result.budgets])
        own = torch.nn.functional.one_hot(subject.y, subject.model.classes).bool()
        rivals = scores.masked_fill(own, -torch.inf).argmax(dim=2)
        predictions[name] = torch.where(result.success, rivals, scores.argmax(dim=2))
    store.save_tensors("predictions", predictions)


def _calibrated(
    subject: Subject, clean: CleanVerdict, settings: AuditSettings, store: RunStore
) -> CalibrationRecord | None:
    if len(subject.x) < 2:
        return None
    value = _stage(
        store,
        "calibration",
        lambda: calibrate(
            clean.scores,
            subject.model.outputs,
            subject.y,
            generator=derived_generator(settings.seed, "calibration"),
        ).model_dump(mode="json"),
    )
    return CalibrationRecord.model_validate(value)


def _noise(subject: Subject, settings: AuditSettings, store: RunStore) -> NoiseRecord:
    samples = _NOISE_SAMPLES[settings.tier]
    value = _stage(
        store,
        "noise",
        lambda: measure_noise(subject.model, subject.x[:samples], subject.y[:samples], seed=settings.seed).model_dump(
            mode="json"
        ),
    )
    return NoiseRecord.model_validate(value)
