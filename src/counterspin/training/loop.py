"""The one training loop: batches, validation, best weights, checkpoints, clean interrupt."""

import contextlib
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

from counterspin.datasets import Split
from counterspin.errors import InterruptedRunError, ModelError
from counterspin.training.accuracy import accuracy
from counterspin.training.checkpoints import TrainingState, read_checkpoint, write_checkpoint
from counterspin.training.objectives import Objective
from counterspin.training.settings import TrainingSettings
from counterspin.types import Classifier, HasEngine
from counterspin.validation import as_features, as_labels, check_classifier_interface

__all__ = ["EpochRecord", "TrainingResult", "fit"]


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One finished epoch: number from 1, mean training loss, validation accuracy (None without validation split)."""

    epoch: int
    loss: float
    validation_accuracy: float | None


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """What a finished training leaves besides the weights, which are in the model.

    Args:
        history: every epoch.
        best_epoch: the epoch whose weights the model now has: the first of the highest validation accuracy, or the
            last epoch where there is no validation split.
        seconds: time spent by this call; epochs taken from a checkpoint cost nothing.
    """

    history: tuple[EpochRecord, ...]
    best_epoch: int
    seconds: float

    @property
    def best(self) -> EpochRecord:
        """The record of the best epoch."""
        return self.history[self.best_epoch - 1]


def fit(
    model: nn.Module,
    objective: Objective,
    train: Split,
    validation: Split | None,
    settings: TrainingSettings,
    *,
    generator: torch.Generator,
    checkpoint: Path | None = None,
    progress: bool = False,
) -> TrainingResult:
    """Train the weights of `model` that require a gradient, in their own precision, and leave it with the best ones.

    With `checkpoint`, each finished epoch is stored there; calling again with the same arguments resumes and ends with
    bit-identical weights. The model's training mode is restored.

    Args:
        model: a classifier that is also a torch module.
        objective: the loss of one batch.
        train: samples to train on.
        validation: samples to choose the epoch on; None: nothing is chosen, the last weights stay.
        settings: epochs, batch size, learning rate, decay.
        generator: order of the samples.
        checkpoint: file to store the state in and to resume from.
        progress: show a progress bar.

    Raises:
        ModelError: not a classifier, nothing to train, or the loss is no longer finite.
        InputError: a split that does not fit the model (shape, NaN, outside the box, labels), or a damaged checkpoint.
        UsageError: the checkpoint of another run.
        StorageError: the disk refused a checkpoint; the previous one is complete.
        InterruptedRunError: Ctrl-C; the last finished epoch is in the checkpoint.
    """
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not weights:
        raise ModelError("model has no weights that require a gradient; there is nothing to train.")
    classifier = check_classifier_interface(model)
    _check_fits(classifier, train, validation)
    dtype = weights[0].dtype
    key = _key(model, objective, train, validation, settings, generator)
    optimizer = torch.optim.AdamW(weights, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    batches = math.ceil(len(train) / settings.batch_size)
    scheduler = OneCycleLR(optimizer, max_lr=settings.learning_rate, total_steps=settings.epochs * batches)
    history: list[EpochRecord] = []
    best = _copy(model)

    stored = read_checkpoint(checkpoint, key) if checkpoint is not None else None
    if stored is not None:
        model.load_state_dict(stored.model)
        optimizer.load_state_dict(stored.optimizer)
        scheduler.load_state_dict(stored.scheduler)
        generator.set_state(stored.generator)
        history = [EpochRecord(**record) for record in stored.history]
        best = stored.best

    started, mode, finished = time.perf_counter(), model.training, len(history)
    try:
        with _bar(progress, settings.epochs, finished) as report:
            for epoch in range(len(history) + 1, settings.epochs + 1):
                model.train()
                loss = _epoch(classifier, objective, train, settings.batch_size, dtype, optimizer, scheduler, generator)
                if not math.isfinite(loss):
                    raise ModelError(
                        f"training diverged: the loss of epoch {epoch} is {loss}; "
                        f"lower learning_rate ({settings.learning_rate})."
                    )
                model.eval()
                validated = None if validation is None else accuracy(classifier, validation, dtype=dtype)
                history.append(EpochRecord(epoch=epoch, loss=loss, validation_accuracy=validated))
                if _best_epoch(history) == epoch:
                    best = _copy(model)
                if checkpoint is not None:
                    state = TrainingState(
                        key=key,
                        epoch=epoch,
                        model=model.state_dict(),
                        best=best,
                        optimizer=optimizer.state_dict(),
                        scheduler=scheduler.state_dict(),
                        generator=generator.get_state(),
                        history=tuple(asdict(record) for record in history),
                    )
                    write_checkpoint(checkpoint, state)
                finished = epoch
                report(history[-1])
    except KeyboardInterrupt as error:
        where = (
            "no checkpoint was asked for, so it starts anew next time"
            if checkpoint is None
            else f"every finished epoch is in {checkpoint}, the same command resumes there"
        )
        raise InterruptedRunError(
            f"training was interrupted after epoch {finished} of {settings.epochs}; {where}."
        ) from error
    finally:
        model.train(mode)
    model.load_state_dict(best)
    return TrainingResult(
        history=tuple(history), best_epoch=_best_epoch(history), seconds=time.perf_counter() - started
    )


def _epoch(
    model: Classifier,
    objective: Objective,
    train: Split,
    batch_size: int,
    dtype: torch.dtype,
    optimizer: torch.optim.Optimizer,
    scheduler: OneCycleLR,
    generator: torch.Generator,
) -> float:
    """One pass in random order; mean loss over samples."""
    total = 0.0
    for rows in torch.randperm(len(train), generator=generator).split(batch_size):
        optimizer.zero_grad(set_to_none=True)
        loss = objective(model, train.x[rows].to(dtype), train.y[rows])
        loss.backward()
        optimizer.step()
        scheduler.step()
        total += float(loss.detach()) * len(rows)
    return total / len(train)


def _best_epoch(history: list[EpochRecord]) -> int:
    """The first epoch of the highest validation accuracy; the last one without validation."""
    if history[-1].validation_accuracy is None:
        return history[-1].epoch
    return max(history, key=lambda record: record.validation_accuracy or 0.0).epoch


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _check_fits(model: Classifier, train: Split, validation: Split | None) -> None:
    for name, split in (("train", train), ("validation", validation)):
        if split is not None:
            as_features(split.x, model.bounds, name=f"{name}.x")
            as_labels(split.y, model.classes, len(split), name=f"{name}.y")


def _key(
    model: nn.Module,
    objective: Objective,
    train: Split,
    validation: Split | None,
    settings: TrainingSettings,
    generator: torch.Generator,
) -> str:
    """What makes two runs the same run."""
    engine = model.engine if isinstance(model, HasEngine) else None
    digest = hashlib.sha256(json.dumps([asdict(settings), repr(objective), type(model).__name__, engine]).encode())
    for split in (train, validation):
        if split is not None:
            digest.update(split.x.numpy().tobytes() + split.y.numpy().tobytes())
    for name, parameter in model.named_parameters():
        digest.update(f"{name}{tuple(parameter.shape)}{parameter.requires_grad}".encode())
        digest.update(parameter.detach().cpu().numpy().tobytes())
    digest.update(generator.get_state().numpy().tobytes())
    return digest.hexdigest()


@contextlib.contextmanager
def _bar(progress: bool, epochs: int, done: int) -> Iterator[Callable[[EpochRecord], None]]:
    """A function that shows a finished epoch, in a bar or not at all."""
    if not progress:
        yield lambda _: None
        return
    columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=epochs, completed=done)

        def report(record: EpochRecord) -> None:
            validated = record.validation_accuracy
            extra = "" if validated is None else f", validation {validated:.1%}"
            bar.update(task, advance=1, description=f"loss {record.loss:.4f}{extra}")

        yield report
