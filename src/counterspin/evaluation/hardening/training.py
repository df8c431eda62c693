"""The training stage: composed objectives through the one loop, finishers after it, each model trained once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from counterspin.defenses.training.base import TrainingDefense
from counterspin.defenses.training.compose import compose
from counterspin.defenses.training.finish import Finisher
from counterspin.defenses.training.selection import RobustAccuracy
from counterspin.evaluation.hardening.record import EpochLine, TrainingRecord
from counterspin.evaluation.hardening.task import HardenTask
from counterspin.models import load_model, save_model
from counterspin.threats import ThreatModel
from counterspin.training import Objective, Step, TrainingResult, TrainingSettings, fit
from counterspin.types import Classifier

__all__ = ["Trained", "composed", "selection_of", "settings_of", "trained"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """A trained model, frozen and in evaluation mode, and how it came to be."""

    model: Any
    record: TrainingRecord


@dataclass(frozen=True, eq=False, repr=False)
class _Announced:
    """An objective that says where the training stands; its repr is the objective's, as a checkpoint wants it."""

    objective: Objective
    announce: Callable[[Step], None]

    def __repr__(self) -> str:
        return repr(self.objective)

    def __call__(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        self.announce(step)
        return self.objective(model, x, y, step)


def composed(parts: Sequence[TrainingDefense]) -> tuple[Objective, tuple[Finisher, ...]]:
    """The objective of all parts together, and what is done after the training.

    Raises:
        UsageError: parts that cannot go together.
    """
    return compose(parts), tuple(part for part in parts if isinstance(part, Finisher))


def settings_of(task: HardenTask) -> TrainingSettings:
    """The training settings, with the number of epochs somebody asked for."""
    epochs = task.settings.epochs
    return task.trainee.settings if epochs is None else replace(task.trainee.settings, epochs=epochs)


def selection_of(threat: ThreatModel) -> RobustAccuracy:
    """What `select="robust"` chooses an epoch by: robust accuracy at the middle ε."""
    return RobustAccuracy(threat=threat)


def trained(task: HardenTask, undefended: Any, label: str, parts: Sequence[TrainingDefense]) -> Trained:
    """Train the model `label` with `parts`, go on with an interrupted training, or read what is finished.

    Args:
        task: the hardening.
        undefended: the model without a defence.
        label: names directory, checkpoint and stage.
        parts: of the defence.

    Raises:
        ModelError: the training diverged in its first epoch.
        InterruptedRunError: the user interrupted; finished epochs are stored.
    """
    stored = task.store.stage(f"training/{label}")
    if stored is not None:
        return Trained(model=load_model(task.place(label)), record=TrainingRecord.model_validate(stored))
    objective, finishers = composed(parts)
    settings, robust = settings_of(task), task.settings.select == "robust"
    dataset, generator = task.trainee.dataset, torch.Generator().manual_seed(task.settings.seed)
    model = task.trainee.start(undefended, generator, warm=task.settings.warm_start)
    train, validation = (dataset.train, dataset.validation) if robust else (dataset.training_part, None)

    def announce(step: Step) -> None:
        task.progress(f"training {label}", step.epoch - 1, settings.epochs)

    began, checkpoint = time.perf_counter(), task.directory / "checkpoints" / f"{label}.safetensors"
    try:
        result = fit(
            model,
            _Announced(objective, announce),
            train,
            validation,
            settings,
            generator=generator,
            selection=selection_of(task.threat) if robust else None,
            checkpoint=checkpoint,
        )
        finished = []
        for finisher in finishers:
            task.progress(f"{finisher.name} of {label}", settings.epochs, settings.epochs)
            did = finisher.finish(
                model,
                train,
                validation,
                settings,
                generator=generator,
                objective=objective,
                checkpoint=checkpoint.with_stem(f"{label}-{len(finished)}"),
            )
            finished.append(did.to_json())
    finally:
        # An interrupted training has taken its time as well.
        seconds = (task.store.stage(f"seconds/{label}") or 0.0) + time.perf_counter() - began
        task.store.save_stage(f"seconds/{label}", seconds)
    model.requires_grad_(False).eval()
    save_model(model, task.place(label))
    record = _record(task, result, settings, len(train), seconds, finished)
    task.store.save_stage(f"training/{label}", record.model_dump(mode="json"))
    # As it is read by whoever loads it: weights that are no longer leaves of a graph.
    return Trained(model=load_model(task.place(label)), record=record)


def _record(
    task: HardenTask,
    result: TrainingResult,
    settings: TrainingSettings,
    samples: int,
    seconds: float,
    finished: list[dict[str, Any]],
) -> TrainingRecord:
    fine_tuned = task.trainee.fresh is None or task.settings.warm_start
    return TrainingRecord(
        epochs=len(result.history),
        best_epoch=result.best_epoch,
        seconds=seconds,
        samples=samples,
        start="undefended weights" if fine_tuned else "fresh weights",
        select=task.settings.select,
        settings=asdict(settings),
        history=[
            EpochLine(
                epoch=line.epoch,
                loss=line.loss,
                validation_accuracy=line.validation_accuracy,
                selection=line.selection,
            )
            for line in result.history
        ],
        note=result.note,
        finished=finished,
    )
