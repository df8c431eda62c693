"""The model as one attack run sees it: counted, remembered, and silent about samples that need no more queries."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from counterspin.attacks.ball import Ball
from counterspin.attacks.gradients import Evaluation, GradientSource, Objective
from counterspin.attacks.ledger import bare, ledger_of
from counterspin.attacks.losses import Loss, verdict_margin
from counterspin.attacks.memory import Memory
from counterspin.attacks.meter import Meter
from counterspin.attacks.stochastic import call_cost, mean_price, mean_scores
from counterspin.errors import CapabilityError, InputError, ModelError
from counterspin.types import Classifier, Cost, Outputs
from counterspin.validation import all_finite, checked_scores

__all__ = ["ROWS_PER_CALL", "Oracle"]

# Bounds peak memory: autograd keeps every intermediate state of a call.
ROWS_PER_CALL = 1024

# Steps over which `late_gain` looks back.
_WINDOW = 10

# Calls whose mean stands for a promising point of a stochastic model: without them the luckiest draw would be kept.
_CONFIRMATIONS = 16


class Oracle:
    """Answers an attack's queries and keeps the best admissible point ever asked about.

    Rows are copies of the samples, copy after copy (row `r` belongs to sample `r % samples`), so restarts are stacked
    in the batch. Once any row breaks its sample, or the sample's query budget is spent, all rows of that sample are
    answered with zeros and cost nothing: attack loops keep fixed shapes and spend nothing on settled samples. Under an
    execution budget (see `ledger`) the first rows are served as far as it reaches, and nothing afterwards.

    Where features are discrete, the model is asked about the admissible point next to the one proposed, so that an
    attack may move continuously (a straight-through estimate of the gradient).

    A point that is no input to the model, such as the zero vector to an amplitude encoding, cannot be prepared and
    breaks nothing: the clean sample is asked about in its place.

    Args:
        model: the classifier.
        ball: admissible set of each row.
        y: true class of each sample `(samples,)`.
        target: wanted class of each sample `(samples,)`, or None.
        best: best point known of each sample `(samples, features)`.
        best_margin: its margin `(samples,)`.
        gradient: where gradients come from; None for attacks that ask for none.
        nearest: remember the nearest point that breaks a sample, and go on after the first; see `Memory`.
        awake: answer for broken samples too.
        meter: the query budget, indexed like the samples; None: no limit.
        generator: for gradient sources that draw at random.

    Attributes:
        cost: what was spent.
        trace: after each query: number of broken samples, and the sum of the best margins of the others; with `nearest`
            the sum of the distances, the radius of the ball where nothing was found.
        notes: whatever else an attack has to say of each sample, by name, `(samples,)`; it goes into the history.
    """

    def __init__(
        self,
        model: Classifier,
        ball: Ball,
        y: Tensor,
        *,
        best: Tensor,
        best_margin: Tensor,
        target: Tensor | None = None,
        gradient: GradientSource | None = None,
        nearest: bool = False,
        awake: bool = False,
        meter: Meter | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        self.model = model
        self.y = y
        self.target = target
        self.cost = Cost()
        self.trace: list[tuple[int, float]] = []
        self.notes: dict[str, Tensor] = {}
        self._ball = ball
        self._source = gradient
        self._generator = generator
        # Queries are paid for here, before they run; other calls of `model` pay for themselves.
        self._ledger = ledger_of(model)
        self._bare = bare(model)
        self._memory = Memory.starting(best, best_margin, nearest=nearest, settles=not model.stochastic)
        self._awake = awake or nearest
        self._meter = meter
        self._remembers = True
        self._recent: deque[Tensor] = deque([self.best_margin.clone()], maxlen=_WINDOW + 1)

    @property
    def best(self) -> Tensor:
        """Best admissible point ever queried `(samples, features)`."""
        return self._memory.best

    @property
    def best_margin(self) -> Tensor:
        """Its verdict margin `(samples,)`."""
        return self._memory.margin

    @property
    def distance(self) -> Tensor:
        """Size of the change to the best point `(samples,)`, with `nearest`; infinite where nothing was found."""
        return self._memory.distance

    @property
    def broken(self) -> Tensor:
        """Samples with a point that breaks them `(samples,)`."""
        return self._memory.broken

    @property
    def finished(self) -> bool:
        """Whether further queries change nothing: every sample is settled."""
        return bool(self._settled().all())

    @property
    def late_gain(self) -> Tensor:
        """How much the best margin of each sample `(samples,)` fell over the last 10 queries."""
        return self._recent[0] - self._recent[-1]

    @contextmanager
    def unremembered(self) -> Iterator[None]:
        """Queries that are counted and not remembered: of points that are no result, whatever the model says."""
        self._remembers = False
        try:
            yield
        finally:
            self._remembers = True

    def observe(self, x: Tensor, scores: Tensor, cost: Cost) -> None:
        """Take note of `scores` `(rows, classes)` of all rows `x` `(rows, features)` that somebody else asked for."""
        rows = torch.arange(x.shape[0], device=x.device)
        self._charge(rows, cost)
        self._remember(rows, x, scores)
        self._record()

    def scores(self, x: Tensor) -> Tensor:
        """Scores `(rows, classes)`, without a graph; zeros for settled samples.

        `x` holds the attack's rows, or several stacked copies of them.

        Raises:
            ModelError: the model returned scores that are mis-shaped or not finite.
        """
        x = self._admissible(x)
        answer = x.new_zeros(x.shape[0], self.model.classes)
        for index in self._chunks(x, gradient=False):
            self._ledger.pay(cost := self._price(len(index), gradient=False))
            with torch.no_grad():
                try:
                    scores = checked_scores(self._bare, x[index])
                except InputError:
                    x = self._prepared(x, index)
                    scores = checked_scores(self._bare, x[index])
            self._charge(index, cost)
            self._remember(index, x[index], scores)
            answer[index] = scores.to(answer)
        self._record()
        return answer

    def gradient(self, x: Tensor, loss: Loss, rival: Tensor | None = None) -> Tensor:
        """Gradient of `loss` with respect to `x`, `(rows, features)`; zeros for settled samples."""
        return self.value_and_gradient(x, loss, rival)[1]

    def value_and_gradient(self, x: Tensor, loss: Loss, rival: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """`loss` `(rows,)` and its gradient `(rows, features)`; zeros for settled samples.

        Args:
            x: the attack's rows `(rows, features)`.
            loss: what is ascended.
            rival: class each row goes for `(rows,)`, whatever the threat's target; None: that target.

        Raises:
            CapabilityError: the scores do not depend differentiably on the input.
            ModelError: scores or gradient are not finite.
        """
        if self._source is None:
            raise CapabilityError(
                "this attack has no gradient source; give it a field `gradient`, for example Autodiff()."
            )
        x = self._admissible(x)
        value, gradient = x.new_zeros(x.shape[0]), torch.zeros_like(x)
        for index in self._chunks(x, gradient=True):
            objective = self._objective(index, loss, rival)
            self._ledger.pay(self._price(len(index), gradient=True))
            try:
                found: Evaluation = self._source(self._bare, x[index], objective, self._generator)
            except InputError:
                x = self._prepared(x, index)
                found = self._source(self._bare, x[index], objective, self._generator)
            self._charge(index, found.cost)
            if not all_finite(found.gradient):
                raise ModelError(
                    f"model ({type(self.model).__name__}) has a gradient that is NaN or infinite; keep its inputs off "
                    "the poles of its encoding, or use an attack without gradients such as RandomDraws."
                )
            self._remember(index, x[index], found.scores)
            value[index] = found.value.to(value)
            gradient[index] = found.gradient.to(gradient)
        self._record()
        return value, gradient

    def value(self, x: Tensor, loss: Loss, rival: Tensor | None = None) -> Tensor:
        """`loss` `(rows,)` without a gradient; zeros for settled samples."""
        everyone = torch.arange(x.shape[0], device=x.device)
        settled = self._settled()[self._samples(everyone)]
        return torch.where(settled, 0.0, self._objective(everyone, loss, rival)(self.scores(x)))

    def _samples(self, rows: Tensor) -> Tensor:
        return rows % self.y.shape[0]

    def _objective(self, rows: Tensor, loss: Loss, rival: Tensor | None) -> Objective:
        sample = self._samples(rows)
        target = None if self.target is None else self.target[sample]
        if rival is not None:
            target = rival[rows]

        def objective(scores: Tensor, outputs: Outputs | None = None) -> Tensor:
            return loss(scores, self.y[sample], target=target, outputs=outputs or self.model.outputs)

        return objective

    def _admissible(self, x: Tensor) -> Tensor:
        if not self._ball.is_discrete:
            return x
        return self._balls(torch.arange(len(x), device=x.device)).round(x)

    def _balls(self, rows: Tensor) -> Ball:
        """The balls of `rows` of stacked copies of the attack's rows, or of the first of them alone."""
        return self._ball.take(rows % self._ball.rows)

    def _prepared(self, x: Tensor, rows: Tensor) -> Tensor:
        """`x` with the clean sample for each of `rows` that the model takes for no input."""
        refused = rows[_refused(self.model, x[rows])]
        return x.index_copy(0, refused, self._balls(refused).center.to(x))

    def _settled(self) -> Tensor:
        if self._ledger.reached:
            return torch.ones_like(self.broken)
        settled = torch.zeros_like(self.broken) if self._awake else self.broken
        return settled if self._meter is None else settled | self._meter.spent()

    def _chunks(self, x: Tensor, *, gradient: bool) -> Iterator[Tensor]:
        """Indices of the rows to evaluate, few enough at a time; asked again for each chunk, as samples settle."""
        rows = self._unsettled(torch.arange(x.shape[0], device=x.device), gradient)
        for position, chunk in enumerate(rows.split(ROWS_PER_CALL)):
            active = self._unsettled(chunk, gradient) if position else chunk
            able = self._ledger.most(len(active), lambda number: self._price(number, gradient=gradient))
            if able:
                yield active[:able]
            if able < len(active):
                self._ledger.close()
                return

    def _unsettled(self, rows: Tensor, gradient: bool) -> Tensor:
        sample = self._samples(rows)
        rows = rows if self._awake else rows[~self.broken[sample]]
        return rows if self._meter is None else rows[self._meter.affordable(self._samples(rows), gradient=gradient)]

    def _price(self, rows: int, *, gradient: bool) -> Cost:
        """What a query of `rows` rows costs."""
        if gradient and self._source is not None:
            return self._source.price(self._bare, rows)
        return call_cost(self._bare, rows)

    def _charge(self, rows: Tensor, cost: Cost) -> None:
        self.cost += cost
        if self._meter is not None:
            self._meter.charge(self._samples(rows), cost)

    def _remember(self, rows: Tensor, x: Tensor, scores: Tensor) -> None:
        if not self._remembers:
            return
        sample = self._samples(rows)
        margin = self._margin(sample, scores)
        if self.model.stochastic:
            promising = (margin < self.best_margin[sample]).nonzero()[:, 0]
            if len(promising) == 0:
                return
            rows, sample, x, scores = (part[promising] for part in (rows, sample, x, scores))
            scores = self._confirmed(rows, sample, x, scores)
            margin = self._margin(sample, scores)
        self._memory.remember(sample, x, self._ball, scores, margin)

    def _confirmed(self, rows: Tensor, sample: Tensor, x: Tensor, scores: Tensor) -> Tensor:
        """Mean scores of a stochastic model at `x`; `scores` where the query budget does not reach for them."""
        able = torch.ones_like(sample, dtype=torch.bool)
        if self._meter is not None:
            able = self._meter.affordable(sample, gradient=False, calls=_CONFIRMATIONS)
        number = int(able.sum())
        if number and self._ledger.admits(cost := mean_price(self._bare, number, _CONFIRMATIONS)):
            scores = scores.index_put((able,), mean_scores(self.model, x[able], _CONFIRMATIONS).to(scores))
            self._charge(rows[able], cost)
        return scores

    def _margin(self, sample: Tensor, scores: Tensor) -> Tensor:
        return verdict_margin(scores, self.y[sample], None if self.target is None else self.target[sample])

    def _record(self) -> None:
        self._recent.append(self.best_margin.clone())
        if self._memory.nearest:
            reach = torch.minimum(self.distance, self._ball.radius[: len(self.y), 0].to(self.distance))
            self.trace.append((int(self.broken.sum()), float(reach.sum())))
            return
        alive = ~self.broken
        self.trace.append((int(self.broken.sum()), float(self.best_margin[alive].clamp_min(0.0).sum())))


def _refused(model: Classifier, x: Tensor) -> Tensor:
    """Which rows of `x` `(rows, features)` the model takes for no input, by halving: only few are."""
    try:
        with torch.no_grad():
            model(x)
    except InputError:
        if len(x) == 1:
            return torch.ones(1, dtype=torch.bool, device=x.device)
        return torch.cat([_refused(model, part) for part in x.tensor_split(2)])
    return torch.zeros(len(x), dtype=torch.bool, device=x.device)
