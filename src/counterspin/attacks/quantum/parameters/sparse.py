"""A few gates, each of them as wrong as it can be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.attacks.quantum.parameters.aims import Aim, AsMany, temperatures
from counterspin.attacks.quantum.parameters.ascent import Found
from counterspin.attacks.quantum.parameters.base import ParameterAttack, Tampering, evidence
from counterspin.attacks.quantum.parameters.coordinate import best_values, polish
from counterspin.attacks.quantum.parameters.gate_errors import GateErrors, gate_errors
from counterspin.attacks.quantum.results import Manipulation, QuantumAttackResult, Scope, Situation
from counterspin.errors import UsageError
from counterspin.types import Classifier, HasCircuit

__all__ = ["WeightsSparse"]

_VALUES = 48


@dataclass(frozen=True, kw_only=True)
class WeightsSparse(ParameterAttack):
    r"""Greedy choice of gates whose angles are wrong, each by anything up to `reach`, the same for all samples.

    One gate after another is added: that angle, at that value, which breaks most. All values of one angle are known
    from three queries, so that one gate of one angle is searched exhaustively. Angles are compared on some of the
    samples, the best ones on all; then the angles of all chosen gates are polished in turn. The bound is
    :math:`\sum_j|\Delta_j| s_j < \theta^*` with the largest spreads: it says something for a small `reach` only, since
    a rotation by half a turn leads from a state to an orthogonal one.

    Args:
        reach: largest error of one angle, in radians, up to π.
        screened: samples on which all angles are compared.
        finalists: angles that are compared on all samples.

    Raises:
        UsageError: a reach that is not in (0, π].

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("cancer-angle")
        >>> model, test = recipe.model(), recipe.dataset().test
        >>> WeightsSparse()(model, test.x[:50], test.y[:50], (1,)).budgets[0].manipulation.evidence["gates touched"]
        1
    """

    reach: float = math.pi
    screened: int = 32
    finalists: int = 8

    name: ClassVar[str] = "weights-sparse"
    scope: ClassVar[Scope] = "shared"
    goal: ClassVar[str] = "as many wrong classes as possible by a few wrong gates"
    capability: ClassVar[str] = "sets the angles of a few gates, once for all inputs"
    defense: ClassVar[str] = "known-answer circuits, comparison of the circuit that ran with the one declared"
    default_budgets: ClassVar[tuple[float, ...]] = (1, 2, 4)
    whole: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse a reach that is none."""
        if not 0 < self.reach <= math.pi:
            raise UsageError(f"reach is {self.reach}; give the largest error of one angle, above 0 and at most π.")

    @property
    def unit(self) -> str:
        """Gates whose angles are wrong."""
        return "gates"

    def __call__(
        self,
        model: Classifier,
        x: Any,
        y: Any,
        budgets: Sequence[float] | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> QuantumAttackResult:
        """Attack all samples at every budget; arguments and errors as of every attack on a quantum part.

        Args:
            model: the classifier.
            x: inputs `(batch, features)`.
            y: labels `(batch,)`.
            budgets: gates, strictly ascending; None: those of `default_budgets` that the circuit has gates for.
            generator: source of randomness; None means seed 0.

        Raises:
            UsageError: more gates than have angles.
        """
        self.check(model)
        gates = sum(bool(gate.angles) for gate in model.circuit.gates) if isinstance(model, HasCircuit) else 0
        known = [level for level in self.default_budgets if level <= gates]
        levels = self.checked_budgets(known if budgets is None else budgets)
        if levels[-1] > gates:
            raise UsageError(
                f"budgets of {self.name} go up to {levels[-1]:g} gates; the circuit has {gates} gates with angles, so "
                "give at most as many."
            )
        return super().__call__(model, x, y, levels, generator=generator)

    def _run(self, situation: Situation, budget: float, before: Manipulation | None) -> Manipulation:
        site = gate_errors(situation.model, situation.x, situation.scores)
        errors = torch.zeros(site.angles, dtype=torch.float64) if before is None else before.what.errors
        if bool(situation.correct.any()):
            aim = AsMany(situation=situation, finest=float(temperatures(situation)[-1]))
            best = Found(point=errors, rank=float(aim.rank(site.shared(errors[None]))))
            everything = int(situation.correct.sum())
            for _ in range(int(budget) - len(_touched(site, best.point))):
                if best.rank < everything:
                    best = self._one_more(site, aim, best)
            errors = best.point
        touched = float(len(_touched(site, errors)))
        return Manipulation(
            scores=site.scores(errors),
            spent=torch.full((len(situation.y),), touched, dtype=torch.float64),
            what=Tampering(circuit=site.circuit, errors=errors),
            evidence=evidence(site.circuit, errors),
            cost=site.cost,
        )

    def _one_more(self, site: GateErrors, aim: Aim, best: Found) -> Found:
        """The errors with at most one more gate, polished."""
        free = torch.isin(site.gate, _touched(site, best.point), invert=True).nonzero()[:, 0]
        values = torch.linspace(-self.reach, self.reach, _VALUES, dtype=torch.float64)
        if aim.situation.correct.sum() > self.screened and len(free) > self.finalists:
            attacked = aim.situation.correct.nonzero()[:, 0]
            order = torch.randperm(len(attacked), generator=aim.situation.generator)
            rows = attacked[order[: self.screened]]
            ranks, _ = best_values(site, aim, best.point, free, values.expand(len(free), -1), rows)
            free = free[ranks.topk(self.finalists).indices]
        ranks, chosen = best_values(site, aim, best.point, free, values.expand(len(free), -1))
        place = int(ranks.argmax())
        if float(ranks[place]) > best.rank:
            point = best.point.clone()
            point[free[place]] = chosen[place]
            best = Found(point=point, rank=float(ranks[place]))
        columns = torch.isin(site.gate, _touched(site, best.point)).nonzero()[:, 0]
        return polish(site, aim, best, columns, radius=self.reach, norm="linf")


def _touched(site: GateErrors, errors: Tensor) -> Tensor:
    """Indices of the gates with a wrong angle."""
    return site.gate[errors != 0].unique()
