"""The adaptive check: an attacker who knows the defence must not do better than the audit says.

A defence in training leaves a plain model, so the white-box suite attacks the defence itself. What can still go wrong
is that its gradients mislead. Transfer from the undefended twin shows that (A01), and so do gradients that disagree
with differences (S17) and success that hangs on the loss (S20); random draws (S05) and one step (S06) come from the
audit.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from counterspin.attacks import AttackResult
from counterspin.evaluation.attack_stage import attacks_of
from counterspin.evaluation.clean import CleanVerdict
from counterspin.evaluation.hardening.record import AdaptiveRecord
from counterspin.evaluation.hardening.transfer import TransferFromTwin, transferred
from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.sanity.base import Check, SanityContext
from counterspin.evaluation.sanity.gradients import GradientsAgree
from counterspin.evaluation.sanity.runner import run_check
from counterspin.evaluation.sanity.saturation import SameSuccessByLoss
from counterspin.evaluation.subject import AuditSettings, Subject
from counterspin.threats import ThreatModel
from counterspin.types import Classifier, HasSubstitute
from counterspin.versions import versions

__all__ = ["adaptive_check", "evaluated", "replays_of"]

# Checks that look for misleading gradients, in the order of the record; those the audit ran are taken from it.
_FROM_THE_AUDIT = ("S05", "S06", "S07", "S08", "S23")
_ALWAYS: tuple[Check, ...] = (GradientsAgree(), SameSuccessByLoss())


def adaptive_check(
    undefended: Classifier,
    before: Path,
    after: Path,
    subject: Subject,
    threat: ThreatModel,
    settings: AuditSettings,
    ran: Sequence[CheckRecord],
) -> AdaptiveRecord:
    """What an attacker who knows the defence and has its undefended twin finds beyond the audit.

    Args:
        undefended: the twin.
        before: its run directory.
        after: that of the defended model.
        subject: the defended model and the samples.
        threat: of both audits.
        settings: of both audits.
        ran: the sanity checks of the audit after.
    """
    context = evaluated(after, subject, threat, settings)
    replays = replays_of(before)
    found = transferred(context, undefended, replays, quick=settings.tier == "quick")
    known = {check.id: check for check in ran}
    checks = [run_check(TransferFromTwin(found, len(replays)), context)]
    checks += [known[name] for name in _FROM_THE_AUDIT if name in known]
    checks += [known[check.id] if check.id in known else run_check(check, context) for check in _ALWAYS]
    statuses = {check.status for check in checks}
    return AdaptiveRecord(
        verdict="fail" if "FAIL" in statuses else "warn" if "WARN" in statuses else "pass",
        transfer=found.lines(threat.eps),
        checks=checks,
        hooks=_hooks(subject.model),
    )


def evaluated(directory: Path, subject: Subject, threat: ThreatModel, settings: AuditSettings) -> SanityContext:
    """A finished audit as the checks see it, from its run directory."""
    attacks, _ = attacks_of(subject, threat, settings)
    with RunStore(directory, None) as store:
        clean = CleanVerdict.of(store.tensors("clean") or {})
        results = {
            attack.name: AttackResult(
                attack=attack.name,
                config=attack.config,
                threat=threat,
                seed=settings.seed,
                versions=versions(),
                correct=clean.correct,
                budgets=store.budgets(attack.name),
            )
            for attack in attacks
        }
        provenance = {"model_sha256": store.config["model"], "samples_sha256": store.config["data"]}
    return SanityContext(
        model=subject.model,
        x=subject.x,
        y=subject.y,
        threat=threat,
        scores=clean.scores,
        verdict=clean.correct,
        results=results,
        suite={attack.name: attack for attack in attacks},
        certificates=(),
        stored={name: result.x_adv for name, result in results.items()},
        provenance=provenance,
        seed=settings.seed,
    )


def replays_of(directory: Path) -> dict[str, Tensor]:
    """The adversarial inputs of a finished audit, `(budgets, batch, features)` by attack."""
    with RunStore(directory, None) as store:
        return {name: torch.stack([budget.x_adv for budget in store.budgets(name)]) for name in store.attacks()}


def _hooks(model: Classifier) -> list[str]:
    if isinstance(model, HasSubstitute):
        return ["Where a step has no useful gradient, the attacks put its substitute on the way back (BPDA)."]
    return [
        "The defence changed the weights alone: the model that is attacked is deterministic and differentiable "
        "throughout, so the attacks follow its own gradient and need no stand-in for any step (BPDA, EOT)."
    ]
