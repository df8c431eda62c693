"""Errors in proportion to the angle: one wrong pulse strength for the machine, or one for each kind of gate."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from counterspin.attacks.quantum.parameters.aims import Aim, AsMany, temperatures
from counterspin.attacks.quantum.parameters.ascent import Found, ascend, better, starts
from counterspin.attacks.quantum.parameters.base import ParameterAttack, Tampering
from counterspin.attacks.quantum.parameters.gate_errors import gate_angles, gate_errors
from counterspin.attacks.quantum.results import Manipulation, Scope, Situation
from counterspin.circuits import Circuit
from counterspin.types import HasCircuit

__all__ = ["Drift", "Miscalibration", "OverRotation"]

_VALUES = 41


@dataclass(frozen=True, kw_only=True)
class Miscalibration(ParameterAttack):
    r"""Template: every gate angle, those that hold data included, is multiplied by :math:`1 + \delta`.

    The worst factors within the budget, by ascent of the soft count and by scans of each factor on a grid. The bound is
    :math:`\varepsilon\sum_j|\theta_j(x)| s_j < \theta^*`.

    Args:
        steps: gradients per start.
        restarts: starts.
    """

    steps: int = 15
    restarts: int = 6

    scope: ClassVar[Scope] = "shared"
    goal: ClassVar[str] = "as many wrong classes as possible by a machine that is out of tune"
    defense: ClassVar[str] = "calibration; training on perturbed weights"
    default_budgets: ClassVar[tuple[float, ...]] = (0.01, 0.02, 0.05, 0.1)
    ceiling: ClassVar[float] = 1.0

    @property
    def unit(self) -> str:
        """Share of the angle."""
        return "relative"

    @abstractmethod
    def factor_names(self, circuit: Circuit) -> tuple[str, ...]:
        """The name of the factor each gate angle has, `(angles,)`."""

    def _run(self, situation: Situation, budget: float, before: Manipulation | None) -> Manipulation:
        model = situation.model
        assert isinstance(model, HasCircuit)  # `check` has seen to it
        site = gate_errors(situation.model, situation.x, situation.scores)
        angles = gate_angles(model.circuit, site.inputs, model.weights.detach().double())
        names = self.factor_names(model.circuit)
        distinct = tuple(dict.fromkeys(names))
        which = torch.tensor([distinct.index(name) for name in names])

        def scores(factors: Tensor) -> Tensor:
            errors = factors[:, None, which] * angles
            rows = torch.arange(len(angles)).repeat(len(factors))
            return site.scores(errors.flatten(0, 1), rows).reshape(len(factors), len(angles), -1)

        best = Found(point=torch.zeros(len(distinct), dtype=torch.float64), rank=-torch.inf)
        if bool(situation.correct.any()):
            heats = temperatures(situation)
            aim = AsMany(situation=situation, finest=float(heats[-1]))
            known = None if before is None else before.what.factors
            start = starts(self.restarts, len(distinct), budget, "linf", known, situation.generator)
            heat = heats.repeat(-(-self.restarts // len(heats)))[: self.restarts]
            best = ascend(scores, aim, start, heat, radius=budget, norm="linf", steps=self.steps)
            best = self._scanned(scores, aim, best, budget)
        factors = best.point
        return Manipulation(
            scores=scores(factors[None])[0],
            spent=factors.abs().max().expand(len(situation.y)),
            what=Tampering(circuit=site.circuit, errors=factors[which] * angles, factors=factors),
            evidence={"factors": dict(zip(distinct, factors.tolist(), strict=True)), "angles": site.angles},
            cost=site.cost,
        )

    def _scanned(self, scores, aim: Aim, best: Found, budget: float) -> Found:
        """The factors after each in turn has been given its best value on a grid, and then on a finer one about it."""
        for index in range(len(best.point)):
            for low, high in ((-budget, budget), (-2 * budget / (_VALUES - 1), 2 * budget / (_VALUES - 1))):
                centre = 0.0 if high == budget else float(best.point[index])
                tried = best.point.repeat(_VALUES, 1)
                tried[:, index] = (centre + torch.linspace(low, high, _VALUES, dtype=torch.float64)).clamp(
                    -budget, budget
                )
                best = better(best, tried, aim.rank(scores(tried)))
        return best


@dataclass(frozen=True, kw_only=True)
class OverRotation(Miscalibration):
    """All gates turn too far, or not far enough, by the same share of their angle.

    Args:
        steps: gradients per start.
        restarts: starts.

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("cancer-angle")
        >>> model, test = recipe.model(), recipe.dataset().test
        >>> found = OverRotation()(model, test.x[:50], test.y[:50], (0.1,)).budgets[0]
        >>> -0.1 <= found.manipulation.evidence["factors"]["all gates"] <= 0.1
        True
    """

    name: ClassVar[str] = "over-rotation"
    capability: ClassVar[str] = "changes the strength of all pulses together"

    def factor_names(self, circuit: Circuit) -> tuple[str, ...]:
        """One factor for all."""
        return ("all gates",) * sum(len(gate.angles) for gate in circuit.gates)


@dataclass(frozen=True, kw_only=True)
class Drift(Miscalibration):
    """Each kind of gate, and each angle of it, has drifted by a share of its own.

    Args:
        steps: gradients per start.
        restarts: starts.

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("cancer-angle")
        >>> model, test = recipe.model(), recipe.dataset().test
        >>> found = Drift()(model, test.x[:50], test.y[:50], (0.1,)).budgets[0]
        >>> sorted(found.manipulation.evidence["factors"])
        ['RY', 'Rot angle 0', 'Rot angle 1', 'Rot angle 2']
    """

    name: ClassVar[str] = "drift"
    capability: ClassVar[str] = "changes the strength of the pulses of each kind of gate"

    def factor_names(self, circuit: Circuit) -> tuple[str, ...]:
        """One factor per kind and angle."""
        return tuple(
            gate.kind if len(gate.angles) == 1 else f"{gate.kind} angle {place}"
            for gate in circuit.gates
            for place in range(len(gate.angles))
        )
