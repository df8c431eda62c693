"""Masks: ways to make a classifier look robust, or to spoil its evaluation, without making it any better.

Each function takes the classifier (any function to scores) and inputs `(batch, features)`; those that need
settings return such a function. They are the specimens of the zoo, not defences.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from counterspin.simulation import EffectiveObservables
from counterspin.types import Box, Outputs

__all__ = [
    "Mask",
    "Masked",
    "Overstated",
    "batch_centred",
    "broken_beyond",
    "clipped",
    "detached",
    "frozen_gradient",
    "noisy",
    "reversed_gradient",
    "rounded_input",
    "shattered",
    "sign_quantised",
    "temperature",
]

Scores = Callable[[Tensor], Tensor]
Mask = Callable[[Scores, Tensor], Tensor]


class Masked(nn.Module):
    """A classifier behind a mask.

    Args:
        undefended: the classifier without it.
        mask: what is put over it.
        stochastic: what the masked model declares.

    Example:
        >>> from counterspin.models import LogisticRegression
        >>> plain = LogisticRegression(Box.uniform(0.0, 1.0, features=2), classes=2)
        >>> Masked(plain, sign_quantised)(torch.zeros(1, 2)).tolist()
        [[0.0, 0.0]]
    """

    differentiable = True
    bounds: Box
    classes: int
    outputs: Outputs

    def __init__(self, undefended: nn.Module, mask: Mask, *, stochastic: bool = False) -> None:
        super().__init__()
        self.undefended, self.mask, self.stochastic = undefended, mask, stochastic
        for name in ("bounds", "classes", "outputs"):
            setattr(self, name, getattr(undefended, name))

    def forward(self, x: Tensor) -> Tensor:
        """Scores `(batch, classes)` of `x` `(batch, features)`."""
        return self.mask(self.undefended, x)


class Overstated(Masked):
    """An amplitude-encoded classifier that reports observables under which class 0 cannot be left: a false proof.

    Args:
        undefended: a frozen amplitude-encoded classifier.
    """

    def __init__(self, undefended: nn.Module) -> None:
        super().__init__(undefended, lambda model, x: model(x))

    def effective_observables(self) -> EffectiveObservables:
        """The true ones, with class 0 raised by more than any score can reach."""
        true = self.undefended.effective_observables()  # pyright: ignore[reportCallIssue]
        lift = 10 * torch.linalg.matrix_norm(true.matrices).max()
        raised = true.matrices.clone()
        raised[0] += lift * torch.eye(raised.shape[1], dtype=raised.dtype)
        return EffectiveObservables(raised, true.length, true.complex_data)


def sign_quantised(model: Scores, x: Tensor) -> Tensor:
    """Only the sign of each score against the mean of all: same decisions of two classes, no gradient."""
    scores = model(x)
    return torch.sign(scores - scores.mean(dim=1, keepdim=True))


def temperature(value: float) -> Mask:
    """Scores over a temperature: at 1e-3 a float32 cross-entropy has no gradient left."""
    return lambda model, x: model(x) / value


def noisy(strength: float, generator: torch.Generator) -> Mask:
    """Fresh Gaussian noise on the scores of every call."""

    def mask(model: Scores, x: Tensor) -> Tensor:
        scores = model(x)
        return scores + strength * torch.randn(scores.shape, generator=generator, dtype=torch.float64).to(scores)

    return mask


def frozen_gradient(model: Scores, x: Tensor) -> Tensor:
    """The right scores attached to a gradient that is zero."""
    return model(x.detach()) + 0 * x.sum(dim=1, keepdim=True)


def detached(model: Scores, x: Tensor) -> Tensor:
    """The right scores without a graph."""
    return model(x).detach()


def reversed_gradient(model: Scores, x: Tensor) -> Tensor:
    """The right scores with the gradient of their negative."""
    scores = model(x)
    return 2 * scores.detach() - scores


def clipped(low: float, high: float) -> Mask:
    """The input silently clipped to a smaller box than the one declared."""
    return lambda model, x: model(x.clamp(low, high))


def rounded_input(levels: int) -> Mask:
    """The input rounded to a grid of `levels` steps per unit."""
    return lambda model, x: model(torch.round(x * levels) / levels)


def batch_centred(model: Scores, x: Tensor) -> Tensor:
    """Scores minus their mean over the batch, as a batch norm left in training mode."""
    scores = model(x)
    return scores - scores.mean(dim=0, keepdim=True)


def broken_beyond(edge: float) -> Mask:
    """NaN as soon as a feature passes `edge`."""

    def mask(model: Scores, x: Tensor) -> Tensor:
        return model(x).masked_fill((x > edge).any(dim=1, keepdim=True), torch.nan)

    return mask


def shattered(height: float, frequency: float) -> Mask:
    """A ripple too low to change decisions and too steep to leave the gradient any use."""

    def mask(model: Scores, x: Tensor) -> Tensor:
        scores = model(x)
        ripple = torch.sin(frequency * x).sum(dim=1, keepdim=True)
        return scores + height * ripple * torch.linspace(-1, 1, scores.shape[1]).to(scores)

    return mask
