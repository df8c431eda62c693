"""One attack run: its checked arguments, its state between budgets, and the verdict that changes the state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from counterspin.attacks.ball import Ball
from counterspin.attacks.gradients import GradientSource
from counterspin.attacks.losses import verdict_margin
from counterspin.attacks.meter import Meter
from counterspin.attacks.oracle import Oracle
from counterspin.attacks.results import BudgetResult
from counterspin.attacks.sequential import FIRST_ROUND, Status, calls_price, sequential_verdict
from counterspin.attacks.stochastic import call_cost
from counterspin.attacks.verdict import margins, trace_distance
from counterspin.errors import InputError, UsageError
from counterspin.threats import ThreatModel
from counterspin.types import Box, Classifier, Cost

__all__ = ["VERDICT_CONFIDENCE", "State", "Task", "budget_result", "check_done", "checked_targets", "judged"]

# Of each verdict on a stochastic model. Up to 50 verdicts on a sample are right together with probability 0.95; the
# price of the stricter test is logarithmic.
VERDICT_CONFIDENCE = 0.999


@dataclass(frozen=True, eq=False, kw_only=True)
class Task:
    """The checked arguments of a run.

    Args:
        model: the classifier.
        x: clean inputs `(batch, features)`, in the dtype of the attack.
        y: labels `(batch,)`.
        target: wanted classes `(batch,)`, or None.
        threat: the threat model.
        box: where adversarial inputs must lie.
        correct: samples the model gets right `(batch,)`, decided in float64.
        margin: clean verdict margin `(batch,)`.
        generator: draws one seed per budget.
    """

    model: Classifier
    x: Tensor
    y: Tensor
    target: Tensor | None
    threat: ThreatModel
    box: Box
    correct: Tensor
    margin: Tensor
    generator: torch.Generator

    def ball(self, center: Tensor, radius: Tensor) -> Ball:
        """Admissible sets around `center` `(n, features)` of radii `(n,)`."""
        return Ball.around(center, radius, self.threat.norm, self.box, self.threat.constraints)

    def doubled(self, alive: Tensor, found: Tensor) -> Tensor:
        """Points `(n, features)` found for the rows `alive` in float64, what was not changed exactly as it was.

        A clean value rounded to float32 and back is another number, which in L0 would count as a change.
        """
        clean = self.x[alive].double()
        return torch.where(found == clean.to(found), clean, found.double())

    def meter(self, source: GradientSource | None) -> Meter | None:
        """A fresh query budget of all samples, who differentiate by `source`; None where the threat has no limit."""
        budget = self.threat.budget
        if budget is None:
            return None
        gradient = None if source is None else source.price(self.model, 1)
        return Meter(budget, len(self.x), call_cost(self.model, 1), gradient)

    def verdict_price(self, rows: int, times: int = 1) -> Cost:
        """What `times` float64 verdicts on `rows` samples cost; of a stochastic model the first round of each test."""
        return calls_price(self.model, rows, times * (FIRST_ROUND if self.model.stochastic else 1))

    def oracle(
        self,
        alive: Tensor,
        ball: Ball,
        best: Tensor,
        state: State,
        gradient: GradientSource | None,
        meter: Meter | None,
        *,
        generator: torch.Generator | None = None,
        nearest: bool = False,
        awake: bool = False,
    ) -> Oracle:
        """An oracle for the samples `alive` `(n,)`, whose balls may be stacked several times over."""
        return Oracle(
            self.model,
            ball,
            self.y[alive],
            best=best,
            best_margin=state.margin[alive].to(best),
            target=None if self.target is None else self.target[alive],
            gradient=gradient,
            nearest=nearest,
            awake=awake,
            meter=meter,
            generator=generator,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class State:
    """What is known at some moment of a run.

    Args:
        best: best float64 point of each sample so far `(batch, features)`.
        margin: its verdict margin `(batch,)`.
        success: samples broken so far `(batch,)`.
        undecided: samples of a stochastic model that the test could not tell apart from broken ones `(batch,)`.
        cost: of the verdicts so far.
    """

    best: Tensor
    margin: Tensor
    success: Tensor
    undecided: Tensor
    cost: Cost = field(default_factory=Cost)

    @classmethod
    def untouched(cls, task: Task) -> State:
        """Nothing tried yet."""
        nothing = torch.zeros_like(task.correct)
        return cls(best=task.x.double(), margin=task.margin, success=nothing, undecided=nothing)

    @classmethod
    def after(cls, task: Task, done: BudgetResult) -> State:
        """The state a finished budget left."""
        success = done.success.to(task.correct)
        return cls(
            best=done.x_adv.to(task.x.device).double(),
            margin=done.best_margin.to(task.margin),
            success=success,
            undecided=torch.zeros_like(success) if done.undecided is None else done.undecided.to(success),
        )


def judged(
    task: Task,
    alive: Tensor,
    radius: Tensor,
    state: State,
    found: Tensor,
    generator: torch.Generator | None = None,
) -> State:
    """The state after the float64 verdict on the points found for the rows `alive`, kept where they are better.

    Args:
        task: the run.
        alive: indices of the samples `(n,)`.
        radius: their budgets in feature units `(n,)`.
        state: before.
        found: proposed points `(n, features)` float64; projected into ball and box before they are judged.
        generator: for the sequential test of a stochastic model.
    """
    clean = task.x[alive].double()
    ball = task.ball(clean, radius)
    point = ball.round(ball.project(found))
    target = None if task.target is None else task.target[alive]
    if task.model.stochastic:
        return _tested(task, alive, state, point, target, generator)
    margin = margins(task.model, point, task.y[alive], target)
    better = margin < state.margin[alive]
    rows, point, margin = alive[better], point[better], margin[better]
    return replace(
        state,
        best=state.best.index_copy(0, rows, point),
        margin=state.margin.index_copy(0, rows, margin),
        success=state.success.index_copy(0, rows, margin <= 0),
    )


def _tested(
    task: Task,
    alive: Tensor,
    state: State,
    point: Tensor,
    target: Tensor | None,
    generator: torch.Generator | None,
) -> State:
    """The state after a sequential test of `point` `(n, features)`: the worse verdict stays, then the lower margin."""
    y = task.y[alive]
    verdict = sequential_verdict(task.model, point, y, target, confidence=VERDICT_CONFIDENCE, generator=generator)
    shares = verdict.counts.double() / verdict.calls[:, None].clamp_min(1)
    margin = verdict_margin(shares, y, target)
    known = torch.where(state.success, int(Status.ADVERSARIAL), torch.where(state.undecided, int(Status.UNDECIDED), 0))
    known = known[alive]
    better = (verdict.status > known) | ((verdict.status == known) & (margin < state.margin[alive]))
    # A test that an execution budget cut short says nothing: what was known stays.
    better &= ~(verdict.undecided & verdict.cut)
    rows = alive[better]
    return replace(
        state,
        best=state.best.index_copy(0, rows, point[better]),
        margin=state.margin.index_copy(0, rows, margin[better].to(state.margin)),
        success=state.success.index_copy(0, rows, verdict.adversarial[better]),
        undecided=state.undecided.index_copy(0, rows, verdict.undecided[better]),
        cost=state.cost + verdict.cost,
    )


def budget_result(
    task: Task, position: int, state: State, history: dict[str, list[float]], cost: Cost, seconds: float
) -> BudgetResult:
    """What a run in state `state` has to say at the budget `position` of its threat."""
    clean = task.x.double()
    return BudgetResult(
        eps=task.threat.eps[position],
        x_adv=state.best,
        success=state.success,
        distance=torch.where(state.success, task.threat.size(state.best - clean), torch.inf),
        best_margin=state.margin,
        trace_distance=trace_distance(task.model, clean, state.best),
        history=history,
        cost=cost,
        seconds=seconds,
        undecided=state.undecided if task.model.stochastic else None,
        verdict_cost=state.cost,
    )


def checked_targets(threat: ThreatModel, y: Tensor, classes: int) -> Tensor | None:
    """The attacker's class of each sample `(batch,)`, or None.

    Raises:
        UsageError: no such class, or another number of targets than samples.
        InputError: a sample that already belongs to its target.
    """
    target = threat.targets(y)
    if target is None:
        return None
    if bool(((target < 0) | (target >= classes)).any()):
        raise UsageError(f"target is {threat.target}; the model has {classes} classes, 0 to {classes - 1}.")
    same = (target == y).nonzero()[:, 0]
    if len(same):
        raise InputError(
            f"y equals the target class in {len(same)} of {len(y)} samples (first: sample {int(same[0])}); "
            "leave out samples that already belong to the target."
        )
    return target


def check_done(done: Sequence[BudgetResult], task: Task) -> None:
    """Refuse to resume from results of another run.

    Raises:
        UsageError: other budgets or another shape of samples.
    """
    expected = task.threat.eps[: len(done)]
    if tuple(result.eps for result in done) != expected or any(r.x_adv.shape != task.x.shape for r in done):
        raise UsageError(
            f"done holds budgets {[result.eps for result in done]} that are not the first ones of eps "
            f"{list(task.threat.eps)} on these {len(task.x)} samples; resume with the threat and samples "
            "of the earlier run."
        )
