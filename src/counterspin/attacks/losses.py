"""What an attack ascends, and the margin that decides whether a sample is broken."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import softplus

from counterspin.errors import UsageError
from counterspin.types import Outputs

__all__ = ["CW", "CrossEntropy", "Gap", "Loss", "Margin", "TargetedDLR", "verdict_margin"]

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
    r"""Minus the verdict margin; divided by a scale of the scores for three or more classes.

    .. math:: \ell = -\frac{m}{z_{\max} - z_{\min}} \quad (K \ge 3), \qquad \ell = -m \quad (K = 2)

    The division (after the DLR loss of arXiv:2003.01690, without its need for three or four classes) makes the loss
    independent of the scale of the scores; with two classes it would be constant. For a target the scale is
    :math:`z_{\max} - \bar z` with the mean of all scores: over the range, a target that is last has the constant loss
    -1 and no gradient. Logits, probabilities and expectation values are taken as they are.
    """

    name: ClassVar[str] = "margin"

    def __call__(
        self, scores: Tensor, y: Tensor, *, target: Tensor | None = None, outputs: Outputs = "logits"
    ) -> Tensor:
        """The loss `(batch,)`."""
        loss = -verdict_margin(scores, y, target)
        if scores.shape[1] < 3:
            return loss
        lowest = scores.amin(dim=1) if target is None else scores.mean(dim=1)
        span = scores.amax(dim=1) - lowest
        return loss / span.clamp_min(torch.finfo(scores.dtype).tiny)


@dataclass(frozen=True, kw_only=True)
class CW(Loss):
    r"""Minus the loss :math:`f_6` of Carlini and Wagner (arXiv:1608.04644): the plain margin, flat once it is reached.

    .. math:: \ell = -\max(m, -\kappa)

    with :math:`m` the verdict margin of logits, probabilities or expectation values as they are. Two things differ
    from `Margin`: no division by the range of the scores, so the loss is in their units and its gradient does not try
    to change that range; and no gradient beyond :math:`m = -\kappa`, where a sample is broken well enough.

    Args:
        kappa: how far beyond the tie to push, in units of the scores, at least 0.

    Raises:
        UsageError: a kappa that is negative or not finite.

    Example:
        >>> CW(kappa=0.5)(torch.tensor([[3.0, 1.0], [0.0, 4.0]]), torch.tensor([0, 0])).tolist()
        [-2.0, 0.5]
    """

    name: ClassVar[str] = "cw"
    kappa: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a kappa that asks for less than a tie."""
        if not (math.isfinite(self.kappa) and self.kappa >= 0):
            raise UsageError(f"kappa is {self.kappa}; it must be finite and at least 0.")

    def __call__(
        self, scores: Tensor, y: Tensor, *, target: Tensor | None = None, outputs: Outputs = "logits"
    ) -> Tensor:
        """The loss `(batch,)`."""
        return (-verdict_margin(scores, y, target)).clamp(max=self.kappa)


@dataclass(frozen=True, kw_only=True)
class Gap(Loss):
    r"""Minus the margin itself, on both sides of the boundary: over its slope it is a first-order distance.

    .. math:: \ell = -m \qquad\text{or, pairwise against a class } t,\qquad \ell = z_t - z_y

    Args:
        pairwise: look at the given class and the true one alone, whatever the others do.

    Example:
        >>> scores, y, rival = torch.tensor([[3.0, 4.0, 1.0]]), torch.tensor([0]), torch.tensor([2])
        >>> Gap()(scores, y).item(), Gap(pairwise=True)(scores, y, target=rival).item()
        (1.0, -2.0)
    """

    name: ClassVar[str] = "gap"
    pairwise: bool = False

    def __call__(
        self, scores: Tensor, y: Tensor, *, target: Tensor | None = None, outputs: Outputs = "logits"
    ) -> Tensor:
        """The loss `(batch,)`."""
        if target is None or not self.pairwise:
            return -verdict_margin(scores, y, target)
        pair = scores.gather(1, torch.stack([target, y], dim=1))
        return pair[:, 0] - pair[:, 1]


@dataclass(frozen=True, kw_only=True)
class TargetedDLR(Loss):
    r"""How far a rival class is ahead of the true one, whatever the scale of the scores (after arXiv:2003.01690).

    .. math:: \ell = \frac{z_t - z_y}{z_{\pi_1} - (z_{\pi_3} + z_{\pi_4}) / 2} \quad (K \ge 4)

    with :math:`\pi` the classes in descending order of their scores. Three classes take :math:`\pi_2` and
    :math:`\pi_3` in their place: over the range, a rival that is last has the constant loss -1 and no gradient. Two
    classes are not divided. Unlike the targeted `Margin`, the rival need not win against classes
    other than the true one. Logits, probabilities and expectation values are taken as they are.

    Without a target the rival is the strongest wrong class.
    """

    name: ClassVar[str] = "dlr"

    def __call__(
        self, scores: Tensor, y: Tensor, *, target: Tensor | None = None, outputs: Outputs = "logits"
    ) -> Tensor:
        """The loss `(batch,)`."""
        own, others = _split(scores, y)
        rival = others.max(dim=1).values if target is None else scores.gather(1, target[:, None])[:, 0]
        if scores.shape[1] < 3:
            return rival - own
        top = scores.topk(min(4, scores.shape[1]), dim=1).values
        span = top[:, 0] - top[:, -2:].mean(dim=1)
        # Equal top scores: what is below their rounding is no scale.
        floor = torch.finfo(scores.dtype).eps * scores.detach().abs().amax(dim=1) + torch.finfo(scores.dtype).tiny
        return (rival - own) / span.clamp_min(floor)


def _split(scores: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """The chosen class's score `(batch,)` and all scores with the chosen one at minus infinity."""
    own = scores.gather(1, chosen[:, None])
    return own[:, 0], scores.scatter(1, chosen[:, None], -torch.inf)


def _own_and_rival(scores: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    own, others = _split(scores, chosen)
    return own, others.max(dim=1).values
