"""Attacks that look for the nearest adversarial input: one search serves every budget."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from typing import ClassVar

import torch
from torch import Tensor

from counterspin.attacks.base import Attack
from counterspin.attacks.journal import Journal
from counterspin.attacks.ledger import ledger_of
from counterspin.attacks.meter import Meter
from counterspin.attacks.modes import frozen
from counterspin.attacks.oracle import Oracle
from counterspin.attacks.results import BudgetResult
from counterspin.attacks.task import State, Task, budget_result, judged
from counterspin.errors import BudgetReachedError, ConditionsError
from counterspin.threats import ThreatModel
from counterspin.types import Classifier, Cost

__all__ = ["MinimumNorm"]

# Halvings of the way from the clean input to the point found: the boundary is met to 1e-9 of the distance.
_HALVINGS = 30

# A point found in float32 may lie a rounding short of the boundary in float64: also try a hair beyond it.
_BEYOND = (0.0, 1e-7, 1e-6, 1e-5, 1e-4)


@dataclass(frozen=True, kw_only=True)
class MinimumNorm(Attack):
    """A search for the smallest change that breaks each sample, inside the ball of the largest budget.

    `_run` is called once, with all restarts stacked in the batch, and with an oracle that remembers the *nearest* point
    that breaks a sample and answers for broken samples too. The segment from the clean input to that point is then
    halved in float64 until it ends at the boundary, and each budget of the threat takes what lies within it. The whole
    cost stands at the first budget. Queries are limited per sample over all budgets together.

    An attack that is interrupted starts again: there is nothing to store before the search ends.
    """

    finds: ClassVar[str] = "distance"

    def _check_threat(self, model: Classifier, threat: ThreatModel) -> None:
        super()._check_threat(model, threat)
        if model.stochastic:
            raise ConditionsError(
                f"attack {self.name} walks along a boundary, which the scores of a stochastic model do not show; use "
                "APGD with gradient=EOT(...), or attack the model's twin at infinitely many shots."
            )

    def _budgets(self, task: Task, done: tuple[BudgetResult, ...]) -> Iterator[BudgetResult]:
        seed = torch.randint(2**62, (1,), generator=task.generator, device=task.generator.device)
        if len(done) == len(task.threat.eps):
            return
        began = perf_counter()
        journal = Journal.opened(task)
        ledger = ledger_of(task.model)
        # One search serves every budget: all its verdicts are paid for first.
        if not ledger.set_aside(task.verdict_price(int(task.correct.sum()), len(task.threat.eps))):
            raise BudgetReachedError(f"the execution budget leaves nothing for attack {self.name}.")
        with frozen(task.model):
            nearest = self._nearest(task, torch.Generator().manual_seed(int(seed)), journal)
        state = State.untouched(task)
        radii, cost = task.threat.radii(task.x.double()), journal.cost
        for position in range(len(task.threat.eps)):
            alive = (task.correct & ~state.success).nonzero()[:, 0]
            with frozen(task.model), ledger.drawing(keep=position + 1 < len(radii)):
                state = judged(task, alive, radii[position, alive], state, nearest[alive])
                history = journal.history(state)
                # The traces belong to the search, which stands at the first budget; late gains to every survivor.
                history = history if position == 0 else {"late_gain": history["late_gain"]}
                result = budget_result(task, position, state, history, cost, perf_counter() - began)
            if position >= len(done):
                yield result
                began = perf_counter()
            cost = Cost()

    def _nearest(self, task: Task, generator: torch.Generator, journal: Journal) -> Tensor:
        """Best point of each sample `(batch, features)` float64: the nearest that breaks it, or that came closest."""
        found = task.x.double()
        alive = task.correct.nonzero()[:, 0]
        if len(alive) == 0:
            return found
        state = State.untouched(task)
        radius = task.threat.radii(found)[-1, alive]
        ball, best = self._around(task, alive, radius, state)
        meter = task.meter(self._gradient_source)
        part = None if meter is None else meter.take(alive)
        source = self._gradient_source
        oracle = task.oracle(
            alive, ball.tile(self.restarts), best, state, source, part, generator=generator, nearest=True
        )
        with suppress(BudgetReachedError):
            self._run(oracle, ball.center.repeat(self.restarts, 1), ball.tile(self.restarts), generator)
        journal.note(oracle, alive, 0, trace=self.finds)
        exact = self._at_boundary(task, alive, radius, state, oracle, part, journal)
        return found.index_copy(0, alive, exact)

    def _at_boundary(
        self,
        task: Task,
        alive: Tensor,
        radius: Tensor,
        state: State,
        found: Oracle,
        meter: Meter | None,
        journal: Journal,
    ) -> Tensor:
        """The points `found` in float64, each moved along its segment to where the prediction changes."""
        clean = task.x[alive].double()
        ball = task.ball(clean, radius)
        oracle = task.oracle(alive, ball, clean, state, None, meter, nearest=True)
        step = task.doubled(alive, found.best) - clean
        for beyond in _BEYOND:
            oracle.scores(ball.project(clean + (1.0 + beyond) * step))
        low, high = torch.zeros_like(radius), torch.ones_like(radius)
        halvings = 0 if task.threat.norm == "l0" or ball.is_discrete else _HALVINGS
        step = oracle.best - clean
        for _ in range(halvings):
            middle = (low + high) / 2
            before = oracle.distance
            oracle.scores(clean + middle[:, None] * step)
            nearer = oracle.distance < before
            low, high = torch.where(nearer, low, middle), torch.where(nearer, middle, high)
        journal.cost += oracle.cost
        return torch.where(oracle.broken[:, None], oracle.best, task.doubled(alive, found.best))
