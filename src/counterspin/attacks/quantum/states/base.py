"""What attacks on states share: the attacked state, the one put in its place, and verdicts from its scores."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from counterspin.attacks.losses import verdict_margin
from counterspin.attacks.quantum.base import QuantumAttack
from counterspin.attacks.quantum.results import Manipulation, Scope, Situation
from counterspin.attacks.quantum.states.site import StateSite, check_site, state_site
from counterspin.types import Classifier, Cost

__all__ = ["Found", "StateAttack", "StateManipulation", "rows_margin"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What was found for some rows.

    Args:
        distance: budget that breaks each row `(rows,)`, in the attack's unit; infinite where there is no way.
        states: states put in place, pure `(rows, D)` or mixed `(rows, D, D)`.
        parts: what makes the manipulation up, by name, with the rows as first axis.
    """

    distance: Tensor
    states: Tensor
    parts: dict[str, Tensor] = field(default_factory=dict)

    def take(self, rows: Tensor) -> Found:
        """What was found for some of the rows."""
        parts = {name: part[rows] for name, part in self.parts.items()}
        return Found(distance=self.distance[rows], states=self.states[rows], parts=parts)


@dataclass(frozen=True, kw_only=True, eq=False)
class StateManipulation:
    """States put in the place of the clean ones.

    Args:
        site: the clean states and the observables that score any state there: `site.scores(states)`.
        states: manipulated states, pure `(batch, D)` or mixed `(batch, D, D)`; those of unbroken samples are clean, or
            the best attempt of a search.
        distance: smallest budget found to break each sample `(batch,)`; infinite where none was.
        parts: what makes the manipulation up, by name, with the batch as first axis.
        solved: the nearest manipulation of every sample whatever the budget, where there is a closed form.
    """

    site: StateSite
    states: Tensor
    distance: Tensor
    parts: dict[str, Tensor] = field(default_factory=dict)
    solved: Found | None = None

    def merged(self, rows: Tensor, found: Found) -> StateManipulation:
        """With what was found for some rows."""
        parts = dict(self.parts)
        for name, part in found.parts.items():
            old = parts.get(name, part.new_zeros(len(self.distance), *part.shape[1:]))
            parts[name] = old.index_put((rows,), part)
        states, values = _alike(self.states, found.states)
        return replace(
            self,
            states=states.index_put((rows,), values),
            distance=self.distance.index_put((rows,), found.distance),
            parts=parts,
        )


@dataclass(frozen=True, kw_only=True)
class StateAttack(QuantumAttack):
    """Template: each sample's state is replaced, once, right behind the last gate that holds data (`state_site`).

    Subclasses implement `_solve`, the nearest manipulation in closed form, or `_search`, the best one within a budget;
    with both, what the first leaves unbroken is searched. Samples broken at a smaller budget keep their manipulation.
    """

    where: ClassVar[str] = "state"
    scope: ClassVar[Scope] = "sample"
    goal: ClassVar[str] = "change the decision of each sample, or reach the target class"

    def check(self, model: Classifier) -> None:
        """Refuse a model without a state to reach.

        Raises:
            CapabilityError: no circuit, stochastic scores, or channels on more than 8 qubits.
            ConditionsError: more than 10 qubits, or mitigated scores that are no expectation values.
        """
        super().check(model)
        check_site(model)

    def _solve(self, site: StateSite, situation: Situation) -> Found | None:
        """The nearest manipulation of every sample, computed once; None: there is no closed form."""
        return None

    def _search(self, known: StateManipulation, situation: Situation, rows: Tensor, budget: float) -> Found | None:
        """Manipulations of some rows within a budget; None: nothing is searched.

        Args:
            known: what the smaller budgets and the closed form found, for all samples.
            situation: of all samples.
            rows: indices of the samples still to break.
            budget: in `unit`.
        """
        return None

    def _run(self, situation: Situation, budget: float, before: Manipulation | None) -> Manipulation:
        known = self._start(situation) if before is None else before.what
        rows = self._open(known, situation)
        cost = Cost(forwards=len(rows), circuits=len(rows))
        if known.solved is not None:
            reached = rows[known.solved.distance[rows] <= budget]
            known = known.merged(reached, self._judged(known.site, situation, reached, known.solved.take(reached)))
            rows = self._open(known, situation)
        if len(rows):
            found = self._search(known, situation, rows, budget)
            if found is not None:
                known = known.merged(rows, self._judged(known.site, situation, rows, found))
        return Manipulation(
            scores=known.site.scores(known.states),
            spent=torch.where(known.distance.isfinite(), known.distance, 0.0),
            what=known,
            evidence={"state": "behind the last gate that holds data", "qubits": known.site.qubits},
            cost=cost,
        )

    def _start(self, situation: Situation) -> StateManipulation:
        site = state_site(situation.model, situation.x)
        nothing = torch.full((len(situation.x),), torch.inf, dtype=torch.float64)
        return StateManipulation(site=site, states=site.states, distance=nothing, solved=self._solve(site, situation))

    def _open(self, known: StateManipulation, situation: Situation) -> Tensor:
        return (situation.correct & known.distance.isinf()).nonzero()[:, 0]

    def _judged(self, site: StateSite, situation: Situation, rows: Tensor, found: Found) -> Found:
        """The same, at a finite distance only where the scores are seen to break."""
        broken = rows_margin(situation, rows, site.scores(found.states)) <= 0
        return replace(found, distance=torch.where(broken, found.distance, torch.inf))


def rows_margin(situation: Situation, rows: Tensor, scores: Tensor) -> Tensor:
    """Verdict margins `(rows,)` of scores `(rows, classes)` of some samples: broken where at most 0."""
    target = None if situation.target is None else torch.full_like(rows, situation.target)
    return verdict_margin(scores, situation.y[rows], target)


def _alike(states: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Both as density matrices where one of them is."""
    if states.ndim == values.ndim:
        return states, values
    return tuple(s if s.ndim == 3 else s[:, :, None] * s[:, None, :].conj() for s in (states, values))  # type: ignore[return-value]
