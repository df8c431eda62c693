"""Small attacks on gate parameters with known outcomes, for tests of what is built around attacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from counterspin.attacks.quantum import Manipulation, QuantumAttack
from counterspin.circuits import Circuit, OutcomeGroups, feature, weight
from counterspin.errors import ConditionsError
from counterspin.models import QuantumClassifier
from counterspin.simulation import run
from counterspin.types import Box, Cost, HasCircuit

__all__ = ["ATTACKS", "CountedWeights", "OneShift", "Shift", "shifted_qubit"]


def shifted_qubit():
    """Probabilities of 0 and 1 after RY(x) RY(w) at w = 0: x in [0, pi], the boundary at pi / 2 - w."""
    circuit = Circuit(1).add("RY", 0, feature(0)).add("RY", 0, weight(0)).end_layer()
    model = QuantumClassifier(circuit, OutcomeGroups((0,), ((0,), (1,))), Box.uniform(0.0, torch.pi, 1))
    with torch.no_grad():
        model.weights.zero_()
    return model


def scores_at(situation, weights):
    model = situation.model
    return torch.stack(
        [
            run(model.circuit, model.circuit_inputs(x[None]), w, model.readout)[0]
            for x, w in zip(situation.x, weights, strict=True)
        ]
    )


@dataclass(frozen=True, kw_only=True)
class Shift(QuantumAttack):
    """Moves all weights of each sample by the budget, up or down, whichever is worse.

    Args:
        tries: how often, for nothing.
        side: which way.
    """

    tries: int = 1
    side: Literal["both", "up"] = "both"

    name: ClassVar[str] = "shift"
    where: ClassVar[str] = "parameters"
    scope = "sample"
    goal: ClassVar[str] = "a wrong class"
    capability: ClassVar[str] = "moves weights between two runs"
    defense: ClassVar[str] = "known-answer circuits"
    default_budgets: ClassVar[tuple[float, ...]] = (0.1, 0.5)

    @property
    def unit(self) -> str:
        """Largest change of an angle."""
        return "radians (linf)"

    def check(self, model) -> None:
        """Needs a circuit."""
        super().check(model)
        if not isinstance(model, HasCircuit):
            raise ConditionsError(f"model ({type(model).__name__}) has no circuit; attack {self.name} moves weights.")

    def _run(self, situation, budget, before) -> Manipulation:
        signs = (1.0, -1.0) if self.side == "both" else (1.0,)
        base = situation.model.weights.double()
        tried = [scores_at(situation, base + sign * budget * torch.ones(len(situation.x), len(base))) for sign in signs]
        worst = torch.stack([situation.margin(scores) for scores in tried]).argmin(dim=0)
        scores = torch.stack(tried)[worst, torch.arange(len(worst))]
        rows = len(situation.x) * len(signs)
        return Manipulation(
            scores=scores,
            spent=torch.full((len(scores),), budget, dtype=torch.float64),
            what=worst,
            evidence={"moved up": int((worst == 0).sum()), "weights": list(range(len(base))), "gap": float("inf")},
            cost=Cost(forwards=rows, circuits=rows),
        )


@dataclass(frozen=True, kw_only=True)
class OneShift(Shift):
    """Moves the weights once for all samples."""

    name: ClassVar[str] = "one-shift"
    scope = "shared"

    def _run(self, situation, budget, before) -> Manipulation:
        base = situation.model.weights.double()
        tried = [scores_at(situation, (base + sign * budget).expand(len(situation.x), -1)) for sign in (1.0, -1.0)]
        scores = min(tried, key=lambda found: float((situation.margin(found) > 0).sum()))
        spent = torch.full((len(scores),), budget, dtype=torch.float64)
        return Manipulation(scores=scores, spent=spent, what=None)


@dataclass(frozen=True, kw_only=True)
class CountedWeights(Shift):
    """Turns as many weights as the budget says by half a turn."""

    name: ClassVar[str] = "counted"
    default_budgets: ClassVar[tuple[float, ...]] = (1.0,)
    whole: ClassVar[bool] = True

    @property
    def unit(self) -> str:
        """Number of weights."""
        return "weights"

    def _run(self, situation, budget, before) -> Manipulation:
        base = situation.model.weights.double().repeat(len(situation.x), 1)
        base[:, : int(budget)] += torch.pi
        spent = torch.full((len(base),), budget, dtype=torch.float64)
        return Manipulation(scores=scores_at(situation, base), spent=spent, what=base)


ATTACKS = (Shift(), OneShift(), CountedWeights())
