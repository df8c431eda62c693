"""One perturbation for all samples (Moosavi-Dezfooli et al., arXiv:1610.08401; quantum: arXiv:2102.07788)."""

import math
from dataclasses import dataclass, field, replace
from time import perf_counter

import torch
from torch import Tensor

from counterspin.attacks.base import Attack, Ball, BudgetResult
from counterspin.attacks.gradients import Autodiff, GradientSource
from counterspin.attacks.journal import Journal
from counterspin.attacks.losses import Gap
from counterspin.attacks.oracle import Oracle
from counterspin.attacks.task import State, Task, budget_result, judged
from counterspin.errors import ConditionsError, UsageError
from counterspin.threats import ThreatModel
from counterspin.types import Classifier

__all__ = ["Universal"]

# Slope of the logistic function at a tie, in units of the mean margin. Measured against 1 to 16 and against the mean of
# the hinge, the margin and the cross-entropy: 8 broke most, or as many, on four reference models.
_SHARPNESS = 8.0


@dataclass(frozen=True, kw_only=True)
class Universal(Attack):
    r"""Projected ascent on the expected number of broken samples over a single perturbation.

    .. math:: \max_{\|\delta\|_p \le \varepsilon}\ \sum_i \sigma\Bigl(-\frac{8\, m_i(\delta)}{\bar m}\Bigr)

    with :math:`m_i` the margin of sample i at :math:`\Pi_i(x_i + \delta)`, cut by its box, :math:`\bar m` the mean of
    their absolute values (held fixed in the gradient) and :math:`\sigma` the logistic function. Samples near a tie
    count most: a mean loss settles where samples of opposite classes pull with equal force. Of all perturbations met,
    the one that breaks most samples is kept.

    Broken samples stay in the sum, and a success means *broken by this perturbation*: it is counted afresh at each
    budget, a larger one may lose it, and it is no measure of the robustness of single samples. `x_adv` of every
    attacked sample holds the same perturbation, cut by its box; `Universal.shared` reads it back. The perturbation of a
    smaller budget is one start at the next.

    Args:
        steps: gradient steps per start.
        restarts: independent perturbations that are tried side by side.
        step_size: step as a fraction of the budget.
        gradient: where the gradient comes from.

    Raises:
        UsageError: a step that goes nowhere.

    Example:
        >>> Universal(steps=20).config["restarts"]
        5
    """

    restarts: int = 5
    steps: int = 100
    step_size: float = 0.1
    gradient: GradientSource = field(default_factory=Autodiff)

    norms = ("linf", "l2", "l1")
    requires = ("gradient",)
    awake = True

    def __post_init__(self) -> None:
        """Refuse a step that goes nowhere."""
        super().__post_init__()
        if not (math.isfinite(self.step_size) and self.step_size > 0):
            raise UsageError(f"step_size is {self.step_size}; it must be a finite fraction of the budget above 0.")

    @staticmethod
    def shared(x: Tensor, x_adv: Tensor) -> Tensor:
        """The perturbation `(features,)` behind adversarial inputs `x_adv` of `x`, both `(batch, features)` float64.

        Boxes only shorten it, so it is the largest change of each feature: all of it, unless every sample is cut there.
        """
        change = x_adv - x
        return change.gather(0, change.abs().argmax(dim=0, keepdim=True))[0]

    def _check_threat(self, model: Classifier, threat: ThreatModel) -> None:
        super()._check_threat(model, threat)
        if threat.units != "feature":
            raise ConditionsError("attack universal needs one budget for all samples; use units='feature'.")
        if threat.groups:
            raise ConditionsError(
                "attack universal moves all samples alike, which discrete features do not allow; use APGD."
            )
        if threat.budget is not None:
            raise ConditionsError(
                "attack universal asks about all samples or none; use a threat without a query budget."
            )

    def _budget(
        self, task: Task, position: int, state: State, generator: torch.Generator
    ) -> tuple[State, BudgetResult]:
        # Not the base's: all correct samples at every budget, in one round, since what other perturbations broke
        # says nothing about this one.
        began = perf_counter()
        clean, journal = task.x.double(), Journal.opened(task)
        alive = task.correct.nonzero()[:, 0]
        radius = task.threat.radii(clean)[position][alive]
        # With an infinite margin, oracle and verdict keep whatever point comes next, better or not.
        fresh = State.untouched(task)
        fresh = replace(fresh, margin=fresh.margin.masked_fill(task.correct, torch.inf))
        if len(alive):
            ball, before = self._around(task, alive, radius, state)
            balls = ball.tile(self.restarts)
            source = self._gradient_source
            oracle = task.oracle(alive, balls, ball.center, fresh, source, None, generator=generator, awake=self.awake)
            self._run(oracle, before.repeat(self.restarts, 1), balls, generator)
            journal.cost += oracle.cost
            delta = self.shared(ball.center.double(), oracle.best.double())
            fresh = judged(task, alive, radius, fresh, clean[alive] + delta, generator)
        state = fresh
        missing = float(state.margin[alive].clamp_min(0.0).sum())
        journal.traces = {
            "broken": [float(state.success.sum()) / journal.total],
            "best_margin": [missing / journal.total],
        }
        seconds = perf_counter() - began
        return state, budget_result(task, position, state, journal.history(state), journal.cost, seconds)

    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        samples = len(oracle.y)
        copies = ball.rows // samples
        reach = _around_zero(ball, copies)
        loss = Gap()
        # The first copy goes on from the smaller budget; where that left nothing, it is drawn like the others.
        delta = torch.zeros_like(reach.center)
        delta[0] = self.shared(ball.center[:samples], start[:samples])
        delta = reach.random_point(delta, generator)
        best, best_rank = delta[0], -1.0
        with oracle.unremembered():
            for step in range(self.steps + 1):
                moved = ball.center + delta.repeat_interleave(samples, dim=0)
                x = ball.project(moved)
                if step < self.steps:
                    value, gradient = oracle.value_and_gradient(x, loss)
                else:
                    value, gradient = oracle.value(x, loss), torch.zeros_like(x)
                rank = _rank(value.reshape(copies, samples))
                first = int(rank.argmax())
                if float(rank[first]) > best_rank:
                    best, best_rank = delta[first], float(rank[first])
                # What a box cuts off can go no further, only come back.
                blocked = ((moved > ball.upper) & (gradient > 0)) | ((moved < ball.lower) & (gradient < 0))
                weight = _weights(value.reshape(copies, samples))
                mean = (weight * gradient.masked_fill(blocked, 0.0).reshape(copies, samples, -1)).sum(dim=1)
                delta = reach.project(delta + self.step_size * reach.radius * reach.steepest(mean, delta))
        oracle.scores(ball.project(ball.center + best)[:samples])


