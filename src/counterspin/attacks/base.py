"""The attack contract. A subclass proposes points on a batch of survivors; everything else is done here, once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass, replace
from time import perf_counter
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.attacks.ball import Ball
from counterspin.attacks.gradients import GradientSource
from counterspin.attacks.journal import Journal
from counterspin.attacks.ledger import ledger_of
from counterspin.attacks.losses import verdict_margin
from counterspin.attacks.modes import frozen
from counterspin.attacks.oracle import Oracle
from counterspin.attacks.results import AttackResult, BudgetResult
from counterspin.attacks.sequential import sequential_verdict
from counterspin.attacks.stochastic import mean_scores, reseeded
from counterspin.attacks.task import VERDICT_CONFIDENCE, State, Task, budget_result, check_done, checked_targets, judged
from counterspin.attacks.verdict import margins
from counterspin.errors import BudgetReachedError, CapabilityError, ConditionsError, UsageError
from counterspin.threats import ThreatModel
from counterspin.types import Box, Classifier, Cost, HasEffectiveObservables
from counterspin.validation import as_features, as_labels, check_classifier_interface
from counterspin.versions import versions

__all__ = ["Attack", "AttackResult", "Ball", "BudgetResult"]

# Distance of the first start from the clean input, as a share of the budget.
_JITTER = 1e-3

# Calls of a stochastic model whose mean stands for its clean scores.
_CLEAN_CALLS = 16


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
    * `norms`: the norms of the threats it can serve;
    * `knowledge`: what the attacker sees, `"white"` (gradients, the circuit), `"black"` (scores), `"decision"` (the
      winning class alone) or `"transfer"` (another model);
    * `targeted`: whether it can go for a class of the attacker's choice, among more than two;
    * `awake`: whether broken samples are still answered, for attacks that need them all.

    Args:
        restarts: independent starts per sample and budget, at least 1.
        precision: dtype in which points are proposed: that of `"input"`, `"float32"` or `"float64"`. Verdicts are
            float64 in any case.
    """

    restarts: int = 1
    precision: str = "input"

    requires: ClassVar[tuple[str, ...]] = ()
    norms: ClassVar[tuple[str, ...]] = ("linf", "l2")
    knowledge: ClassVar[str] = "white"
    targeted: ClassVar[bool] = True
    awake: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse counts below 1 and unknown precisions."""
        if self.precision not in ("input", "float32", "float64"):
            raise UsageError(f"precision is {self.precision!r}; allowed: input, float32, float64.")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in ("restarts", "steps", "draws", "queries") and not (isinstance(value, int) and value >= 1):
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
        correct: Tensor | None = None,
        scores: Tensor | None = None,
    ) -> Iterator[BudgetResult]:
        """The same, budget by budget, so that finished ones can be stored and an interrupted run resumed.

        Args:
            model: the classifier.
            x: inputs `(batch, features)`.
            y: labels `(batch,)`.
            threat: norm, budgets, box, target.
            generator: in the state it had at the start of the first run; None means seed 0.
            done: results of the first budgets from an earlier run; they are not yielded again.
            correct: samples to attack `(batch,)`; None: those the model gets right, which on a stochastic model is a
                statistical verdict that an evaluation makes once for all attacks.
            scores: clean scores `(batch, classes)` of the same evaluation; with them no clean sample is asked about
                again.

        Returns:
            The budgets after those in `done`, ascending, equal to those of an uninterrupted run.

        Raises:
            UsageError: `done` belongs to other budgets or samples. Otherwise as calling the attack.
            BudgetReachedError: while iterating, of a model that pays from a ledger (see `ledger`): nothing is left for
                the next budget ε.
        """
        task = self._prepare(model, x, y, threat, generator, correct, scores)
        check_done(done, task)
        return self._budgets(task, tuple(done))

    def check(self, model: Classifier, threat: ThreatModel) -> None:
        """Refuse a model or threat this attack cannot serve, before any compute.

        Raises:
            CapabilityError: the model lacks what the attack requires.
            ConditionsError: a threat the attack cannot serve.
        """
        self._check_threat(model, threat)

    def refusal(self, model: Classifier, threat: ThreatModel) -> str | None:
        """Why this attack cannot serve `model` under `threat`, as a sentence; None if it can."""
        try:
            self.check(model, threat)
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
        source = self._gradient_source
        if "gradient" in self.requires and source is not None:
            if model.stochastic and not source.averages:
                raise CapabilityError(
                    f"model ({type(model).__name__}) is stochastic and {type(source).__name__} differentiates one draw "
                    "of it; use gradient=EOT(source=Twin()), EOT(source=SPSA()), or an attack without gradients."
                )
            source.check(model)
        if "effective_observables" in self.requires and not isinstance(model, HasEffectiveObservables):
            raise CapabilityError(
                f"model ({type(model).__name__}) has no effective observables, which the attack {self.name} requires; "
                "it is for frozen amplitude-encoded circuits. Use APGD."
            )

    @property
    def _gradient_source(self) -> GradientSource | None:
        return getattr(self, "gradient", None)

    def _prepare(
        self,
        model: Any,
        x: Any,
        y: Any,
        threat: ThreatModel,
        generator: torch.Generator | None,
        correct: Tensor | None = None,
        scores: Tensor | None = None,
    ) -> Task:
        model = check_classifier_interface(model)
        box = model.bounds if threat.box == "data" else Box.unbounded(model.bounds.features)
        threat.check(model.bounds)
        x = as_features(x, box)
        y = as_labels(y, model.classes, len(x)).to(x.device)
        target = checked_targets(threat, y, model.classes)
        self.check(model, threat)
        generator = torch.Generator().manual_seed(0) if generator is None else generator
        if correct is None or scores is None:
            with frozen(model):
                found, margin = _clean(model, x.double(), y, target, generator)
        else:
            found, margin = correct, verdict_margin(scores.to(x.device), y, target)
        correct = found if correct is None else correct.to(found)
        return Task(
            model=model,
            x=x,
            y=y,
            target=target,
            threat=threat,
            box=box,
            correct=correct,
            margin=margin,
            generator=generator,
        )

    def _budgets(self, task: Task, done: tuple[BudgetResult, ...]) -> Iterator[BudgetResult]:
        # One seed per budget, drawn up front: a resumed run meets the randomness of an uninterrupted one.
        seeds = torch.randint(2**62, (len(task.threat.eps),), generator=task.generator, device=task.generator.device)
        state = State.after(task, done[-1]) if done else State.untouched(task)
        for position in range(len(done), len(task.threat.eps)):
            generator = torch.Generator().manual_seed(int(seeds[position]))
            fresh = replace(task, model=reseeded(task.model, generator)) if task.model.stochastic else task
            with frozen(fresh.model):
                state, result = self._budget(fresh, position, replace(state, cost=Cost()), generator)
            yield result

    def _budget(
        self, task: Task, position: int, state: State, generator: torch.Generator
    ) -> tuple[State, BudgetResult]:
        began = perf_counter()
        radius = task.threat.radii(task.x.double())[position]
        journal = Journal.opened(task)
        source, ledger = self._gradient_source, ledger_of(task.model)
        meter = task.meter(source)
        awake = self.awake or task.model.stochastic
        for copies, warm in ((1, True), (self.restarts - 1, False)):
            alive = (task.correct & ~state.success).nonzero()[:, 0]
            if copies == 0 or len(alive) == 0:
                continue
            # Whatever is found needs its verdict, so that is paid for first.
            if not ledger.set_aside(task.verdict_price(len(alive))):
                if warm:
                    raise BudgetReachedError(f"the execution budget leaves nothing for attack {self.name}.")
                break
            ball, best = self._around(task, alive, radius[alive], state)
            start = ball.center
            if warm:
                # A hair off a clean input: a pole of the encoding has no gradient, its neighbourhood has one.
                near = ball.project(start + _JITTER * (ball.random_point(start, generator) - start))
                start = torch.where((best == start).all(dim=1, keepdim=True), near, best)
            part = None if meter is None else meter.take(alive)
            oracle = task.oracle(alive, ball.tile(copies), best, state, source, part, generator=generator, awake=awake)
            with suppress(BudgetReachedError):
                self._run(oracle, start.repeat(copies, 1), ball.tile(copies), generator)
            if meter is not None and part is not None:
                meter.put(alive, part)
            journal.note(oracle, alive, int(state.success.sum()))
            with ledger.drawing():
                state = judged(task, alive, radius[alive], state, task.doubled(alive, oracle.best), generator)
        seconds = perf_counter() - began
        return state, budget_result(task, position, state, journal.history(state), journal.cost, seconds)

    def _around(self, task: Task, alive: Tensor, radius: Tensor, state: State) -> tuple[Ball, Tensor]:
        """The balls of the samples `alive` in the attack's precision, and the best known point in each."""
        x = task.x[alive] if self.precision == "input" else task.x[alive].to(getattr(torch, self.precision))
        ball = task.ball(x, radius)
        return ball, ball.project(state.best[alive].to(x))


def _clean(
    model: Classifier, x: Tensor, y: Tensor, target: Tensor | None, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Which clean inputs `(batch, features)` are classified correctly, and their verdict margins, each `(batch,)`."""
    if not model.stochastic:
        return margins(model, x, y) > 0, margins(model, x, y, target)
    # A copy of the generator: what the attack draws must not depend on how the clean inputs were judged.
    own = torch.Generator().manual_seed(generator.initial_seed())
    fresh = reseeded(model, own)
    verdict = sequential_verdict(fresh, x, y, confidence=VERDICT_CONFIDENCE, generator=own)
    return verdict.robust, verdict_margin(mean_scores(fresh, x, _CLEAN_CALLS).double(), y, target)


def _plain(value: Any) -> Any:
    """A configuration value as JSON: dataclasses by their fields, nested ones with their kind."""
    if is_dataclass(value):
        return {field.name: _nested(getattr(value, field.name)) for field in fields(value)}
    return value


def _nested(value: Any) -> Any:
    if isinstance(value, GradientSource):
        return value.config
    return {"kind": type(value).__name__, **_plain(value)} if is_dataclass(value) else value
