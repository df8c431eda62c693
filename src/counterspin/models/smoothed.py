"""Randomised smoothing: the majority vote of a classifier over noisy copies of the input."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from counterspin.errors import UsageError
from counterspin.types import Box, Outputs
from counterspin.validation import check_classifier_interface

__all__ = ["SmoothedClassifier"]

_ROWS_AT_ONCE = 2**14  # noisy copies handed to the body in one call


class SmoothedClassifier(nn.Module):
    r"""The class that a body predicts most often under Gaussian noise on its input (Cohen et al., arXiv:1902.02918).

    .. math:: g(x) = \arg\max_c P_{\eta \sim N(0, \sigma^2 1)}\bigl[f(x + \eta) = c\bigr]

    A call draws `draws` noisy copies of each row afresh and gives the share of the votes of each class. The copies may
    leave the box: the theorem is about the whole space.

    Args:
        body: the classifier f.
        sigma: standard deviation σ of the noise, in units of the features.
        draws: noisy copies per row and call.
        seed: start of the random stream.

    Raises:
        UsageError: sigma not above 0, or draws below 1.
        ModelError: the body is no classifier.

    Example:
        >>> from counterspin.models import LogisticRegression
        >>> body = LogisticRegression(Box.uniform(0.0, 1.0, features=2), classes=2)
        >>> model = SmoothedClassifier(body, sigma=0.1, draws=10)
        >>> model(torch.zeros(3, 2)).sum(dim=1).tolist()
        [1.0, 1.0, 1.0]
    """

    stochastic = True
    differentiable = False
    outputs: Outputs = "probabilities"

    def __init__(self, body: Any, *, sigma: float, draws: Any = 100, seed: int = 0) -> None:
        super().__init__()
        check_classifier_interface(body)
        if not 0 < sigma < float("inf"):
            raise UsageError(f"sigma is {sigma}; give a standard deviation above 0, in units of the features.")
        if not (isinstance(draws, int) and draws >= 1):
            raise UsageError(f"draws is {draws!r}; give a whole number of noisy copies, at least 1.")
        self.body: Any = body
        self.sigma = float(sigma)
        self.draws = draws
        self.seed = seed
        self._generator = torch.Generator().manual_seed(seed)
        self.train(bool(getattr(body, "training", False)))

    @property
    def bounds(self) -> Box:
        """The box of the inputs."""
        return self.body.bounds

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.body.classes

    def forward(self, x: Tensor) -> Tensor:
        """Shares of the votes `(batch, classes)` of `x` `(batch, features)`, without a gradient."""
        return self.votes(x, draws=self.draws, generator=self._generator).to(x.dtype) / self.draws

    def votes(self, x: Tensor, *, draws: int, generator: torch.Generator) -> Tensor:
        """How often the body predicts each class under fresh noise, `(batch, classes)` whole numbers.

        Args:
            x: `(batch, features)`.
            draws: noisy copies per row.
            generator: source of the noise.
        """
        counts = torch.zeros(len(x), self.classes, dtype=torch.int64, device=x.device)
        with torch.no_grad():
            done = 0
            while done < draws:
                copies = min(draws - done, max(1, _ROWS_AT_ONCE // max(1, len(x))))
                shape = (copies, *x.shape)
                noise = torch.randn(shape, generator=generator, dtype=x.dtype, device=generator.device).to(x.device)
                predicted = self.body((x + self.sigma * noise).flatten(0, 1)).argmax(dim=1).reshape(copies, len(x)).T
                counts.scatter_add_(1, predicted, torch.ones_like(predicted))
                done += copies
        return counts

    def seeded(self, seed: int, /) -> SmoothedClassifier:
        """The same classifier with a random stream of its own, started from `seed`."""
        return SmoothedClassifier(self.body, sigma=self.sigma, draws=self.draws, seed=seed)

    def extra_repr(self) -> str:
        """What tells two wrappers of one model apart."""
        return f"sigma={self.sigma}, draws={self.draws}, seed={self.seed}"
