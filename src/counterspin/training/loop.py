"""The one training loop: batches, validation, best weights, checkpoints, clean interrupt, divergence."""

import contextlib
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

from counterspin.datasets import Split
from counterspin.errors import InterruptedRunError, ModelError, UsageError
from counterspin.training.accuracy import accuracy
from counterspin.training.checkpoints import TrainingState, read_checkpoint, write_checkpoint
from counterspin.training.objectives import Objective, Step
from counterspin.training.outcome import EpochRecord, TrainingResult, best_epoch
from counterspin.training.selection import Selection
from counterspin.training.settings import TrainingSettings
from counterspin.types import Classifier, HasEngine
from counterspin.validation import as_features, as_labels, check_classifier_interface

__all__ = ["fit"]


def fit(
    model: nn.Module,
    objective: Objective,
    train: Split,
    validation: Split | None,
    settings: TrainingSettings,
    *,
    generator: torch.Generator,
    selection: Selection | None = None,
    checkpoint: Path | None = None,
    progress: bool = False,
) -> TrainingResult:
    """Train the weights of `model` that require a gradient, in their own precision, and leave it with the best ones.

    With `checkpoint`, each finished epoch is stored there; calling again with the same arguments resumes and ends with
    bit-identical weights. The model's training mode is restored. Training that diverges ends with the best weights so
    far, and the result says so.

    Args:
        model: a classifier that is also a torch module.
        objective: the loss of one batch.
        train: samples to train on.
        validation: samples to choose the epoch on; None: nothing is chosen, the last weights stay.
        settings: epochs, batch size, learning rate, decay.
        generator: order of the samples, and all randomness of the objective.
        selection: what the epoch is chosen by, the higher the better, for example robust accuracy; None: accuracy.
        checkpoint: file to store the state in and to resume from.
        progress: show a progress bar.

    Raises:
        ModelError: not a classifier, nothing to train, or the loss is not finite in the first epoch.
        InputError: a split that does not fit the model (shape, NaN, outside the box, labels), or a damaged checkpoint.
        UsageError: the checkpoint of another run, or a selection without validation samples.
        StorageError: the disk refused a checkpoint; the previous one is complete.
        InterruptedRunError: Ctrl-C; the last finished epoch is in the checkpoint.
    """
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not weights:
        raise ModelError("model has no weights that require a gradient; there is nothing to train.")
    if selection is not None and validation is None:
        raise UsageError("selection is given without validation samples to choose the epoch on; give them, or neither.")
    classifier = check_classifier_interface(model)
    _check_fits(classifier, train, validation)
    dtype = weights[0].dtype
    key = _key(model, objective, train, validation, settings, generator, selection)
    optimizer = torch.optim.AdamW(weights, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    batches = math.ceil(len(train) / settings.batch_size)
    scheduler = OneCycleLR(optimizer, max_lr=settings.learning_rate, total_steps=settings.epochs * batches)
    history: list[EpochRecord] = []
    memory: dict[str, Tensor] = {}
    best, note = _copy(model), ""

    stored = read_checkpoint(checkpoint, key) if checkpoint is not None else None
    if stored is not None:
        model.load_state_dict(stored.model)
        optimizer.load_state_dict(stored.optimizer)
        scheduler.load_state_dict(stored.scheduler)
        generator.set_state(stored.generator)
        history = [EpochRecord(**record) for record in stored.history]
        best, memory = stored.best, dict(stored.memory)

    started, mode, finished = time.perf_counter(), model.training, len(history)
    try:
        with _bar(progress, settings.epochs, finished) as report:
            for epoch in range(len(history) + 1, settings.epochs + 1):
                model.train()
                loss, place = 0.0, (epoch - 1) * batches
                for rows in torch.randperm(len(train), generator=generator).split(settings.batch_size):
                    step = Step(
                        epoch=epoch,
                        progress=place / (settings.epochs * batches),
                        rows=rows,
                        generator=generator,
                        memory=memory,
                    )
                    optimizer.zero_grad(set_to_none=True)
                    value = objective(classifier, train.x[rows].to(dtype), train.y[rows], step)
                    value.backward()
                    optimizer.step()
                    scheduler.step()
                    loss, place = loss + float(value.detach()) * len(rows) / len(train), place + 1
                    if not math.isfinite(loss):
                        break
                if not (math.isfinite(loss) and all(bool(weight.isfinite().all()) for weight in weights)):
                    note = _diverged(model, best, epoch, loss, history, settings)
                    break
                model.eval()
                validated = None if validation is None else accuracy(classifier, validation, dtype=dtype)
                selected = None
                if validation is not None and selection is not None:
                    # A stream of its own: choosing an epoch does not change what is trained.
                    stream = torch.Generator().manual_seed(generator.initial_seed() + epoch)
                    selected = selection(classifier, validation, stream)
                history.append(EpochRecord(epoch=epoch, loss=loss, validation_accuracy=validated, selection=selected))
                if best_epoch(history) == epoch:
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
                        memory=memory,
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
        history=tuple(history), best_epoch=best_epoch(history), seconds=time.perf_counter() - started, note=note
    )


def _diverged(
    model: nn.Module,
    best: dict[str, Tensor],
    epoch: int,
    loss: float,
    history: list[EpochRecord],
    settings: TrainingSettings,
) -> str:
    """What is said of a training that diverged; in the first epoch there is nothing to go back to but the start.

    Raises:
        ModelError: in the first epoch; the model has its initial weights again.
    """
    what = (
        f"the loss of epoch {epoch} is {loss}"
        if not math.isfinite(loss)
        else f"weights of epoch {epoch} are no numbers"
    )
    model.load_state_dict(best)
    if not history:
        raise ModelError(f"training diverged: {what}; lower learning_rate ({settings.learning_rate}).")
    return f"training diverged: {what}; the model has the weights of epoch {best_epoch(history)}."


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
    selection: Selection | None,
) -> str:
    """What makes two runs the same run."""
    engine = model.engine if isinstance(model, HasEngine) else None
    what = [asdict(settings), repr(objective), type(model).__name__, engine, repr(selection)]
    digest = hashlib.sha256(json.dumps(what).encode())
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
