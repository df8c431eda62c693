"""The attack contract. A subclass proposes points on a batch of survivors; everything else is done here, once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from time import perf_counter
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.attacks.ball import Ball
from counterspin.attacks.gradients import GradientSource
from counterspin.attacks.modes import frozen
from counterspin.attacks.oracle import Oracle
from counterspin.attacks.results import AttackResult, BudgetResult
from counterspin.attacks.task import State, Task, check_done, checked_targets, judged
from counterspin.attacks.verdict import margins, trace_distance
from counterspin.errors import CapabilityError, ConditionsError, UsageError
from counterspin.threats import ThreatModel
from counterspin.types import Box, Classifier, Cost, HasEffectiveObservables
from counterspin.validation import as_features, as_labels, check_classifier_interface
from counterspin.versions import versions

__all__ = ["Attack", "AttackResult", "Ball", "BudgetResult"]

# Distance of the first start from the clean input, as a share of the budget.
_JITTER = 1e-3


@dataclass(frozen=True, kw_only=True)
class Attack(ABC):
    """An evasion attack: frozen configuration, called on a model and a batch.

    Budgets are taken in ascending order with a warm start: a sample broken at a smaller budget stays broken with the
    same point, the others go on from their best point. Each budget runs one start for all survivors, then the other
    restarts stacked in the batch for those still unbroken. Only correctly classified samples are attacked. The attack
    proposes points in the dtype of `x` or in its own `precision`; the verdict is recomputed in float64 from the stored
    point.

    Subclasses implement `_run` and may set:

    * `requires`: capabilities of the model, of `"gradient"`, `"effective_observables"`;
    * `norms`: the norms of the threats it can serve.

    Args:
        restarts: independent starts per sample and budget, at least 1.
        precision: dtype in which points are proposed: that of `"input"`, `"float32"` or `"float64"`. Verdicts are
            float64 in any case.
    """

    restarts: int = 1
    precision: str = "input"

    requires: ClassVar[tuple[str, ...]] = ()
    norms: ClassVar[tuple[str, ...]] = ("linf", "l2")

    def __post_init__(self) -> None:
        """Refuse counts below 1 and unknown precisions."""
        if self.precision not in ("input", "float32", "float64"):
            raise UsageError(f"precision is {self.precision!r}; allowed: input, float32, float64.")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in ("restarts", "steps", "draws") and not (isinstance(value, int) and value >= 1):
                raise UsageError(f"{field.name} is {value!r}; it must be a whole number of at least 1.")

    @property
    def name(self) -> str:
        """The name in results and reports."""
        return type(self).__name__.lower()

    @property
    def config(self) -> dict[str, Any]:
        """Everything that defines the attack, as JSON values."""
        return {"name": self.name, **_plain(self)}

    def __call__(
        self, model: Classifier, x: Any, y: Any, threat: ThreatModel, *, generator: torch.Generator | None = None
    ) -> AttackResult:
        """Attack every sample at every budget.

        Args:
            model: the classifier.
            x: inputs `(batch, features)`, numpy or torch.
            y: labels `(batch,)`.
            threat: norm, budgets, box, target.
            generator: source of randomness; None means seed 0. The seed is recorded.

        Raises:
            InputError: data that cannot be used, or a sample whose label is the target.
            CapabilityError: the model lacks what the attack requires, or is stochastic.
            ConditionsError: a threat the attack cannot serve.
            ModelError: scores or gradients that are mis-shaped or not finite.
        """
        task = self._prepare(model, x, y, threat, generator)
        return AttackResult(
            attack=self.name,
            config=self.config,
            threat=threat,
            seed=task.generator.initial_seed(),
            versions=versions(),
            correct=task.correct,
            budgets=tuple(self._budgets(task, ())),
        )

    def budgets(
        self,
        model: Classifier,
        x: Any,
        y: Any,
        threat: ThreatModel,
        *,
        generator: torch.Generator | None = None,
        done: Sequence[BudgetResult] = (),
    ) -> Iterator[BudgetResult]:
        """The same, budget by budget, so that finished ones can be stored and an interrupted run resumed.

        Args:
            model: the classifier.
            x: inputs `(batch, features)`.
            y: labels `(batch,)`.
            threat: norm, budgets, box, target.
            generator: in the state it had at the start of the first run; None means seed 0.
            done: results of the first budgets from an earlier run; they are not yielded again.

        Returns:
            The budgets after those in `done`, ascending, equal to those of an uninterrupted run.

        Raises:
            UsageError: `done` belongs to other budgets or samples. Otherwise as calling the attack.
        """
        task = self._prepare(model, x, y, threat, generator)
        check_done(done, task)
        return self._budgets(task, tuple(done))

    def refusal(self, model: Classifier, threat: ThreatModel) -> str | None:
        """Why this attack cannot serve `model` under `threat`, as a sentence; None if it can."""
        try:
            self._check_threat(model, threat)
        except (CapabilityError, ConditionsError) as reason:
            return str(reason)
        return None

    @abstractmethod
    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        """Propose points to the oracle; what is found is read from it.

        Args:
            oracle: answers for rows, see there.
            start: where to start `(rows, features)`; the ball's centre means anywhere, see `Ball.random_point`.
            ball: admissible set of each row.
            generator: source of all randomness.
        """

    def _check_threat(self, model: Classifier, threat: ThreatModel) -> None:
        """Refuse threats and models this attack cannot serve; subclasses extend it."""
        if threat.norm not in self.norms:
            raise ConditionsError(f"attack {self.name} works for norm {' or '.join(self.norms)}, not {threat.norm!r}.")
        if model.stochastic:
            raise CapabilityError(
                f"model ({type(model).__name__}) is stochastic; the attack {self.name} needs the same scores from "
                "the same input. Attack the model at infinitely many shots, or freeze its randomness."
            )
        source = self._gradient_source
        if "gradient" in self.requires and source is not None:
            source.check(model)
        if "effective_observables" in self.requires and not isinstance(model, HasEffectiveObservables):
            raise CapabilityError(
                f"model ({type(model).__name__}) has no effective observables, which the attack {self.name} requires; "
                "it is for frozen amplitude-encoded circuits. Use APGD."
            )

    @property
    def _gradient_source(self) -> GradientSource | None:
        return getattr(self, "gradient", None)

    def _prepare(self, model: Any, x: Any, y: Any, threat: ThreatModel, generator: torch.Generator | None) -> Task:
        model = check_classifier_interface(model)
        box = model.bounds if threat.box == "data" else Box.unbounded(model.bounds.features)
        x = as_features(x, box)
        y = as_labels(y, model.classes, len(x)).to(x.device)
        target = checked_targets(threat, y, model.classes)
        self._check_threat(model, threat)
        clean = x.double()
        with frozen(model):
            correct = margins(model, clean, y) > 0
            margin = margins(model, clean, y, target)
        return Task(
            model=model,
            x=x,
            y=y,
            target=target,
            threat=threat,
            box=box,
            correct=correct,
            margin=margin,
            generator=torch.Generator().manual_seed(0) if generator is None else generator,
        )

    def _budgets(self, task: Task, done: tuple[BudgetResult, ...]) -> Iterator[BudgetResult]:
        # One seed per budget, drawn up front: a resumed run meets the randomness of an uninterrupted one.
        seeds = torch.randint(2**62, (len(task.threat.eps),), generator=task.generator, device=task.generator.device)
        clean = task.x.double()
        previous = done[-1] if done else None
        best = clean if previous is None else previous.x_adv.to(clean)
        margin = task.margin if previous is None else previous.best_margin.to(clean)
        success = torch.zeros_like(task.correct) if previous is None else previous.success.to(task.correct)
        state = State(best=best, margin=margin, success=success)
        for position in range(len(done), len(task.threat.eps)):
            with frozen(task.model):
                state, result = self._budget(task, position, state, torch.Generator().manual_seed(int(seeds[position])))
            yield result

    def _budget(
        self, task: Task, position: int, state: State, generator: torch.Generator
    ) -> tuple[State, BudgetResult]:
        began = perf_counter()
        clean, radius = task.x.double(), task.threat.radii(task.x.double())[position]
        total = max(1, int(task.correct.sum()))
        history: dict[str, list[float]] = {"broken": [], "best_margin": []}
        late_gain, cost = torch.zeros_like(state.margin), Cost()
        for copies in (1, self.restarts - 1):
            alive = (task.correct & ~state.success).nonzero()[:, 0]
            if copies == 0 or len(alive) == 0:
                continue
            oracle = self._round(task, alive, radius[alive], state, copies, generator, warm=copies == 1)
            settled = int(state.success.sum())
            history["broken"] += [(settled + broken) / total for broken, _ in oracle.trace]
            history["best_margin"] += [margin / total for _, margin in oracle.trace]
            late_gain[alive] = oracle.late_gain.to(late_gain)
            cost += oracle.cost
            state = judged(task, alive, radius[alive], state, oracle.best.double())
        history["late_gain"] = torch.where(state.success, 0.0, late_gain).tolist()
        distance = task.threat.size(state.best - clean)
        return state, BudgetResult(
            eps=task.threat.eps[position],
            x_adv=state.best,
            success=state.success,
            distance=torch.where(state.success, distance, torch.inf),
            best_margin=state.margin,
            trace_distance=trace_distance(task.model, clean, state.best),
            history=history,
            cost=cost,
            seconds=perf_counter() - began,
        )

    def _round(
        self,
        task: Task,
        alive: Tensor,
        radius: Tensor,
        state: State,
        copies: int,
        generator: torch.Generator,
        *,
        warm: bool,
    ) -> Oracle:
        x = task.x[alive] if self.precision == "input" else task.x[alive].to(getattr(torch, self.precision))
        ball = Ball.around(x, radius, task.threat.norm, task.box)
        best = ball.project(state.best[alive].to(x))
        oracle = Oracle(
            task.model,
            ball.tile(copies),
            task.y[alive],
            best=best,
            best_margin=state.margin[alive].to(x),
            target=None if task.target is None else task.target[alive],
            gradient=self._gradient_source,
        )
        start = x
        if warm:
            # A hair off a clean input: a pole of the encoding has no gradient, its neighbourhood has one.
            near = ball.project(x + _JITTER * (ball.random_point(x, generator) - x))
            start = torch.where((best == x).all(dim=1, keepdim=True), near, best)
        self._run(oracle, start.repeat(copies, 1), ball.tile(copies), generator)
        return oracle


def _plain(value: Any) -> Any:
    """A configuration value as JSON: dataclasses by their fields, nested ones with their kind."""
    if is_dataclass(value):
        return {field.name: _nested(getattr(value, field.name)) for field in fields(value)}
    return value


def _nested(value: Any) -> Any:
    return {"kind": type(value).__name__, **_plain(value)} if is_dataclass(value) else value
