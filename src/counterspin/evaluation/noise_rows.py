"""What the section about noise says: of one attack mode, and of one condition with its proofs and calibration."""

from __future__ import annotations

from dataclasses import asdict

from torch import Tensor

from counterspin.attacks import Attack
from counterspin.attacks.gradients import GradientSource
from counterspin.evaluation.calibration import calibrate
from counterspin.evaluation.certified import Certified, certify_all
from counterspin.evaluation.clean import CleanVerdict
from counterspin.evaluation.measured import CostRecord, Measured
from counterspin.evaluation.noise_modes import ModeOutcome
from counterspin.evaluation.noise_records import ConditionBudget, ConditionRecord, ModeName, ModeRecord
from counterspin.evaluation.noise_task import ConditionsTask
from counterspin.evaluation.shelves import Shelf
from counterspin.evaluation.statistics import measured_share
from counterspin.models.conditioned import ModelVariant
from counterspin.types import Classifier

__all__ = ["condition_record", "gradient_words", "mode_record"]


def mode_record(
    task: ConditionsTask, mode: ModeName, attack: str, gradient: str, clean: CleanVerdict, outcome: ModeOutcome
) -> ModeRecord:
    """One attack mode under one condition, at every ε.

    Args:
        task: what is measured.
        mode: its name.
        attack: name of the attack.
        gradient: where its gradient comes from, in words.
        clean: verdicts on the samples it was given.
        outcome: what it did to them.
    """
    correct, n = clean.correct, len(clean.correct)
    decided = not bool(outcome.undecided.any())
    budgets = [
        ConditionBudget(
            eps=eps,
            robust_accuracy=measured_share(int((correct & ~outcome.fallen[place]).sum()), n),
            attack_success_rate=measured_share(int((correct & outcome.broken[place]).sum()), int(correct.sum()))
            if bool(correct.any())
            else None,
            undecided=None if decided else measured_share(int((correct & outcome.undecided[place]).sum()), n),
        )
        for place, eps in enumerate(task.threat.eps)
    ]
    cost = CostRecord(**asdict(outcome.cost), seconds=outcome.seconds)
    return ModeRecord(mode=mode, attack=attack, gradient=gradient, samples=n, budgets=budgets, cost=cost)


def gradient_words(attack: Attack) -> str:
    """Where the gradient of an attack comes from, in words.

    Example:
        >>> from counterspin.attacks.evasion import PGD
        >>> gradient_words(PGD())
        'exact, through the noise'
    """
    source = getattr(attack, "gradient", None)
    if not isinstance(source, GradientSource):
        return "none: random points"
    kind = type(source).__name__
    return {
        "Autodiff": "exact, through the noise",
        "Twin": "exact, of the same noise with infinitely many shots",
        "MeasuredShift": "shifted circuits, read as the model is",
        "SPSA": "differences of scores along random directions",
        "EOT": "mean over the randomness",
    }.get(kind, kind)


def condition_record(
    task: ConditionsTask,
    variant: ModelVariant,
    model: Classifier,
    clean: CleanVerdict,
    attacks: list[ModeRecord],
    shelf: Shelf,
) -> ConditionRecord:
    """One condition: accuracy, calibration, what is proved under it, and its attack modes.

    Args:
        task: what is measured.
        variant: the condition.
        model: its classifier, whose calls are paid for.
        clean: its clean verdicts.
        attacks: its attack modes.
        shelf: its part of the run directory, which holds finished proofs.
    """
    task.announce(f"{variant.name}: certificates")
    # What the audit proved of the last condition, on the same samples, is not proved again.
    proved = task.store if task.whole and variant is task.conditioned.variants[-1] else shelf
    certified = certify_all(model, task.x, task.y, task.threat, proved, certificates=task.certificates, seed=task.seed)
    ece = None
    if len(task.x) > 1:
        generator = task.generator(variant.name, "calibration")
        ece = calibrate(clean.scores, variant.model.outputs, task.y, generator=generator).ece
    undecided = clean.undecided
    return ConditionRecord(
        name=variant.name,
        label=variant.label,
        clean_accuracy=_share(clean.correct),
        clean_undecided=None if undecided is None else _share(undecided),
        ece=ece,
        certified=_certified(task, clean, certified),
        certificates={result.method: "applies" for result in certified.results} | certified.refused,
        attacks=attacks,
    )


def _certified(task: ConditionsTask, clean: CleanVerdict, certified: Certified) -> list[Measured] | None:
    proved = certified.radius
    if proved is None:
        return None
    # A flip exactly at the budget is within reach, so the proof must reach beyond it.
    return [_share(clean.correct & (proved > radius)) for radius in task.threat.radii(task.x)]


def _share(mask: Tensor) -> Measured:
    return measured_share(int(mask.sum()), len(mask))
