"""Mixup (Zhang et al., arXiv:1710.09412), a baseline."""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from counterspin.defenses.training.base import Entry, as_json
from counterspin.defenses.training.options import real
from counterspin.defenses.training.sample_losses import check_log_probabilities
from counterspin.errors import UsageError
from counterspin.threats import ThreatModel
from counterspin.training import CrossEntropyObjective, Objective, Step
from counterspin.types import Classifier

__all__ = ["ENTRY", "Mixup"]


@dataclass(frozen=True, kw_only=True)
class Mixup:
    r"""The loss at points between samples, against both of their labels.

    .. math:: L = \lambda\,\ell(f(\tilde x), y) + (1 - \lambda)\,\ell(f(\tilde x), y'), \qquad
        \tilde x = \lambda x + (1 - \lambda) x', \quad \lambda \sim \mathrm{Beta}(\alpha, \alpha)

    with the batch in another order as :math:`x', y'` and one λ per batch, as the authors' code has it.

    Args:
        alpha: α; small values stay near the samples.
        loss: the classification loss.

    Raises:
        UsageError: an α that is not above 0.
    """

    name: ClassVar[str] = "mixup"
    kind: ClassVar[str] = "core"

    alpha: float = 1.0
    loss: Objective = field(default_factory=CrossEntropyObjective)

    def __post_init__(self) -> None:
        """Refuse what is no Beta distribution."""
        if not (math.isfinite(self.alpha) and self.alpha > 0):
            raise UsageError(f"alpha is {self.alpha}; give a finite number above 0.")

    def __call__(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Loss `()` of `x` `(batch, features)`, `y` `(batch,)`."""
        # torch has no Beta draws from a generator of one's own.
        seed = int(torch.randint(2**62, (), generator=step.generator))
        share = float(np.random.default_rng(seed).beta(self.alpha, self.alpha))
        order = torch.randperm(len(x), generator=step.generator)
        mixed = share * x + (1 - share) * x[order]
        return share * self.loss(model, mixed, y, step) + (1 - share) * self.loss(model, mixed, y[order], step)

    def check(self, model: Classifier, threat: ThreatModel) -> None:
        """Refuse a model without class probabilities.

        Raises:
            UsageError: its scores are expectation values, or discrete features, which have nothing in between.
        """
        check_log_probabilities(model)
        if threat.groups:
            raise UsageError("mixup takes points between samples, which discrete features have not; leave it out.")

    def to_json(self) -> dict[str, Any]:
        """Name and values."""
        return as_json(self)


def _build(options: dict[str, str], threat: ThreatModel) -> Mixup:
    return Mixup(alpha=real(options, "alpha", 1.0))


ENTRY = Entry(
    name="mixup",
    summary="the loss between samples, against both labels (arXiv:1710.09412), a baseline",
    build=_build,
    options={"alpha": "of the Beta distribution of the shares; 1"},
    argument="alpha",
)
