"""The audit: clean accuracy, every attack, what can be proved, calibration, noise, sanity; stored step by step.

Each finished step lives in the run directory, and the record is computed from what is stored there: the same command
resumes an interrupted run, recomputes nothing of a finished one, and gives the same numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from counterspin.attacks import Attack, AttackResult
from counterspin.attacks.modes import frozen
from counterspin.attacks.registry import adapted, applicable, suite, suite_of
from counterspin.certificates.registry import methods
from counterspin.errors import BudgetReachedError
from counterspin.evaluation.calibration import calibrate, probabilities_from_scores
from counterspin.evaluation.certified import Certified, certify_all
from counterspin.evaluation.clean import CleanVerdict, clean_verdict
from counterspin.evaluation.execution import Execution, check_budget
from counterspin.evaluation.fingerprints import model_digest
from counterspin.evaluation.noise_stage import conditions_stage, resilience_stage
from counterspin.evaluation.records import (
    AuditRecord,
    BudgetRecord,
    CalibrationRecord,
    CheckRecord,
    EngineRecord,
    Measured,
    SanityRecord,
)
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.sanity import SanityContext, none_run, not_run, run_checks, samples_digest
from counterspin.evaluation.seeds import derived_generator
from counterspin.evaluation.statistics import measured_share
from counterspin.evaluation.steps import Progress, Steps
from counterspin.evaluation.subject import AuditSettings, Subject
from counterspin.evaluation.summary import EXACT_ATTACKS, budget_records, median_radius, total_cost
from counterspin.models._bounds import box_to_json
from counterspin.threats import ExecutionBudget, ThreatModel
from counterspin.types import Classifier, HasEngine
from counterspin.versions import versions

__all__ = ["AuditSettings", "Subject", "attacks_of", "audit_config", "run_audit"]


def audit_config(subject: Subject, threat: ThreatModel, settings: AuditSettings) -> dict[str, Any]:
    """The configuration that keys a run, with the digests of model and data."""
    return {
        # Nothing where nobody asked: such runs keep the keys they have.
        **({} if subject.conditioned is None else {"conditions": subject.conditioned.asked}),
        "verb": "audit",
        "model": model_digest(subject.model, subject.x),
        "data": samples_digest(subject.x, subject.y),
        "threat": threat.to_json(),
        "tier": settings.tier,
        "seed": settings.seed,
        "attacks": [attack.config for attack in attacks_of(subject, threat, settings)[0]],
        "engine": subject.model.engine if isinstance(subject.model, HasEngine) else None,
        "counterspin": versions()["counterspin"],
    }


def run_audit(
    subject: Subject,
    threat: ThreatModel,
    settings: AuditSettings,
    store: RunStore,
    progress: Progress,
    budget: ExecutionBudget | None = None,
) -> AuditRecord:
    """Do what the run directory does not hold yet, and return the record.

    Clean predictions, attacks and their verdicts, certificates, noise draws and sanity checks are paid from `budget` in
    that order. When it is used up the attack that runs ends with its best so far, and what would come next is listed as
    not run; the same call with a larger budget does exactly that, and nothing that is finished.

    Args:
        subject: model and samples.
        threat: the attacker.
        settings: tier, seed, attacks.
        store: the run directory, opened with `audit_config`.
        progress: called with a label, finished and total steps.
        budget: what all starts of this run may execute together; None: no limit.

    Raises:
        BudgetReachedError: not even the clean predictions fit the budget.
        UsageError: a budget of shots or jobs for a model that takes none.
    """
    finished = store.stage("record")
    if finished is not None:
        return AuditRecord.model_validate({**finished, "run": str(store.path)})
    check_budget(budget, subject.model)
    execution = Execution(budget, subject.model, store)
    try:
        return _audited(replace(subject, model=execution.model), threat, settings, store, progress, execution)
    finally:
        execution.remember()


def _audited(
    subject: Subject,
    threat: ThreatModel,
    settings: AuditSettings,
    store: RunStore,
    progress: Progress,
    execution: Execution,
) -> AuditRecord:
    attacks, left_out = attacks_of(subject, threat, settings)
    certificates = methods(settings.tier)
    steps = Steps(progress, total=4 + len(attacks) * len(threat.eps) + len(certificates))
    steps.done("clean predictions")
    clean = _clean(subject, settings, store)
    tried = {a.name: _attacked(a, subject, clean, threat, settings, store, steps, execution) for a in attacks}
    results = {name: result for name, result in tried.items() if result is not None}
    _predicted(subject, clean, results, store, complete=execution.attacks_complete)
    certified = certify_all(
        subject.model,
        subject.x,
        subject.y,
        threat,
        store,
        certificates=certificates,
        seed=settings.seed,
        started=steps.several(len(certificates)),
    )
    for name in certified.not_run:
        execution.leave_out(f"certificate {name}")
    steps.done("calibration")
    calibration = _calibrated(subject, clean, settings, store)
    steps.done("noise resilience")
    noise = resilience_stage(subject, settings, store, execution)
    conditions = conditions_stage(subject, threat, settings, store, execution, steps.show)
    steps.done("sanity checks")
    budgets = budget_records(subject.x, clean.correct, threat, results, certified, clean.undecided)
    budgets = execution.marked(budgets)
    evaluation = _Evaluation(attacks=attacks, results=results, certified=certified, budgets=budgets, clean=clean)
    # Checks compare attacks with each other: of attacks that were cut short they would say nothing.
    sanity = _checked(subject, threat, settings, evaluation, store) if execution.attacks_complete else None
    sanity = none_run(settings.tier) if sanity is None else sanity
    for check in filter(not_run, sanity.checks):
        execution.leave_out(f"check {check.id}")
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
        budget=execution.record(),
        noise_conditions=conditions,
        run=str(store.path),
    )
    store.write_record(record)
    if not execution.reached:
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
) -> SanityRecord:
    stored = store.stage("sanity")
    if stored is not None:
        return SanityRecord.model_validate(stored)
    began = time.perf_counter()
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
    record = run_checks(context, settings.tier, _Checks(store))
    if not any(map(not_run, record.checks)):
        store.save_stage("sanity", record.model_dump(mode="json"))
        store.save_stage("seconds/sanity", time.perf_counter() - began)
    return record


@dataclass(frozen=True, eq=False)
class _Checks:
    """Finished checks in the run directory."""

    store: RunStore

    def get(self, name: str, /) -> CheckRecord | None:
        found = self.store.stage(f"check/{name}")
        return None if found is None else CheckRecord.model_validate(found)

    def keep(self, record: CheckRecord, /) -> None:
        self.store.save_stage(f"check/{record.id}", record.model_dump(mode="json"))


def _other_seconds(certified: Certified, store: RunStore) -> float:
    stages = sum(
        store.stage(f"seconds/{name}") or 0.0 for name in ("calibration", "noise", "noise conditions", "sanity")
    )
    return stages + sum(result.seconds for result in certified.results)


def attacks_of(
    subject: Subject, threat: ThreatModel, settings: AuditSettings
) -> tuple[tuple[Attack, ...], dict[str, str]]:
    """The attacks of an audit, and by name why others of its suite are left out."""
    if settings.attacks is None:
        wanted = suite_of(subject.model, settings.tier)
        found, left_out = applicable((adapted(attack, subject.model) for attack in wanted), subject.model, threat)
        others = {attack.name for attack in suite(settings.tier)} - {attack.name for attack in wanted}
        missing = dict.fromkeys(sorted(others), "needs a gradient, and the model says it has none")
        return found, missing | left_out
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
    clean: CleanVerdict,
    threat: ThreatModel,
    settings: AuditSettings,
    store: RunStore,
    steps: Steps,
    execution: Execution,
) -> AttackResult | None:
    """The results of one attack at every ε; None where the execution budget left nothing for it."""
    done = execution.finished(attack.name)
    generator = derived_generator(settings.seed, "attack", attack.name)
    seed = generator.initial_seed()
    for _ in done:
        steps.done(attack.name)
    fresh = attack.budgets(
        subject.model,
        subject.x,
        subject.y,
        threat,
        generator=generator,
        done=done,
        correct=clean.correct,
        scores=clean.scores,
    )
    found = execution.steps(
        attack.name, threat.eps, done, steps.announcing(fresh, attack.name, threat.eps[len(done) :])
    )
    for index, result in found:
        store.save_budget(attack.name, index, clean.correct, result)
    budgets = store.budgets(attack.name)
    if len(budgets) < len(threat.eps):
        return None
    return AttackResult(
        attack=attack.name,
        config=attack.config,
        threat=threat,
        seed=seed,
        versions=versions(),
        correct=clean.correct,
        budgets=budgets,
    )


def _predicted(
    subject: Subject, clean: CleanVerdict, results: dict[str, AttackResult], store: RunStore, *, complete: bool
) -> None:
    """Store the class each adversarial input is taken for; on a tie the rival, since a tie counts as broken.

    Only broken samples of a model with several rivals are asked about; where the execution budget does not reach for
    them, their strongest rival on the clean input stands in.
    """
    if store.stage("predicted"):
        return
    own = torch.nn.functional.one_hot(subject.y, subject.model.classes).bool()
    unbroken = torch.where(clean.correct, subject.y, clean.scores.argmax(dim=1))
    rival = clean.scores.masked_fill(own, -torch.inf).argmax(dim=1)
    predictions = {}
    for name, result in results.items():
        rivals = rival.expand(len(result.budgets), -1).clone()
        broken = result.success & (subject.model.classes > 2)
        try:
            with frozen(subject.model), torch.no_grad():
                scores = subject.model(result.x_adv[broken]) if bool(broken.any()) else clean.scores[:0]
            rivals[broken] = (
                scores.to(rival.device).masked_fill(own.expand(*broken.shape, -1)[broken], -torch.inf).argmax(dim=1)
            )
        except BudgetReachedError:
            complete = False
        predictions[name] = torch.where(result.success, rivals, unbroken)
    store.save_tensors("predictions", predictions)
    if complete:
        store.save_stage("predicted", True)


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
