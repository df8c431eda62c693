"""What an attack ascends, and the margin that decides whether a sample is broken."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import softplus

from counterspin.errors import UsageError
from counterspin.types import Outputs

__all__ = ["CrossEntropy", "Loss", "Margin", "verdict_margin"]

# Keeps the log link finite at probability 0, far below what any attack can tell from 0.
_FLOOR = 1e-30


def verdict_margin(scores: Tensor, y: Tensor, target: Tensor | None = None) -> Tensor:
    r"""How far each sample is from being broken, `(batch,)`: broken iff the margin is at most 0 (a tie is broken).

    .. math:: z_y - \max_{j \ne y} z_j \qquad\text{or, for a target } t,\qquad \max_{j \ne t} z_j - z_t

    Args:
        scores: class scores `(batch, classes)`.
        y: true classes `(batch,)`.
        target: the classes the attacker wants `(batch,)`; None for any wrong class.

    Example:
        >>> verdict_margin(torch.tensor([[3.0, 1.0, 0.0]]), torch.tensor([0])).item()
        2.0
        >>> verdict_margin(torch.tensor([[3.0, 1.0, 0.0]]), torch.tensor([0]), torch.tensor([2])).item()
        3.0
    """
    if target is None:
        own, rival = _own_and_rival(scores, y)
        return own - rival
    own, rival = _own_and_rival(scores, target)
    return rival - own


@dataclass(frozen=True, kw_only=True)
class Loss(ABC):
    """A value per sample that an attack makes large."""

    name: ClassVar[str]

    @abstractmethod
    def __call__(
        self, scores: Tensor, y: Tensor, *, target: Tensor | None = None, outputs: Outputs = "logits"
    ) -> Tensor:
        """The loss `(batch,)` of scores `(batch, classes)`, differentiable, larger meaning closer to a break.

        Args:
            scores: class scores.
            y: true classes `(batch,)`.
            target: wanted classes `(batch,)`, or None.
            outputs: what the scores are.
        """


@dataclass(frozen=True, kw_only=True)
class CrossEntropy(Loss):
    r"""Cross-entropy of the true class, or minus that of the target.

    .. math::
        \ell = \operatorname{softplus}\Bigl(\log\sum_{j \ne y} e^{u_j} - u_y\Bigr) = -\log\operatorname{softmax}(u)_y

    with :math:`u` the scores of a model that gives logits, their logarithm (log link) for probabilities, and
    :math:`u = z/\tau` for expectation values. Written as a softplus, because :math:`\operatorname{softmax}(u)_y - 1`
    loses every digit of the gradient for confident models in float32.

    Args:
        temperature: :math:`\tau` for expectation values, which lie in [-1, 1] and would make a flat softmax.

    Raises:
        UsageError: a temperature that is not above 0.
    """

    name: ClassVar[str] = "ce"
    temperature: float = 0.1

    def __post_init__(self) -> None:
        """Refuse a temperature that makes no softmax."""
        if not self.temperature > 0:
            raise UsageError(f"temperature is {self.temperature}; it must be above 0, for example 0.1.")

    def __call__(
        self, scores: Tensor, y: Tensor, *, target: Tensor | None = None, outputs: Outputs = "logits"
    ) -> Tensor:
        """The loss `(batch,)`."""
        wanted = y if target is None else target
        own, others = _split(self._logits(scores, outputs), wanted)
        loss = softplus(torch.logsumexp(others, dim=1) - own)
        return loss if target is None else -loss

    def _logits(self, scores: Tensor, outputs: Outputs) -> Tensor:
        if outputs == "probabilities":
            return torch.log(scores.clamp_min(0.0) + _FLOOR)
        return scores / self.temperature if outputs == "expectations" else scores


@dataclass(frozen=True, kw_only=True)
class Margin(Loss):
    r"""Minus the verdict margin; divided by the range of the scores for three or more classes.

    .. math:: \ell = -\frac{m}{z_{\max} - z_{\min}} \quad (K \ge 3), \qquad \ell = -m \quad (K = 2)

    The division (after the DLR loss of arXiv:2003.01690, without its need for three or four classes) makes the loss
    independent of the scale of the scores; with two classes it would be constant. Logits, probabilities and
    expectation values are taken as they are.
    """

    name: ClassVar[str] = "margin"

    def __call__(
        self, scores: Tensor, y: Tensor, *, target: Tensor | None = None, outputs: Outputs = "logits"
    ) -> Tensor:
        """The loss `(batch,)`."""
        loss = -verdict_margin(scores, y, target)
        if scores.shape[1] < 3:
            return loss
        span = scores.amax(dim=1) - scores.amin(dim=1)
        return loss / span.clamp_min(torch.finfo(scores.dtype).tiny)


def _split(scores: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """The chosen class's score `(batch,)` and all scores with the chosen one at minus infinity."""
    own = scores.gather(1, chosen[:, None])
    return own[:, 0], scores.scatter(1, chosen[:, None], -torch.inf)


def _own_and_rival(scores: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    own, others = _split(scores, chosen)
    return own, others.max(dim=1).values
