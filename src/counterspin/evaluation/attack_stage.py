"""The stages of an audit that attack: which attacks, each at every ε, and what the broken samples are taken for."""

from __future__ import annotations

import torch

from counterspin.attacks import Attack, AttackResult
from counterspin.attacks.modes import frozen
from counterspin.attacks.registry import adapted, applicable, suite, suite_of
from counterspin.errors import BudgetReachedError
from counterspin.evaluation.clean import CleanVerdict
from counterspin.evaluation.execution import Execution
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.seeds import derived_generator
from counterspin.evaluation.steps import Steps
from counterspin.evaluation.subject import AuditSettings, Subject
from counterspin.evaluation.summary import EXACT_ATTACKS
from counterspin.threats import ThreatModel
from counterspin.versions import versions

__all__ = ["attack_stage", "attacks_of", "predictions_stage"]


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


def attack_stage(
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


def predictions_stage(
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
