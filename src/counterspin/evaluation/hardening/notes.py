"""What has to be said about a hardening besides its numbers, one sentence each."""

from __future__ import annotations

from collections.abc import Sequence

from counterspin.defenses.training.base import HasNotes
from counterspin.evaluation.hardening.record import ComparedMetric, TrainingRecord
from counterspin.evaluation.hardening.task import HardenTask

__all__ = ["against_zero_notes", "gain_notes", "training_notes"]

_LEVEL = 0.05


def training_notes(task: HardenTask, training: TrainingRecord) -> list[str]:
    """What the two models do not have in common besides the defence."""
    trainee, settings, notes = task.trainee, task.settings, []
    if training.note:
        notes.append(f"{training.note[0].upper()}{training.note[1:]}")
    if trainee.fresh is None:
        notes.append(
            f"The defended model was fine-tuned for {training.epochs} epochs from the undefended weights; the "
            "undefended one was not trained further."
        )
    elif settings.warm_start:
        notes.append("The defended model was trained from the undefended weights, so it had twice the epochs.")
    if trainee.fresh is not None and settings.epochs not in (None, trainee.settings.epochs):
        notes.append(
            f"The defended model was trained for {settings.epochs} epochs, the undefended one for "
            f"{trainee.settings.epochs}."
        )
    if settings.select == "robust" and trainee.fresh is not None:
        notes.append(
            f"The defended model was trained on {training.samples} samples and its epoch chosen on "
            f"{len(trainee.dataset.validation)} others; the undefended one was trained on all of them."
        )
    repeated = trainee.dataset.repeated_share
    if trainee.source == "given" and repeated > 0:
        notes.append(
            f"{100 * repeated:.1f} % of the samples to audit on also occur in the training samples: their accuracy "
            "measures memory as well."
        )
    for part in task.parts:
        if isinstance(part, HasNotes):
            notes += part.notes(task.trainee.stand_in)
    return notes


def gain_notes(lines: Sequence[ComparedMetric]) -> list[str]:
    """Where the defence shows no gain over the undefended model."""
    robust = [line for line in lines if line.kind == "robust_accuracy"]
    if any(line.difference and line.difference > 0 and _clear(line) for line in robust):
        return []
    return ["No gain of robust accuracy over the undefended model is shown at any ε."]


def against_zero_notes(lines: Sequence[ComparedMetric], scale: float | None) -> list[str]:
    """Where defence zero does as well as the defence, or better; it costs nothing but a tuned number."""
    if scale is None:
        return []
    robust = [line for line in lines if line.kind == "robust_accuracy"]
    named = f"Defence zero (no defence, logit scale tuned to {scale:.4g})"
    worse = [line for line in robust if (line.difference or 0.0) < 0]
    level = [line for line in robust if line not in worse and not _clear(line)]
    notes = []
    if worse:
        figures = ", ".join(
            f"{100 * (line.before or 0.0):.1f} % against {100 * (line.after or 0.0):.1f} % at ε = {line.eps:g}"
            f"{'' if _clear(line) else ' (not significant)'}"
            for line in worse
        )
        notes.append(f"{named} beats the defence: {figures}.")
    if level:
        where = ", ".join(f"{line.eps:g}" for line in level)
        notes.append(f"{named} is not shown to be worse than the defence at ε = {where}.")
    return notes


def _clear(line: ComparedMetric) -> bool:
    return line.p_holm is not None and line.p_holm < _LEVEL
