"""A model that its own library computes, as a classifier."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from counterspin.errors import ModelError
from counterspin.models.integrations.scores import ScoreMap
from counterspin.types import Box, Outputs

if TYPE_CHECKING:
    from counterspin.models.integrations.route import Route

__all__ = ["WrappedClassifier", "raw_values"]


class WrappedClassifier(nn.Module):
    """Class scores of a model that is computed at home.

    The model is handed a copy of the input, so that it cannot write into the caller's, and its values come back in the
    dtype of the input. Where the input needs no gradient the scores carry none, whatever the model's weights ask for.

    Args:
        home: features `(batch, features)`, float32 or float64 -> raw values `(batch, count)`.
        scores: from raw values to class scores.
        bounds: the box the features live in.
        stochastic: whether two calls with one input may differ.
        differentiable: whether autograd reaches the features through `home`.
        shots_per_call: measurement shots of one call, per sample; 0: none, or none that could be counted.

    Example:
        >>> logit = ScoreMap(values="logits", count=1, classes=2, outputs="logits")
        >>> box = Box.uniform(0.0, 1.0, features=3)
        >>> model = WrappedClassifier(lambda x: x.sum(dim=1), logit, box, stochastic=False, differentiable=True)
        >>> model(torch.ones(1, 3)).tolist()
        [[-1.5, 1.5]]
    """

    def __init__(
        self,
        home: Callable[[Tensor], Tensor],
        scores: ScoreMap,
        bounds: Box,
        *,
        stochastic: bool,
        differentiable: bool,
        shots_per_call: int = 0,
    ) -> None:
        super().__init__()
        self.home = home
        self.scores = scores
        self.bounds = bounds
        self.stochastic = stochastic
        self.differentiable = differentiable and scores.differentiable
        self.shots_per_call = shots_per_call
        self.route: Route | None = None

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.scores.classes

    @property
    def outputs(self) -> Outputs:
        """What the scores are."""
        return self.scores.outputs

    def forward(self, x: Tensor) -> Tensor:
        """Scores `(batch, classes)` of `x` `(batch, features)`.

        Raises:
            ModelError: the model raised, or returned something else than before.
        """
        attached = self.differentiable and x.requires_grad and torch.is_grad_enabled()
        with torch.set_grad_enabled(attached):
            return self.scores(raw_values(self.home, x if attached else x.detach()))


def raw_values(home: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Raw values `(batch, count)` in the dtype of `x` `(batch, features)`; a single value per sample may be `(batch,)`.

    Raises:
        ModelError: the model raised an error of its own, or returned no real tensor with a row per sample.
    """
    try:
        raw = home(x.clone())
    except ModelError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise ModelError(f"model raised an error for x of shape {tuple(x.shape)} and {x.dtype}: {reason}") from error
    if not isinstance(raw, Tensor) or raw.is_complex():
        found = raw.dtype if isinstance(raw, Tensor) else type(raw).__name__
        raise ModelError(f"model returned {found}; return real class scores, one row per sample.")
    raw = raw[:, None] if raw.ndim == 1 else raw
    if raw.ndim != 2 or len(raw) != len(x):
        raise ModelError(
            f"model returned shape {tuple(raw.shape)} for {len(x)} samples; return (batch,) or (batch, values)."
        )
    return raw.to(x.dtype)
