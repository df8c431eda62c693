"""The procedure of a hardening: train, audit before and after, the adaptive check, defence zero, the ablation.

Each finished stage lives in the run directory: the same command goes on where it was, and computes nothing again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from counterspin.defenses.training.base import TrainingDefense
from counterspin.evaluation.comparison import ComparisonRecord
from counterspin.evaluation.hardening.ablation import ablation, words_of
from counterspin.evaluation.hardening.adaptive import adaptive_check
from counterspin.evaluation.hardening.comparison import degradation
from counterspin.evaluation.hardening.notes import against_zero_notes, gain_notes, training_notes
from counterspin.evaluation.hardening.record import (
    AblationRow,
    AdaptiveRecord,
    ComparedMetric,
    HardenRecord,
    TradeOff,
)
from counterspin.evaluation.hardening.task import AFTER, BEFORE, DEFENDED, ZERO, HardenSettings, HardenTask
from counterspin.evaluation.hardening.training import composed, selection_of, trained
from counterspin.evaluation.hardening.zero import Zero, defence_zero
from counterspin.evaluation.records import AuditRecord
from counterspin.evaluation.run_store import read_record
from counterspin.evaluation.subject import Subject
from counterspin.threats import ThreatModel
from counterspin.versions import versions

__all__ = ["check_parts", "run_hardening"]


def check_parts(parts: Sequence[TrainingDefense], model: Any, threat: ThreatModel, settings: HardenSettings) -> None:
    """Refuse parts that cannot go together or that lack what they need, before anything is trained.

    Args:
        parts: of the defence.
        model: the undefended model, or one of its architecture.
        threat: of training and audits.
        settings: how it is trained.

    Raises:
        UsageError: two parts of a kind that takes one, or a setting beyond the threat.
        CapabilityError: an objective that needs what the model lacks.
        ConditionsError: one asked outside its conditions.
    """
    composed(parts)
    for part in parts:
        part.check(model, threat)
    if settings.select == "robust":
        selection_of(threat).check(model)


def run_hardening(task: HardenTask) -> HardenRecord:
    """Do what the run directory does not hold yet, and return the record.

    Raises:
        CounterspinError: what training and audits refuse; `check_parts` comes before.
    """
    asked = f"record/{task.settings.zero}/{task.settings.ablation}"
    finished = task.store.stage(asked)
    if finished is not None:
        return HardenRecord.model_validate({**finished, "run": str(task.directory)})
    undefended = task.undefended()
    defended = trained(task, undefended, DEFENDED, task.parts)
    name = task.trainee.name
    before = task.audit(undefended, BEFORE, name if task.trainee.committed else _path(task, "undefended"))
    after = task.audit(defended.model, AFTER, _path(task, DEFENDED))
    lines, compared = _against(task, BEFORE, defended.record.seconds)
    adaptive = _adaptive(task, undefended, defended.model, after)
    zero, zero_record, zero_lines = _zero(task, undefended, defended.record.seconds)
    rows = ablation(task, undefended) if _ablated(task) else []
    left_out = {"defence zero": zero.reason} if zero.reason else {}
    if len(task.parts) < 2:
        left_out["ablation"] = "The defence has one part."
    elif not task.settings.ablation:
        left_out["ablation"] = "Not asked for."
    record = HardenRecord(
        model={"name": name, "source": task.trainee.source, "seed": task.trainee.seed},
        defense=[part.to_json() for part in task.parts],
        training=defended.record,
        before=before,
        after=after,
        zero=zero_record,
        zero_scale=zero.scale,
        zero_tried=list(zero.tried),
        comparison=lines,
        against_zero=zero_lines,
        adaptive=adaptive,
        ablation=rows,
        trade_off=_trade_off(task, before, after, zero_record, rows),
        notes=[
            *gain_notes(lines),
            *against_zero_notes(zero_lines, zero.scale),
            *training_notes(task, defended.record),
            *_shared(compared),
        ],
        left_out=left_out,
        versions=versions(),
        run=str(task.directory),
    )
    task.store.save_stage(asked, record.model_dump(mode="json", by_alias=True))
    return record


def _path(task: HardenTask, label: str) -> str:
    return str(task.place(label))


def _against(task: HardenTask, other: str, seconds: float) -> tuple[list[ComparedMetric], ComparisonRecord]:
    directories = (task.directory / other, task.directory / AFTER)
    return degradation(*directories, task.threat, seconds=(None, seconds))


def _adaptive(task: HardenTask, undefended: Any, defended: Any, after: AuditRecord) -> AdaptiveRecord:
    stored = task.store.stage("adaptive")
    if stored is not None:
        return AdaptiveRecord.model_validate(stored)
    task.progress("adaptive check", 0, 0)
    subject = Subject(model=defended, x=task.subject.x, y=task.subject.y)
    directories = (task.directory / BEFORE, task.directory / AFTER)
    record = adaptive_check(undefended, *directories, subject, task.threat, task.settings.audit, after.sanity.checks)
    task.store.save_stage("adaptive", record.model_dump(mode="json"))
    return record


def _zero(task: HardenTask, undefended: Any, seconds: float) -> tuple[Zero, AuditRecord | None, list[ComparedMetric]]:
    if not task.settings.zero:
        return Zero(model=None, reason="Not asked for."), None, []
    zero = defence_zero(task, undefended)
    if zero.model is None:
        return zero, None, []
    record = task.audit(zero.model, ZERO, _path(task, ZERO))
    return zero, record, _against(task, ZERO, seconds)[0]


def _ablated(task: HardenTask) -> bool:
    return task.settings.ablation and len(task.parts) > 1


def _trade_off(
    task: HardenTask, before: AuditRecord, after: AuditRecord, zero: AuditRecord | None, rows: list[AblationRow]
) -> list[TradeOff]:
    found = [("undefended", before), (words_of(task.parts), after)]
    found += [] if zero is None else [("defence zero", zero)]
    found += [(row.defense, read_record(task.directory / row.run)) for row in rows]
    return [
        TradeOff(
            name=name,
            clean=record.clean_accuracy,
            robust_by_eps={f"{budget.eps:g}": budget.worst_case for budget in record.budgets},
        )
        for name, record in found
    ]


def _shared(compared: ComparisonRecord) -> list[str]:
    """Notes of the comparison; where it names run directories, by their last part, as the page does."""
    sides = {compared.first.run: "the audit after", compared.second.run: "the audit before"}
    notes = []
    for note in compared.notes:
        for path, words in sides.items():
            note = note.replace(path, words)
        notes.append(note)
    return notes
