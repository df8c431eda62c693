"""A model without noise, under noise, mitigated and read with finite shots, on the same samples and attacks.

Every condition and every attack mode is a stage of its own in the run directory: an interrupted run goes on with the
first one that is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from counterspin.attacks import Attack
from counterspin.attacks.gradients import GradientSource
from counterspin.certificates import Certificate
from counterspin.errors import CapabilityError
from counterspin.evaluation.calibration import calibrate
from counterspin.evaluation.certified import Certified, certify_all
from counterspin.evaluation.clean import CleanVerdict, clean_verdict
from counterspin.evaluation.measured import CostRecord, Measured
from counterspin.evaluation.noise_comparisons import compared
from counterspin.evaluation.noise_modes import ModeOutcome, hardware_attack, of_rows, replayed, searched, through_noise
from counterspin.evaluation.noise_records import (
    ConditionBudget,
    ConditionRecord,
    ModeName,
    ModeRecord,
    NoiseConditionsRecord,
)
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.seeds import derived_generator
from counterspin.evaluation.shelves import Shelf
from counterspin.evaluation.statistics import measured_share
from counterspin.models.conditions import Conditioned, ModelVariant
from counterspin.models.sampled import SampledModel
from counterspin.threats import ThreatModel
from counterspin.types import Classifier, Cost

__all__ = ["MODES", "ConditionsTask", "Examined", "measure_conditions"]

MODES: tuple[ModeName, ...] = ("fixed", "re-optimised", "hardware-valid")

# Samples of the section, and those of them that are attacked by shifted circuits.
SAMPLES = {"quick": 100, "standard": 200, "paper": 500}
HARDWARE_SAMPLES = {"quick": 4, "standard": 8, "paper": 16}

# Shots of the hardware-valid attack where nobody says how many.
_SHOTS = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class ConditionsTask:
    """What is measured.

    Args:
        conditioned: the model under each condition.
        x: samples `(batch, features)` float64.
        y: labels `(batch,)`.
        threat: the attacker.
        tier: of the audit.
        seed: of the audit.
        certificates: what is tried to prove under each condition.
        store: the run directory.
        announce: called with a label before each stage.
        paying: the same classifier, its calls paid from the audit's execution budget.
        whole: whether these are all samples of the run, so that what it holds of the last condition holds here.
    """

    conditioned: Conditioned
    x: Tensor
    y: Tensor
    threat: ThreatModel
    tier: str
    seed: int
    certificates: Sequence[Certificate]
    store: RunStore
    announce: Callable[[str], None]
    paying: Callable[[Classifier], Classifier]
    whole: bool

    def generator(self, *labels: object) -> torch.Generator:
        """A random stream of one stage."""
        return derived_generator(self.seed, "noise conditions", *labels)


@dataclass(frozen=True, kw_only=True, eq=False)
class Examined:
    """One condition, measured.

    Args:
        variant: the condition.
        clean: its clean verdicts.
        outcomes: by mode.
    """

    variant: ModelVariant
    clean: CleanVerdict
    outcomes: dict[str, ModeOutcome]

    def standing(self, mode: str, place: int) -> Tensor:
        """Samples correct and unbroken `(batch,)` at the `place`-th ε."""
        return self.clean.correct & ~self.outcomes[mode].fallen[place]


def measure_conditions(task: ConditionsTask) -> NoiseConditionsRecord:
    """Clean and robust accuracy, calibration and certificates under every condition, and paired tests between them.

    Raises:
        BudgetReachedError: the execution budget ended it; what is finished is stored.
    """
    made: Tensor | None = None
    examined, records = [], []
    for variant in task.conditioned.variants:
        shelf = Shelf(task.store, f"noise-{variant.name}")
        model = task.paying(variant.model)
        clean = _clean(task, variant, model, shelf)
        outcomes, attacks = {}, []
        outcome, record = _re_optimised(task, variant, model, clean, shelf)
        made = outcome.x_adv if made is None else made
        fixed = _kept(
            shelf,
            "fixed",
            lambda made=made, model=model, clean=clean, name=variant.name: replayed(
                model, made, task.y, clean, task.generator(name, "fixed"), task.threat.targets(task.y)
            ),
            lambda name=variant.name: task.announce(f"{name}: replayed attacks"),
        )
        outcomes |= {"fixed": fixed, "re-optimised": outcome}
        attacks += [_mode_record(task, "fixed", record.attack, "made on the noiseless model", clean, fixed), record]
        if variant is task.conditioned.variants[-1]:
            attacks.append(_hardware(task, variant, clean, shelf))
        examined.append(Examined(variant=variant, clean=clean, outcomes=outcomes))
        records.append(_record(task, variant, model, clean, attacks, shelf))
    return NoiseConditionsRecord(
        asked=task.conditioned.asked,
        samples=len(task.x),
        conditions=records,
        comparisons=compared(examined, task.threat.eps),
        notes=list(task.conditioned.notes),
    )


def _clean(task: ConditionsTask, variant: ModelVariant, model: Classifier, shelf: Shelf) -> CleanVerdict:
    stored = shelf.tensors("clean")
    if stored is None:
        task.announce(f"{variant.name}: clean predictions")
        found = clean_verdict(model, task.x, task.y, generator=task.generator(variant.name, "clean"))
        shelf.save_tensors("clean", found.tensors())
        return found
    return CleanVerdict.of(stored)


def _re_optimised(
    task: ConditionsTask, variant: ModelVariant, model: Classifier, clean: CleanVerdict, shelf: Shelf
) -> tuple[ModeOutcome, ModeRecord]:
    attack = through_noise(variant.model, task.threat, task.tier)
    outcome = _kept(
        shelf,
        "re-optimised",
        lambda: searched(
            attack, model, task.x, task.y, task.threat, clean, task.generator(variant.name, "re-optimised")
        ),
        lambda: task.announce(f"{variant.name}: {attack.name}"),
    )
    return outcome, _mode_record(task, "re-optimised", attack.name, _words(attack), clean, outcome)


def _hardware(task: ConditionsTask, variant: ModelVariant, clean: CleanVerdict, shelf: Shelf) -> ModeRecord:
    """Of the last condition, on its first correct samples."""
    model = variant.model
    if not isinstance(model, SampledModel):
        model = SampledModel(model, shots=_SHOTS, seed=task.seed)
    rows = clean.correct.nonzero()[: HARDWARE_SAMPLES[task.tier], 0]
    nothing = Cost()
    try:
        attack = hardware_attack(model, task.threat)
    except CapabilityError as reason:
        return ModeRecord(
            mode="hardware-valid", attack="none", gradient="none", samples=0, budgets=[], skipped=str(reason),
            cost=CostRecord(**asdict(nothing), seconds=0.0),
        )  # fmt: skip
    few = CleanVerdict(scores=clean.scores[rows], correct=clean.correct[rows], undecided=None)
    threat = of_rows(task.threat, rows.tolist())
    outcome = _kept(
        shelf,
        "hardware-valid",
        lambda: searched(
            attack, task.paying(model), task.x[rows], task.y[rows], threat, few, task.generator("hardware-valid")
        ),
        lambda: task.announce(f"{variant.name}: hardware-valid attack on {len(rows)} samples"),
    )
    words = f"{_words(attack)}, {model.shots} shots per circuit"
    return _mode_record(task, "hardware-valid", attack.name, words, few, outcome)


def _kept(shelf: Shelf, name: str, compute: Callable[[], ModeOutcome], announce: Callable[[], None]) -> ModeOutcome:
    """The outcome of one mode, stored or computed now."""
    stored, card = shelf.tensors(name), shelf.stage(name)
    if stored is None or card is None:
        announce()
        found = compute()
        shelf.save_tensors(name, {key: getattr(found, key) for key in ("broken", "undecided", "x_adv")})
        shelf.save_stage(name, {"cost": asdict(found.cost), "seconds": found.seconds})
        return found
    return ModeOutcome(**stored, cost=Cost(**card["cost"]), seconds=card["seconds"])


def _mode_record(
    task: ConditionsTask, mode: ModeName, attack: str, gradient: str, clean: CleanVerdict, outcome: ModeOutcome
) -> ModeRecord:
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


def _words(attack: Attack) -> str:
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


def _record(
    task: ConditionsTask,
    variant: ModelVariant,
    model: Classifier,
    clean: CleanVerdict,
    attacks: list[ModeRecord],
    shelf: Shelf,
) -> ConditionRecord:
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
