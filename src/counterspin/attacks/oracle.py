"""The model as one attack run sees it: counted, remembered, and silent about samples that are already broken."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import torch
from torch import Tensor

from counterspin.attacks.ball import Ball
from counterspin.attacks.gradients import GradientSource, Objective
from counterspin.attacks.losses import Loss, verdict_margin
from counterspin.errors import CapabilityError, ModelError
from counterspin.types import Classifier, Cost
from counterspin.validation import all_finite, checked_scores

__all__ = ["ROWS_PER_CALL", "Oracle"]

# Bounds peak memory: autograd keeps every intermediate state of a call.
ROWS_PER_CALL = 1024

# Steps over which `late_gain` looks back.
_WINDOW = 10

# A point outside the ball by more than this share of the radius is never remembered; the verdict projects the rest.
_FEASIBLE = 1e-6


class Oracle:
    """Answers an attack's queries and keeps the best admissible point ever asked about.

    Rows are copies of the samples, copy after copy (row `r` belongs to sample `r % samples`), so restarts are stacked
    in the batch. Once any row breaks its sample, all rows of that sample are answered with zeros and cost nothing:
    attack loops keep fixed shapes and spend nothing on broken samples.

    In float32 a sample counts as broken here only beyond a relative margin of 1e-6, so that the float64 verdict does
    not overturn it; the attack simply goes on until then.

    Args:
        model: the classifier.
        ball: admissible set of each row.
        y: true class of each sample `(samples,)`.
        target: wanted class of each sample `(samples,)`, or None.
        best: best point known of each sample `(samples, features)`.
        best_margin: its margin `(samples,)`.
        gradient: where gradients come from; None for attacks that ask for none.

    Attributes:
        best: best admissible point ever queried `(samples, features)`.
        best_margin: its verdict margin `(samples,)`.
        cost: what was spent.
        trace: after each query: number of broken samples, and the sum of the best margins of the others.
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
    ) -> None:
        self.model = model
        self.y = y
        self.target = target
        self.best = best.clone()
        self.best_margin = best_margin.clone()
        self.cost = Cost()
        self.trace: list[tuple[int, float]] = []
        self._ball = ball
        self._source = gradient
        self._broken = torch.zeros_like(y, dtype=torch.bool)
        self._recent: deque[Tensor] = deque([self.best_margin.clone()], maxlen=_WINDOW + 1)

    @property
    def finished(self) -> bool:
        """Whether every sample is broken: further queries change nothing."""
        return bool(self._broken.all())

    @property
    def late_gain(self) -> Tensor:
        """How much the best margin of each sample `(samples,)` fell over the last 10 queries."""
        return self._recent[0] - self._recent[-1]

    def scores(self, x: Tensor) -> Tensor:
        """Scores `(rows, classes)`, without a graph; zeros for broken samples.

        `x` holds the attack's rows, or several stacked copies of them.

        Raises:
            ModelError: the model returned scores that are mis-shaped or not finite.
        """
        answer = x.new_zeros(x.shape[0], self.model.classes)
        for index in self._chunks(x):
            with torch.no_grad():
                scores = checked_scores(self.model, x[index])
            self.cost += Cost(forwards=len(index), circuits=len(index))
            self._remember(index, x[index], scores)
            answer[index] = scores.to(answer)
        self._record()
        return answer

    def gradient(self, x: Tensor, loss: Loss) -> Tensor:
        """Gradient of `loss` with respect to `x`, `(rows, features)`; zeros for broken samples."""
        return self.value_and_gradient(x, loss)[1]

    def value_and_gradient(self, x: Tensor, loss: Loss) -> tuple[Tensor, Tensor]:
        """`loss` `(rows,)` and its gradient `(rows, features)`; zeros for broken samples.

        Raises:
            CapabilityError: the scores do not depend differentiably on the input.
            ModelError: scores or gradient are not finite.
        """
        if self._source is None:
            raise CapabilityError(
                "this attack has no gradient source; give it a field `gradient`, for example Autodiff()."
            )
        value, gradient = x.new_zeros(x.shape[0]), torch.zeros_like(x)
        for index in self._chunks(x):
            found = self._source(self.model, x[index], self._objective(index, loss))
            self.cost += found.cost
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

    def value(self, x: Tensor, loss: Loss) -> Tensor:
        """`loss` `(rows,)` without a gradient; zeros for broken samples."""
        active = torch.arange(x.shape[0], device=x.device)
        broken = self._broken[self._samples(active)]
        return torch.where(broken, 0.0, self._objective(active, loss)(self.scores(x)))

    def _samples(self, rows: Tensor) -> Tensor:
        return rows % self.y.shape[0]

    def _objective(self, rows: Tensor, loss: Loss) -> Objective:
        sample = self._samples(rows)
        target = None if self.target is None else self.target[sample]
        return lambda scores: loss(scores, self.y[sample], target=target, outputs=self.model.outputs)

    def _chunks(self, x: Tensor) -> Iterator[Tensor]:
        """Indices of the rows to evaluate, few enough at a time; asked again for each chunk, as samples break."""
        rows = self._unbroken(torch.arange(x.shape[0], device=x.device))
        for position, chunk in enumerate(rows.split(ROWS_PER_CALL)):
            active = self._unbroken(chunk) if position else chunk
            if len(active):
                yield active

    def _unbroken(self, rows: Tensor) -> Tensor:
        return rows[~self._broken[self._samples(rows)]]

    def _remember(self, rows: Tensor, x: Tensor, scores: Tensor) -> None:
        sample = self._samples(rows)
        target = None if self.target is None else self.target[sample]
        margin = verdict_margin(scores, self.y[sample], target).to(self.best_margin)
        promising = (margin < self.best_margin[sample]).nonzero()[:, 0]
        if len(promising):
            ball = self._ball.take(rows[promising] % self._ball.rows)
            promising = promising[ball.contains(x[promising], tolerance=_FEASIBLE)]
        if len(promising) == 0:
            return
        # Several rows of one sample may improve at once: the lowest margin wins, the first row where they tie.
        owner = sample[promising]
        lowest = self.best_margin.scatter_reduce(0, owner, margin[promising], "amin")
        winners = promising[margin[promising] == lowest[owner]].flip(0)
        self.best[sample[winners]] = x[winners].to(self.best)
        self.best_margin = lowest
        slack = 0.0 if scores.dtype == torch.float64 else 1e-6
        clear = margin[winners] <= -slack * scores[winners].abs().amax(dim=1).to(margin)
        self._broken[sample[winners[clear]]] = True

    def _record(self) -> None:
        self._recent.append(self.best_margin.clone())
        alive = ~self._broken
        self.trace.append((int(self._broken.sum()), float(self.best_margin[alive].clamp_min(0.0).sum())))