def _around_zero(ball: Ball, copies: int) -> Ball:
    """The perturbations `(copies, features)` that stay within the widest ball of all samples, whatever their box."""
    first = ball.take(torch.zeros(copies, dtype=torch.long, device=ball.center.device))
    center = torch.zeros_like(first.center)
    lower, upper = torch.full_like(center, -torch.inf), torch.full_like(center, torch.inf)
    if ball.structure is not None:
        lower, upper = ball.structure.bounds(center, lower, upper)
    return replace(first, center=center, radius=ball.radius.amax().expand(copies, 1), lower=lower, upper=upper)


def _weights(value: Tensor) -> Tensor:
    """Slope of the logistic function of each sample's loss `(copies, samples, 1)`: what is near a tie counts."""
    scale = value.abs().mean(dim=1, keepdim=True).clamp_min(torch.finfo(value.dtype).tiny) / _SHARPNESS
    share = torch.sigmoid(value / scale)
    return (share * (1 - share))[:, :, None]


def _rank(value: Tensor) -> Tensor:
    """What makes one perturbation better than another `(copies,)`: samples broken, then how near the others are."""
    missing = (-value.double()).clamp_min(0.0)
    return (missing == 0).sum(dim=1) + 1.0 / (1.0 + missing.mean(dim=1))
