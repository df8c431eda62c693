"""How a model is trained, as a frozen value."""

import math
from dataclasses import dataclass

from counterspin.errors import UsageError

__all__ = ["TrainingSettings"]


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """AdamW under a one-cycle learning rate (Smith and Topin, arXiv:1708.07120).

    Args:
        epochs: passes over the training split.
        batch_size: samples per step.
        learning_rate: peak of the cycle.
        weight_decay: decoupled decay of all trained weights (arXiv:1711.05101).

    Raises:
        UsageError: a value that makes no training.
    """

    epochs: int
    batch_size: int
    learning_rate: float = 0.03
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what makes no training."""
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; give a whole number from 1 upwards.")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise UsageError(f"learning_rate is {self.learning_rate}; give a finite number above 0.")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise UsageError(f"weight_decay is {self.weight_decay}; give a finite number from 0 upwards.")
