"""The one training loop, its objectives and checkpoints."""

from counterspin.training.accuracy import accuracy
from counterspin.training.loop import EpochRecord, TrainingResult, fit
from counterspin.training.objectives import CrossEntropyObjective, Objective
from counterspin.training.settings import TrainingSettings

__all__ = [
    "CrossEntropyObjective",
    "EpochRecord",
    "Objective",
    "TrainingResult",
    "TrainingSettings",
    "accuracy",
    "fit",
]
