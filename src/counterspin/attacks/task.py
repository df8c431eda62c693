"""One attack run: its checked arguments, its state between budgets, and the verdict that changes the state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from counterspin.attacks.ball import Ball
from counterspin.attacks.results import BudgetResult
from counterspin.attacks.verdict import margins
from counterspin.errors import InputError, UsageError
from counterspin.threats import ThreatModel
from counterspin.types import Box, Classifier

__all__ = ["State", "Task", "check_done", "checked_targets", "judged"]


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


@dataclass(frozen=True, eq=False, kw_only=True)
class State:
    """What is known at some moment of a run.

    Args:
        best: best float64 point of each sample so far `(batch, features)`.
        margin: its verdict margin `(batch,)`.
        success: samples broken so far `(batch,)`.
    """

    best: Tensor
    margin: Tensor
    success: Tensor


def judged(task: Task, alive: Tensor, radius: Tensor, state: State, found: Tensor) -> State:
    """The state after the float64 verdict on the points found for the rows `alive`, kept where they are better.

    Args:
        task: the run.
        alive: indices of the samples `(n,)`.
        radius: their budgets in feature units `(n,)`.
        state: before.
        found: proposed points `(n, features)` float64; projected into ball and box before they are judged.
    """
    clean = task.x[alive].double()
    point = Ball.around(clean, radius, task.threat.norm, task.box).project(found)
    margin = margins(task.model, point, task.y[alive], None if task.target is None else task.target[alive])
    better = margin < state.margin[alive]
    rows, point, margin = alive[better], point[better], margin[better]
    return replace(
        state,
        best=state.best.index_copy(0, rows, point),
        margin=state.margin.index_copy(0, rows, margin),
        success=state.success.index_copy(0, rows, margin <= 0),
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
