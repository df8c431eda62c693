"""One class goes wrong, and whoever looks at the others sees little of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.attacks.losses import verdict_margin
from counterspin.attacks.projections import norm_of
from counterspin.attacks.quantum.parameters.aims import OneClass, temperatures
from counterspin.attacks.quantum.parameters.ascent import Found, ascend, better, starts
from counterspin.attacks.quantum.parameters.base import (
    AngleNorm,
    ParameterAttack,
    Tampering,
    evidence,
    steepest_columns,
)
from counterspin.attacks.quantum.parameters.coordinate import polish
from counterspin.attacks.quantum.parameters.gate_errors import gate_errors
from counterspin.attacks.quantum.results import Manipulation, Scope, Situation
from counterspin.errors import InputError, UsageError

__all__ = ["WeightsStealthy"]

# Prices of a lost sample of the other classes, in samples of the victim class.
_PRICES = (0.5, 1.0, 3.0, 10.0)


@dataclass(frozen=True, kw_only=True)
class WeightsStealthy(ParameterAttack):
    r"""Errors of all gate angles that break one class, while the accuracy on all others falls by at most `allowance`.

    .. math:: \max_{\|\Delta\| \le \varepsilon} \sum_{i \in V} \sigma(-m_i/\tau)
        - \lambda\Bigl(\sum_{i \in O} \sigma(-m_i/\tau) - a\Bigr)_+

    with several prices λ and temperatures τ at once; of what is met, the errors that keep the allowance and break most
    victims are kept, both judged on the samples given. The verdicts count every sample that goes wrong, the few others
    included; `evidence` tells them apart.

    Args:
        victim: the class that is to go wrong; None: the one with the smallest mean margin.
        allowance: by how much the accuracy on the other samples may fall.
        norm: of the errors: `"linf"` or `"l2"`.
        steps: gradients per start.
        restarts: starts.
        polished: how many angles are polished, the steepest ones; 0: none.

    Raises:
        UsageError: an allowance outside [0, 1], or a victim that is the target or no class.
        InputError: no sample of the victim class, or none of another.

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("cancer-angle")
        >>> model, test = recipe.model(), recipe.dataset().test
        >>> found = WeightsStealthy(victim=1, steps=20)(model, test.x[:80], test.y[:80], (0.2,)).budgets[0]
        >>> found.manipulation.evidence["others' accuracy lost"] <= 0.02
        True
    """

    victim: int | None = None
    allowance: float = 0.02
    norm: AngleNorm = "linf"
    steps: int = 40
    restarts: int = 8
    polished: int = 16

    name: ClassVar[str] = "weights-stealthy"
    scope: ClassVar[Scope] = "shared"
    goal: ClassVar[str] = "one class goes wrong, the accuracy on the others is kept"
    capability: ClassVar[str] = "changes the angle of every gate by a little, once for all inputs"
    defense: ClassVar[str] = "accuracy of every class on kept samples; known-answer circuits"
    default_budgets: ClassVar[tuple[float, ...]] = (0.002, 0.01, 0.05, 0.1)

    def __post_init__(self) -> None:
        """Refuse an allowance that is no share, and a victim that is where it is wanted."""
        if not 0 <= self.allowance <= 1:
            raise UsageError(f"allowance is {self.allowance}; give a share of the other samples, 0 to 1.")
        if self.victim is not None and self.victim == self.target:
            raise UsageError(f"victim and target are both class {self.victim}; give two classes.")

    @property
    def unit(self) -> str:
        """Radians in the norm."""
        return f"radians ({self.norm})"

    def _run(self, situation: Situation, budget: float, before: Manipulation | None) -> Manipulation:
        victim = self._victim(situation)
        site = gate_errors(situation.model, situation.x, situation.scores)
        clean = verdict_margin(situation.scores, situation.y) > 0
        elsewhere = situation.y != victim
        chosen = replace(situation, correct=situation.correct & ~elsewhere)
        best = Found(point=torch.zeros(site.angles, dtype=torch.float64), rank=-torch.inf)
        lost = 0.0
        if bool(chosen.correct.any()):
            heats = temperatures(chosen)
            lanes = max(self.restarts, 1)
            aim = OneClass(
                situation=chosen,
                finest=float(heats[-1]),
                victims=chosen.correct,
                others=clean & elsewhere,
                regained=~clean & elsewhere,
                allowed=self.allowance * int(elsewhere.sum()),
                price=torch.tensor(_PRICES, dtype=torch.float64).repeat(-(-lanes // len(_PRICES)))[:lanes],
            )
            known = None if before is None else before.what.errors
            start = starts(lanes, site.angles, budget, self.norm, known, situation.generator)
            # Lanes of one price differ in temperature: fine ones know best what an allowance of few samples means.
            heat = heats.flip(0).repeat_interleave(len(_PRICES)).repeat(-(-lanes // 16))[:lanes]
            best = better(best, best.point[None], aim.rank(site.shared(best.point[None])))
            if known is not None:
                best = better(best, known[None], aim.rank(site.shared(known[None])))
            found = ascend(site.shared, aim, start, heat, radius=budget, norm=self.norm, steps=self.steps)
            best = better(best, found.point[None], aim.rank(site.shared(found.point[None])))
            columns = steepest_columns(site, chosen, best, self.polished)
            best = polish(site, aim, best, columns, radius=budget, norm=self.norm)
            lost = float(aim.lost(site.shared(best.point[None])))
        scores = site.scores(best.point)
        return Manipulation(
            scores=scores,
            spent=norm_of(best.point[None], self.norm)[0].expand(len(situation.y)),
            what=Tampering(circuit=site.circuit, errors=best.point),
            evidence={
                **self._outcome(chosen, scores, victim),
                "others' accuracy lost": lost / int(elsewhere.sum()),
                **evidence(site.circuit, best.point),
            },
            cost=site.cost,
        )

    def _outcome(self, chosen: Situation, scores: Tensor, victim: int) -> dict[str, Any]:
        broken = chosen.correct & (chosen.margin(scores) <= 0)
        return {"victim": victim, "victims": int(chosen.correct.sum()), "victims broken": int(broken.sum())}

    def _victim(self, situation: Situation) -> int:
        classes, y = situation.scores.shape[1], situation.y
        if self.victim is not None and not 0 <= self.victim < classes:
            raise UsageError(f"victim is {self.victim}; the model has {classes} classes, 0 to {classes - 1}.")
        margins = situation.margin(situation.scores)
        # Of a class without an attacked sample there is no mean margin.
        means = {int(k): float(margins[situation.correct & (y == k)].mean()) for k in y[situation.correct].unique()}
        victim = self.victim if self.victim is not None else min(means, key=lambda k: means[k], default=int(y[0]))
        if not bool((y == victim).any()) or bool((y == victim).all()):
            raise InputError(f"the samples lack class {victim}, or hold no other; give samples of victims and others.")
        return victim
