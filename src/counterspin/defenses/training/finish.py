"""What works on a model after its training."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import nn

from counterspin.datasets import Split
from counterspin.threats import ThreatModel
from counterspin.training import Objective, TrainingSettings
from counterspin.types import Classifier

__all__ = ["FinishedPart", "Finisher"]


@runtime_checkable
class FinishedPart(Protocol):
    """What a finisher did."""

    def to_json(self) -> dict[str, Any]:
        """It as JSON values."""
        ...


@runtime_checkable
class Finisher(Protocol):
    """A defence of the kind `"finisher"`: it changes a trained model in place, and may go on training it.

    Args:
        name: what users type.
    """

    name: ClassVar[str]

    def check(self, model: Classifier, threat: ThreatModel) -> None:
        """Refuse what it cannot serve, before anything is trained."""
        ...

    def finish(
        self,
        model: nn.Module,
        train: Split,
        validation: Split | None,
        settings: TrainingSettings,
        *,
        generator: torch.Generator,
        objective: Objective,
        checkpoint: Path | None = None,
    ) -> FinishedPart:
        """Change the model in place.

        Args:
            model: trained; its parameters that are to be trained further require a gradient.
            train: samples it was trained on.
            validation: samples it was not trained on; None: there are none.
            settings: of its training.
            generator: source of all randomness.
            objective: what its training minimised.
            checkpoint: file beside which what trains on stores its own; the same call then goes on with it.

        Returns:
            What was done, for the record.
        """
        ...
