r"""A correlated readout error: with probability q the same bits of the register flip together, for all inputs alike.

.. math:: D' = (1 - q) D + q\, X_M D

for the mask M of bits that flip, the worst of all :math:`2^n - 1`. Independent flips of single bits, which calibrations
of single qubits see, are the masks of one bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.attacks.quantum.base import QuantumAttack
from counterspin.attacks.quantum.measurement.outcomes import Outcomes, check_measured, noise_of, outcomes
from counterspin.attacks.quantum.results import Manipulation, Scope, Situation
from counterspin.types import Classifier, Cost

__all__ = ["CorrelatedReadout"]


@dataclass(frozen=True, kw_only=True)
class CorrelatedReadout(QuantumAttack):
    """The worst mask of bits that flip together, of all masks, one for all samples; exact within that family.

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("cancer-angle")
        >>> test = recipe.dataset().test
        >>> result = CorrelatedReadout()(recipe.model(), test.x[:20], test.y[:20], (0.1,))
        >>> sorted(result.budgets[0].manipulation.evidence)
        ['alone', 'bits', 'broken']
    """

    name: ClassVar[str] = "correlated-readout"
    where: ClassVar[str] = "measurement"
    scope: ClassVar[Scope] = "shared"
    goal: ClassVar[str] = "as many wrong classes as possible"
    capability: ClassVar[str] = "flips some bits of the register together, with a probability"
    defense: ClassVar[str] = "calibrate pairs of qubits, not single ones; readout twirling"
    default_budgets: ClassVar[tuple[float, ...]] = (0.01, 0.02, 0.05, 0.1)
    ceiling: ClassVar[float] = 1.0

    @property
    def unit(self) -> str:
        """Probability of the joint flip."""
        return "flip probability"

    def check(self, model: Classifier) -> None:
        """Needs outcomes of one circuit."""
        super().check(model)
        check_measured(model)

    def _run(self, situation: Situation, budget: float, before: Manipulation | None) -> Manipulation:
        model: Any = situation.model
        qubits = model.circuit.qubits
        found = outcomes(model, situation.x, noise=noise_of(model))
        best, alone, bits = 0, 0, 0
        chosen = found.scores()
        for mask in range(1, 2**qubits):
            scores = found.scores(_flipped(found, mask, budget))
            broken = int((situation.correct & (situation.margin(scores) <= 0)).sum())
            if mask.bit_count() == 1:
                alone = max(alone, broken)
            if broken > best:
                best, chosen, bits = broken, scores, mask
        wires = [q for q in range(qubits) if bits >> (qubits - 1 - q) & 1]
        calls = len(chosen) * len(found.distributions)
        return Manipulation(
            scores=chosen,
            spent=torch.full_like(chosen[:, 0], budget),
            what=tuple(wires),
            evidence={"bits": wires, "broken": best, "alone": alone},
            cost=Cost(forwards=len(chosen), circuits=calls),
        )


def _flipped(found: Outcomes, mask: int, probability: float) -> tuple[Tensor, ...]:
    index = torch.arange(found.distributions[0].shape[1], device=found.bias.device) ^ mask
    return tuple((1 - probability) * d + probability * d[:, index] for d in found.distributions)
