r"""Inputs on the wrong wires: k pairs of circuit inputs are swapped, the same for all samples.

The pair that loses most samples is found first, then the next one given it. All pairs are tried; where they are many,
or for a later swap, those that promise most to first order, :math:`\sum (z_j - z_i)(\partial_i - \partial_j) L`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.attacks.quantum.encoding.inputs import EncodingAttack, scores_of_inputs
from counterspin.attacks.quantum.results import Manipulation, Scope, Situation
from counterspin.errors import CapabilityError
from counterspin.types import Classifier, Cost

__all__ = ["WrongWires"]

# Pairs that are tried by running them, for the first swap and for each later one.
_TRIED, _TRIED_LATER = 2048, 256


@dataclass(frozen=True, kw_only=True)
class WrongWires(EncodingAttack):
    """Pairs of inputs of the circuit are swapped, greedily; one swap is the worst of all where there are few inputs.

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("cancer-angle")
        >>> test = recipe.dataset().test
        >>> result = WrongWires()(recipe.model(), test.x[:20], test.y[:20], (1, 2))
        >>> len(result.budgets[1].manipulation.evidence["swaps"])
        2
    """

    name: ClassVar[str] = "wrong-wires"
    scope: ClassVar[Scope] = "shared"
    goal: ClassVar[str] = "as many wrong classes as possible"
    capability: ClassVar[str] = "permutes the inputs of the circuit"
    defense: ClassVar[str] = "known-answer inputs that tell all wires apart; a hash over circuit and feature order"
    default_budgets: ClassVar[tuple[float, ...]] = (1, 2, 4)
    whole: ClassVar[bool] = True

    @property
    def unit(self) -> str:
        """Swaps of two inputs."""
        return "swaps"

    def check(self, model: Classifier) -> None:
        """Needs a circuit with two inputs."""
        super().check(model)
        shown: Any = model
        if shown.circuit.inputs < 2:
            raise CapabilityError("the circuit has one input; there are no two to be swapped.")

    def _run(self, situation: Situation, budget: float, before: Manipulation | None) -> Manipulation:
        model: Any = situation.model
        z = model.circuit_inputs(situation.x).detach()
        swaps: list[tuple[int, int]] = [] if before is None else [*before.what]
        order = _order(z.shape[1], swaps)
        tried = 0
        while len(swaps) < int(budget):
            pairs = _promising(situation, z[:, order], _TRIED_LATER if swaps else _TRIED)
            tried += len(pairs)
            values = [_value(situation, z[:, order][:, _order(z.shape[1], [pair])]) for pair in pairs]
            best = max(range(len(pairs)), key=lambda index: values[index])
            if values[best] <= _value(situation, z[:, order]):
                break
            swaps.append(pairs[best])
            order = _order(z.shape[1], swaps)
        scores = scores_of_inputs(model, z[:, order]).detach()
        return Manipulation(
            scores=scores,
            spent=torch.full_like(scores[:, 0], float(len(swaps))),
            what=tuple(swaps),
            evidence={"swaps": [list(pair) for pair in swaps]},
            cost=Cost(forwards=tried * len(z), backwards=len(z), circuits=tried * len(z)),
        )


def _order(inputs: int, swaps: list[tuple[int, int]]) -> Tensor:
    """Which input lies on each wire after the swaps, in turn."""
    order = torch.arange(inputs)
    for i, j in swaps:
        order[[i, j]] = order[[j, i]]
    return order


def _promising(situation: Situation, z: Tensor, tried: int) -> list[tuple[int, int]]:
    """The pairs worth trying: all, or those of the largest first-order gain of the attacker."""
    pairs = torch.combinations(torch.arange(z.shape[1]))
    if len(pairs) > tried:
        leaf = z.clone().requires_grad_()
        with torch.enable_grad():
            margin = situation.margin(scores_of_inputs(situation.model, leaf))
            (slope,) = torch.autograd.grad(-margin[situation.correct].sum(), leaf)
        i, j = pairs.T
        gain = ((z[:, j] - z[:, i]) * (slope[:, i] - slope[:, j])).sum(dim=0)
        pairs = pairs[gain.argsort(descending=True)[:tried]]
    return [(int(i), int(j)) for i, j in pairs]


def _value(situation: Situation, z: Tensor) -> tuple[int, float]:
    margin = situation.margin(scores_of_inputs(situation.model, z).detach())[situation.correct]
    return int((margin <= 0).sum()), -float(margin.clamp(min=0).sum())
