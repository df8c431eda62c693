"""What attacks on gates share: a circuit that can be changed, and counts of gates that it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from counterspin.attacks.quantum.base import QuantumAttack
from counterspin.attacks.quantum.results import QuantumAttackResult
from counterspin.circuits import Given
from counterspin.errors import CapabilityError
from counterspin.types import Classifier, HasChannels, HasCircuit

__all__ = ["GateAttack"]


@dataclass(frozen=True, kw_only=True)
class GateAttack(QuantumAttack):
    """Template: an attack that runs another circuit than the declared one, with the model's readout."""

    where: ClassVar[str] = "gates"

    def check(self, model: Classifier) -> None:
        """Needs one circuit without channels, whose angles are written as inputs and weights."""
        super().check(model)
        if not isinstance(model, HasCircuit):
            raise CapabilityError(
                f"model ({type(model).__name__}) shows no circuit whose gates could be changed; import the circuit, "
                "see `counterspin inspect`."
            )
        if isinstance(model, HasChannels) or getattr(model, "mitigation", None) is not None:
            raise CapabilityError(
                f"model ({type(model).__name__}) runs its gates under noise, and attack {self.name} changes gates of a "
                "circuit without noise; attack the model inside, without its device."
            )
        if any(isinstance(angle, Given) for gate in model.circuit.gates for angle in gate.angles):
            raise CapabilityError("the circuit has angles given as tensors; write them as inputs or weights.")

    def check_count(self, model: Any, budgets: Sequence[float]) -> None:
        """Refuse budgets that this model's circuit cannot take; subclasses that count its gates extend it."""

    def __call__(
        self,
        model: Classifier,
        x: Any,
        y: Any,
        budgets: Sequence[float] | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> QuantumAttackResult:
        """Attack every sample at every budget, see `QuantumAttack`."""
        self.check(model)
        self.check_count(model, self.checked_budgets(self.default_budgets if budgets is None else budgets))
        return super().__call__(model, x, y, budgets, generator=generator)
