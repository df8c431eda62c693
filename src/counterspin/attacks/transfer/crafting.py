"""Adversarial inputs that are to break another model: far beyond the boundary of an ensemble of surrogates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from counterspin.attacks.ball import Ball
from counterspin.attacks.evasion.apgd import ascend
from counterspin.attacks.gradients import Autodiff, Evaluation, GradientSource, Objective
from counterspin.attacks.gradients.base import check_count, check_generator
from counterspin.attacks.losses import Gap
from counterspin.attacks.oracle import Oracle
from counterspin.errors import UsageError
from counterspin.types import Box, Classifier, Cost, Outputs

__all__ = ["Ensemble", "InputDiversity", "craft"]

# Logits between the best and the worst class of a typical input.
_SHARPNESS = 5.0


class Ensemble:
    r"""The mean probabilities of models on one scale, as logits (Liu et al., arXiv:1611.02770).

    .. math:: z(x) = \log \frac1M \sum_m \mathrm{softmax}\bigl(5\,z_m(x) / s_m\bigr)

    with :math:`s_m` the mean range of the scores of model m on given inputs, so that logits, probabilities and
    expectation values weigh alike. A model that is far beyond its boundary has no more say: what is left to gain lies
    with those that are not. One model keeps its margins, up to the scale.

    Args:
        models: classifiers of the same features and classes.
        x: inputs the scales are read from `(n, features)`.

    Example:
        >>> from counterspin.models import LogisticRegression
        >>> model = LogisticRegression(Box.unbounded(2), classes=2)
        >>> model.weight.data = torch.tensor([[4.0, 0.0], [0.0, 0.0]])
        >>> z = Ensemble([model], torch.tensor([[1.0, 0.0]]))(torch.eye(2))
        >>> (z[:, 0] - z[:, 1]).tolist()
        [5.0, 0.0]
    """

    outputs: Outputs = "logits"
    stochastic = False
    differentiable = True

    def __init__(self, models: Sequence[Classifier], x: Tensor) -> None:
        self.models = tuple(models)
        self.bounds: Box = self.models[0].bounds
        self.classes = self.models[0].classes
        with torch.no_grad():
            scores = [model(x).double() for model in self.models]
        # A surrogate that says the same everywhere has no scale; it has no say either.
        self._scales = [float((z.amax(dim=1) - z.amin(dim=1)).mean()) or math.inf for z in scores]

    def __call__(self, x: Tensor) -> Tensor:
        """Logits `(batch, classes)` of `x` `(batch, features)`."""
        parts = [
            torch.log_softmax(_SHARPNESS * model(x) / scale, dim=1)
            for model, scale in zip(self.models, self._scales, strict=True)
        ]
        return torch.logsumexp(torch.stack(parts), dim=0) - math.log(len(parts))


@dataclass(frozen=True, kw_only=True)
class InputDiversity(GradientSource):
    r"""The mean gradient at a point and at jittered copies of it (after Wu et al., arXiv:1802.09707).

    .. math:: \frac1k \Bigl(\nabla \ell(f(x)) + \sum_{i=2}^{k} \nabla \ell(f(x + \sigma n_i))\Bigr)

    What only this model has at this point averages out; what all models have stays. Value and scores are those at the
    point itself.

    Args:
        draws: k, at least 1.
        spread: :math:`\sigma`, in feature units.

    Raises:
        UsageError: draws below 1, or a spread that is negative or not finite.
    """

    draws: int = 4
    spread: float = 0.0
    source: GradientSource = field(default_factory=Autodiff)

    averages: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse a mean over nothing."""
        check_count("draws", self.draws)
        if not (math.isfinite(self.spread) and self.spread >= 0):
            raise UsageError(f"spread is {self.spread}; give a finite number from 0 upwards, in feature units.")

    def check(self, model: Classifier) -> None:
        """Refuse what the source refuses."""
        self.source.check(model)

    def price(self, model: Classifier, rows: int) -> Cost:
        """Each draw is paid for."""
        return sum((self.source.price(model, rows) for _ in range(self.draws)), Cost())

    def __call__(
        self, model: Classifier, x: Tensor, objective: Objective, generator: torch.Generator | None = None
    ) -> Evaluation:
        """Value at the point, gradient averaged around it."""
        generator = check_generator(self, generator)
        found = self.source(model, x, objective, generator)
        gradient, cost = found.gradient, found.cost
        for _ in range(self.draws - 1):
            noise = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            other = self.source(model, x + self.spread * noise, objective, generator)
            gradient, cost = gradient + other.gradient, cost + other.cost
        return Evaluation(found.scores, found.value, gradient / self.draws, cost)


def craft(
    model: Classifier,
    x: Tensor,
    y: Tensor,
    ball: Ball,
    *,
    target: Tensor | None,
    steps: int,
    diversity: float,
    draws: int,
    generator: torch.Generator,
) -> Tensor:
    """Points `(batch, features)` with the lowest margin found on a surrogate, however far beyond its boundary.

    Auto-PGD on the margin itself, with momentum, which does not stop where the surrogate breaks: what lies just beyond
    one model's boundary transfers to few others.

    Args:
        model: a surrogate or an `Ensemble`.
        x: clean inputs `(batch, features)`.
        y: labels `(batch,)`.
        ball: admissible set of each sample.
        target: wanted class of each sample `(batch,)`; None: any wrong one.
        steps: gradient steps.
        diversity: jitter of the inputs, its length as a share of the radius.
        draws: gradients averaged in each step; 1: no jitter.
        generator: start and jitter.
    """
    # The mean length of normal noise in n dimensions is about the root of n.
    spread = diversity * float(ball.size(ball.random_point(x, generator) - x).mean()) / math.sqrt(x.shape[1])
    oracle = Oracle(
        model,
        ball,
        y,
        target=target,
        best=ball.center,
        best_margin=torch.full((len(x),), torch.inf, dtype=x.dtype),
        gradient=InputDiversity(draws=draws, spread=spread),
        awake=True,
        generator=generator,
    )
    ascend(oracle, ball.random_point(ball.center, generator), ball, steps=steps, loss=Gap())
    return oracle.best
