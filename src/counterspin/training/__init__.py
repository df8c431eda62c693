"""The one training loop, its objectives and checkpoints."""

from counterspin.training.accuracy import accuracy
from counterspin.training.loop import fit
from counterspin.training.objectives import CrossEntropyObjective, Objective, Step
from counterspin.training.outcome import EpochRecord, TrainingResult
from counterspin.training.selection import Selection
from counterspin.training.settings import TrainingSettings

__all__ = [
    "CrossEntropyObjective",
    "EpochRecord",
    "Objective",
    "Selection",
    "Step",
    "TrainingResult",
    "TrainingSettings",
    "accuracy",
    "fit",
]
