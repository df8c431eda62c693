"""The stages of an audit that are about noise: accuracy on grids of noise, and the conditions somebody asked about."""

from __future__ import annotations

import time
from collections.abc import Callable

from counterspin.certificates.registry import methods
from counterspin.errors import BudgetReachedError, CapabilityError
from counterspin.evaluation.execution import Execution
from counterspin.evaluation.noise_conditions import measure_conditions
from counterspin.evaluation.noise_modes import of_rows
from counterspin.evaluation.noise_records import NoiseConditionsRecord
from counterspin.evaluation.noise_resilience import measure_noise, noise_price
from counterspin.evaluation.noise_task import SAMPLES, ConditionsTask
from counterspin.evaluation.records import NoiseRecord
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.subject import AuditSettings, Subject
from counterspin.threats import ThreatModel
from counterspin.types import Classifier, Cost

__all__ = ["conditions_stage", "resilience_price", "resilience_stage"]

_GRID_SAMPLES = {"quick": 100, "standard": 200, "paper": 200}


def resilience_stage(subject: Subject, settings: AuditSettings, store: RunStore, execution: Execution) -> NoiseRecord:
    """Accuracy of the circuit on grids of noise strength and shots, measured now or stored by an earlier start.

    A model that was asked to run under conditions is measured without them: the grids bring their own noise.
    """
    model, samples = _bare(subject), _GRID_SAMPLES[settings.tier]
    stored = store.stage("noise")
    if stored is not None:
        return NoiseRecord.model_validate(stored)
    price = resilience_price(subject, settings)
    if price.circuits and not execution.ledger.affords(price):
        execution.leave_out("noise resilience")
        return NoiseRecord(samples=0, curves=[], skipped="not run: the execution budget does not reach for it")
    if price.circuits:
        execution.ledger.pay(price)
    began = time.perf_counter()
    record = measure_noise(model, subject.x[:samples], subject.y[:samples], seed=settings.seed)
    store.save_stage("noise", record.model_dump(mode="json"))
    store.save_stage("seconds/noise", time.perf_counter() - began)
    return record


def resilience_price(subject: Subject, settings: AuditSettings) -> Cost:
    """What the noise draws of `resilience_stage` are worth."""
    return noise_price(_bare(subject), min(_GRID_SAMPLES[settings.tier], len(subject.x)))


def conditions_stage(
    subject: Subject,
    threat: ThreatModel,
    settings: AuditSettings,
    store: RunStore,
    execution: Execution,
    announce: Callable[[str], None],
) -> NoiseConditionsRecord | None:
    """What the audit says of the conditions; None where nobody asked about any."""
    if subject.conditioned is None:
        return None
    stored = store.stage("noise conditions")
    if stored is not None:
        return NoiseConditionsRecord.model_validate(stored)
    began = time.perf_counter()
    samples = SAMPLES[settings.tier]
    task = ConditionsTask(
        conditioned=subject.conditioned,
        x=subject.x[:samples],
        y=subject.y[:samples],
        threat=of_rows(threat, range(len(subject.x[:samples]))),
        tier=settings.tier,
        seed=settings.seed,
        certificates=methods(settings.tier),
        store=store,
        announce=announce,
        paying=execution.paying,
        whole=len(subject.x) <= samples,
    )
    try:
        record = measure_conditions(task)
    except BudgetReachedError:
        execution.leave_out("noise conditions")
        return _skipped(task, "not run: the execution budget does not reach for it")
    except CapabilityError as reason:
        record = _skipped(task, str(reason))
    store.save_stage("noise conditions", record.model_dump(mode="json"))
    store.save_stage("seconds/noise conditions", time.perf_counter() - began)
    return record


def _bare(subject: Subject) -> Classifier:
    """The model without the conditions somebody asked about."""
    return subject.model if subject.conditioned is None else subject.conditioned.ideal


def _skipped(task: ConditionsTask, reason: str) -> NoiseConditionsRecord:
    conditioned = task.conditioned
    return NoiseConditionsRecord(
        asked=conditioned.asked,
        samples=0,
        conditions=[],
        comparisons=[],
        notes=list(conditioned.notes),
        skipped=reason,
    )
