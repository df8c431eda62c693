"""The stage of an audit that checks its own findings."""

from __future__ import annotations

import time
from dataclasses import dataclass

from counterspin.attacks import Attack, AttackResult
from counterspin.evaluation.certified import Certified
from counterspin.evaluation.clean import CleanVerdict
from counterspin.evaluation.records import BudgetRecord, CheckRecord, SanityRecord
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.sanity import SanityContext, not_run, run_checks
from counterspin.evaluation.subject import AuditSettings, Subject
from counterspin.threats import ThreatModel

__all__ = ["Findings", "sanity_stage"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Findings:
    """Everything the sanity checks look at.

    Args:
        attacks: of the audit.
        results: of each attack by name.
        certified: what is proved.
        budgets: the record at each ε.
        clean: verdicts on the clean samples.
    """

    attacks: tuple[Attack, ...]
    results: dict[str, AttackResult]
    certified: Certified
    budgets: list[BudgetRecord]
    clean: CleanVerdict


def sanity_stage(
    subject: Subject, threat: ThreatModel, settings: AuditSettings, found: Findings, store: RunStore
) -> SanityRecord:
    """What every check of the tier says of the findings; finished checks are read from the run directory."""
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
