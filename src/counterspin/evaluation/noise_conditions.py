"""A model without noise, under noise, mitigated and read with finite shots, on the same samples and attacks.

Every condition and every attack mode is a stage of its own in the run directory: an interrupted run goes on with the
first one that is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from torch import Tensor

from counterspin.errors import CapabilityError
from counterspin.evaluation.clean import CleanVerdict, clean_verdict
from counterspin.evaluation.measured import CostRecord
from counterspin.evaluation.noise_comparisons import compared
from counterspin.evaluation.noise_modes import ModeOutcome, hardware_attack, of_rows, replayed, searched, through_noise
from counterspin.evaluation.noise_records import ModeName, ModeRecord, NoiseConditionsRecord
from counterspin.evaluation.noise_rows import condition_record, gradient_words, mode_record
from counterspin.evaluation.noise_task import HARDWARE_SAMPLES, ConditionsTask, Examined, measured_model
from counterspin.evaluation.shelves import Shelf
from counterspin.models.conditioned import ModelVariant
from counterspin.types import Classifier, Cost

__all__ = ["MODES", "measure_conditions"]

MODES: tuple[ModeName, ...] = ("fixed", "re-optimised", "hardware-valid")


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
        attacks += [mode_record(task, "fixed", record.attack, "made on the noiseless model", clean, fixed), record]
        if variant is task.conditioned.variants[-1]:
            attacks.append(_hardware(task, variant, clean, shelf))
        examined.append(Examined(variant=variant, clean=clean, outcomes=outcomes))
        records.append(condition_record(task, variant, model, clean, attacks, shelf))
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
    return outcome, mode_record(task, "re-optimised", attack.name, gradient_words(attack), clean, outcome)


def _hardware(task: ConditionsTask, variant: ModelVariant, clean: CleanVerdict, shelf: Shelf) -> ModeRecord:
    """Of the last condition, on its first correct samples."""
    model = measured_model(variant.model, task.seed)
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
    words = f"{gradient_words(attack)}, {model.shots} shots per circuit"
    return mode_record(task, "hardware-valid", attack.name, words, few, outcome)


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
