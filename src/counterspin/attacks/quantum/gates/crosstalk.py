r"""Coherent ZZ crosstalk that a co-tenant of the device drives: :math:`e^{-i\zeta Z Z/2}` after every layer.

Between neighbours of the model's own qubits it is a gate on both. On the boundary it acts between a qubit of the model
and one of the co-tenant. That qubit couples by Z alone, so that its populations never change, and the scores are the
mean over its basis states: the worst it can do is to sit in one of them. That is a rotation
:math:`e^{-i \pm\zeta Z/2}` of the model's qubit, with a sign that the co-tenant may flip between layers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from counterspin.attacks.quantum.gates.ascent import ascend
from counterspin.attacks.quantum.gates.base import GateAttack
from counterspin.attacks.quantum.gates.runs import Bench
from counterspin.attacks.quantum.results import Manipulation, Scope, Situation
from counterspin.circuits import Circuit, Gate, weight
from counterspin.errors import UsageError
from counterspin.types import Cost

__all__ = ["ZZCrosstalk", "coupled"]


def coupled(circuit: Circuit, tenant: str = "neighbours") -> Circuit:
    """The circuit with one coupling per layer and pair; their strengths are weights after those of the circuit.

    Args:
        circuit: one layer where it has no layer ends.
        tenant: `"neighbours"`: between neighbouring qubits on a line; `"boundary"`: of the first and the last qubit
            with qubits of the co-tenant.

    Example:
        >>> from counterspin.circuits import strongly_entangling
        >>> circuit = strongly_entangling(3, 2)
        >>> coupled(circuit).weights - circuit.weights, coupled(circuit, "boundary").weights - circuit.weights
        (4, 4)
    """
    qubits, gates, number = circuit.qubits, [], circuit.weights
    ends = circuit.layers or (len(circuit.gates),)
    places = [(q, q + 1) for q in range(qubits - 1)] if tenant == "neighbours" else [(q,) for q in {0, qubits - 1}]
    start = 0
    for end in ends:
        gates += circuit.gates[start:end]
        for place in places:
            gates.append(Gate("RZZ" if len(place) == 2 else "RZ", place, (weight(number),)))
            number += 1
        start = end
    return Circuit(qubits, (*gates, *circuit.gates[start:]), circuit.amplitudes)


@dataclass(frozen=True, kw_only=True)
class ZZCrosstalk(GateAttack):
    """The worst strengths and signs of the couplings, the same for all samples.

    Args:
        tenant: where it couples: between `"neighbours"` of the model, or at the `"boundary"`.
        steps: of gradient ascent per start.
        restarts: starts: no coupling at all, then random ones.
        screen: samples the strengths are found on.

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("cancer-angle")
        >>> test = recipe.dataset().test
        >>> result = ZZCrosstalk(steps=3, restarts=1)(recipe.model(), test.x[:20], test.y[:20], (0.2,))
        >>> result.unit
        'radians (linf)'
    """

    tenant: Literal["neighbours", "boundary"] = "neighbours"
    steps: int = 20
    restarts: int = 2
    screen: int = 128

    name: ClassVar[str] = "zz-crosstalk"
    scope: ClassVar[Scope] = "shared"
    goal: ClassVar[str] = "wrong classes for as many inputs as possible"
    capability: ClassVar[str] = "couples qubits after every layer with strengths up to the budget, from a shared device"
    defense: ClassVar[str] = "no co-tenants, idle qubits between tenants, echoed gates; a larger margin"
    default_budgets: ClassVar[tuple[float, ...]] = (0.05, 0.1, 0.2)
    ceiling: ClassVar[float] = math.pi

    def __post_init__(self) -> None:
        """Refuse places that are none and counts below 1."""
        if self.tenant not in ("neighbours", "boundary"):
            raise UsageError(f"tenant is {self.tenant!r}; allowed: neighbours, boundary.")
        if min(self.steps, self.restarts, self.screen) < 1:
            raise UsageError(f"steps, restarts and screen are {self.steps}, {self.restarts}, {self.screen}; give >= 1.")

    @property
    def unit(self) -> str:
        """Largest coupling angle after one layer."""
        return "radians (linf)"

    def check_count(self, model: Any, budgets: Any) -> None:
        """Needs a neighbour."""
        if self.tenant == "neighbours" and model.circuit.qubits < 2:
            raise UsageError("the circuit has one qubit and so no neighbours; choose tenant=boundary.")

    def _run(self, situation: Situation, budget: float, before: Manipulation | None) -> Manipulation:
        bench = Bench.of(situation.model, situation.x)
        circuit = coupled(bench.circuit, self.tenant)
        count = circuit.weights - bench.circuit.weights
        rows = situation.correct.nonzero()[:, 0][: self.screen]
        own, labels = bench.rows(rows), situation.y[rows]
        starts = [torch.zeros(count, dtype=torch.float64)]
        if before is not None:
            starts.append(before.what * budget / float(before.what.abs().max().clamp(min=1e-12)))
        for _ in range(self.restarts - 1):
            signs = torch.randint(0, 2, (count,), generator=situation.generator).double() * 2 - 1
            starts.append(budget * signs)
        found = [self._found(own, circuit, start, labels, budget) for start in starts] if len(rows) else starts[:1]
        every = [bench.scores(circuit, angles) for angles in found]
        broken = [int((situation.correct & (situation.margin(scores) <= 0)).sum()) for scores in every]
        best = broken.index(max(broken))
        angles, calls = found[best], len(rows) * len(starts) * (self.steps + 1)
        return Manipulation(
            scores=every[best],
            spent=torch.full((len(situation.y),), float(angles.abs().max()), dtype=torch.float64),
            what=angles,
            evidence={"couplings": count, "mean_strength": float(angles.abs().mean())},
            cost=Cost(forwards=calls + len(every) * len(situation.y), backwards=calls, circuits=calls),
        )

    def _found(self, bench: Bench, circuit: Circuit, start: Tensor, y: Tensor, limit: float) -> Tensor:
        return ascend(
            lambda angles: bench.scores(circuit, angles), start, y, target=self.target, limit=limit, steps=self.steps
        )
