"""What an epoch is chosen by."""

from typing import Protocol, runtime_checkable

import torch

from counterspin.datasets import Split
from counterspin.types import Classifier

__all__ = ["Selection"]


@runtime_checkable
class Selection(Protocol):
    """A number that says how good a model is, the higher the better; an attack enters the training loop as one.

    Its repr is its configuration, as that of an `Objective`.
    """

    def __call__(self, model: Classifier, validation: Split, generator: torch.Generator, /) -> float:
        """The score of the model in evaluation mode on the validation samples."""
        ...
