"""Choosing an epoch by robust validation accuracy."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch

from counterspin.attacks.evasion import APGD
from counterspin.attacks.losses import Margin
from counterspin.datasets import Split
from counterspin.defenses.training.schedule import middle
from counterspin.errors import UsageError
from counterspin.threats import ThreatModel
from counterspin.types import Classifier

__all__ = ["RobustAccuracy"]


@dataclass(frozen=True, kw_only=True)
class RobustAccuracy:
    """The share of validation samples that are right and stay so under a short attack, for `fit(selection=...)`.

    Robust accuracy peaks earlier than clean accuracy (robust overfitting, arXiv:2002.11569). The attack is APGD on the
    margin; it starts from the same random points in every epoch, so that epochs differ by their weights alone.

    Args:
        threat: norm, units, box and constraints.
        eps: the budget; None: the one in the middle of the threat's.
        steps: of the attack.
        restarts: of the attack.
        seed: of its starting points.

    Raises:
        UsageError: a budget or count that makes no attack.

    Example:
        >>> from counterspin.threats import Linf
        >>> RobustAccuracy(threat=Linf(0.02, 0.05, 0.1)).budget
        0.05
    """

    threat: ThreatModel
    eps: float | None = None
    steps: int = 10
    restarts: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what makes no attack."""
        if not (math.isfinite(self.budget) and self.budget > 0):
            raise UsageError(f"eps is {self.eps}; give a finite budget above 0.")
        for name in ("steps", "restarts"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; give a whole number of at least 1.")

    @property
    def budget(self) -> float:
        """The budget that is attacked with."""
        return middle(self.threat) if self.eps is None else self.eps

    def check(self, model: Classifier) -> None:
        """Refuse a model that the attack cannot serve.

        Raises:
            CapabilityError: no gradient, or a stochastic model.
            ConditionsError: a threat the attack cannot serve.
        """
        self._attack.check(model, self._threat)

    def __call__(self, model: Classifier, validation: Split, generator: torch.Generator, /) -> float:
        """Robust accuracy of the model on the validation samples; `generator` is left alone."""
        fixed = torch.Generator().manual_seed(self.seed)
        result = self._attack(model, validation.x, validation.y, self._threat, generator=fixed)
        return float(result.robust_accuracy[0])

    def to_json(self) -> dict[str, Any]:
        """The selection as JSON values."""
        attack = {"attack": self._attack.name, "steps": self.steps, "restarts": self.restarts, "seed": self.seed}
        return {"name": "robust", "norm": self.threat.norm, "eps": self.budget, **attack}

    @property
    def _threat(self) -> ThreatModel:
        return replace(self.threat, eps=(self.budget,))

    @property
    def _attack(self) -> APGD:
        return APGD(steps=self.steps, restarts=self.restarts, loss=Margin(), precision="float32")
