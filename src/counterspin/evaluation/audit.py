"""The audit: clean accuracy, every attack, what can be proved, calibration, noise, sanity; stored step by step.

Each finished step lives in the run directory, and the record is computed from what is stored there: the same command
resumes an interrupted run, recomputes nothing of a finished one, and gives the same numbers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from counterspin.certificates.registry import methods
from counterspin.evaluation.attack_stage import attack_stage, attacks_of, predictions_stage
from counterspin.evaluation.certified import Certified, certify_all
from counterspin.evaluation.clean_stage import calibration_stage, clean_stage
from counterspin.evaluation.execution import Execution, check_budget
from counterspin.evaluation.fingerprints import model_digest
from counterspin.evaluation.noise_stage import conditions_stage, resilience_stage
from counterspin.evaluation.records import AuditRecord, EngineRecord
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.sanity import none_run, not_run, samples_digest
from counterspin.evaluation.sanity_stage import Findings, sanity_stage
from counterspin.evaluation.statistics import measured_share
from counterspin.evaluation.steps import Progress, Steps
from counterspin.evaluation.subject import AuditSettings, Subject
from counterspin.evaluation.summary import budget_records, median_radius, total_cost
from counterspin.threats import ExecutionBudget, ThreatModel
from counterspin.types import Classifier, HasEngine
from counterspin.versions import versions

__all__ = ["AuditSettings", "Subject", "audit_config", "run_audit"]


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
    clean = clean_stage(subject, settings, store)
    tried = {a.name: attack_stage(a, subject, clean, threat, settings, store, steps, execution) for a in attacks}
    results = {name: result for name, result in tried.items() if result is not None}
    predictions_stage(subject, clean, results, store, complete=execution.attacks_complete)
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
    calibration = calibration_stage(subject, clean, settings, store)
    steps.done("noise resilience")
    noise = resilience_stage(subject, settings, store, execution)
    conditions = conditions_stage(subject, threat, settings, store, execution, steps.show)
    steps.done("sanity checks")
    budgets = budget_records(subject.x, clean.correct, threat, results, certified, clean.undecided)
    budgets = execution.marked(budgets)
    findings = Findings(attacks=attacks, results=results, certified=certified, budgets=budgets, clean=clean)
    # Checks compare attacks with each other: of attacks that were cut short they would say nothing.
    sanity = sanity_stage(subject, threat, settings, findings, store) if execution.attacks_complete else None
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
        clean_accuracy=measured_share(int(clean.correct.sum()), len(subject.x)),
        clean_undecided=None if clean.undecided is None else measured_share(int(clean.undecided.sum()), len(subject.x)),
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


def _engine(model: Classifier) -> EngineRecord | None:
    return EngineRecord(asked=model.engine, ran=model.runs_on()) if isinstance(model, HasEngine) else None


def _other_seconds(certified: Certified, store: RunStore) -> float:
    stages = sum(
        store.stage(f"seconds/{name}") or 0.0 for name in ("calibration", "noise", "noise conditions", "sanity")
    )
    return stages + sum(result.seconds for result in certified.results)
