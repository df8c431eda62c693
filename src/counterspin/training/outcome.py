"""What a training leaves besides the weights."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["EpochRecord", "TrainingResult", "best_epoch"]


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One finished epoch.

    Args:
        epoch: number from 1.
        loss: mean training loss.
        validation_accuracy: None without validation split.
        selection: what the epoch is chosen by; None: by the accuracy.
    """

    epoch: int
    loss: float
    validation_accuracy: float | None
    selection: float | None = None

    @property
    def score(self) -> float | None:
        """The value that decides which epoch is best; None where nothing is chosen."""
        return self.validation_accuracy if self.selection is None else self.selection


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """What a finished training leaves besides the weights, which are in the model.

    Args:
        history: every epoch.
        best_epoch: the epoch whose weights the model now has: the first of the highest score, or the last epoch where
            there is no validation split.
        seconds: time spent by this call; epochs taken from a checkpoint cost nothing.
        note: one sentence where training ended before its last epoch; empty otherwise.
    """

    history: tuple[EpochRecord, ...]
    best_epoch: int
    seconds: float
    note: str = ""

    @property
    def best(self) -> EpochRecord:
        """The record of the best epoch."""
        return self.history[self.best_epoch - 1]


def best_epoch(history: Sequence[EpochRecord]) -> int:
    """The first epoch of the highest score; the last one where nothing is chosen.

    Example:
        >>> accuracies = (0.5, 0.9, 0.9)
        >>> best_epoch([EpochRecord(epoch=k, loss=1.0, validation_accuracy=a) for k, a in enumerate(accuracies, 1)])
        2
    """
    if history[-1].score is None:
        return history[-1].epoch
    return max(history, key=lambda record: record.score or 0.0).epoch
