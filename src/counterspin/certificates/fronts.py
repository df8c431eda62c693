r"""How far a classical front can move the inputs of a circuit, over a whole ball of features.

Layers :math:`z_{l+1} = W_l \tanh(z_l) + b_l` are followed in two ways at once. By intervals: :math:`\Delta z` in a
box. And by slopes: for every perturbation δ of the ball, :math:`\Delta z = J\delta` with a matrix J that differs from a
known C by at most R, entry by entry, since the secant slope of tanh between a unit's clean and perturbed value lies in
a known interval. Slopes keep what intervals forget: that one δ moves all units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.errors import ConditionsError
from counterspin.models.classical import MLP, LogisticRegression

__all__ = ["FrontMoves", "front_layers", "front_moves"]

_EPS = torch.finfo(torch.float64).eps
_DUAL = {"linf": 1.0, "l2": 2.0, "l1": torch.inf}


@dataclass(frozen=True, kw_only=True, eq=False)
class FrontMoves:
    """What a front can do to its outputs u over balls around a batch.

    Args:
        reach: largest change of each output `(batch, outputs)`.
        slopes: C of `Δu = Jδ` `(batch, outputs, features)`.
        errors: R, `|J - C| <= R`, of the same shape.
    """

    reach: Tensor
    slopes: Tensor
    errors: Tensor

    def along(self, directions: Tensor, radius: Tensor, norm: str) -> Tensor:
        """Largest `|v · Δu|` `(batch, k)` for directions v `(batch, k, outputs)` over balls of `radius` `(batch,)`."""
        by_boxes = (directions.abs() @ self.reach[:, :, None])[:, :, 0]
        by_slopes = torch.linalg.vector_norm(directions @ self.slopes, ord=_DUAL[norm], dim=2)
        by_slopes = by_slopes + torch.linalg.vector_norm(directions.abs() @ self.errors, ord=_DUAL[norm], dim=2)
        return torch.minimum(by_boxes, radius[:, None] * by_slopes) * (1 + 1e-12)


def front_layers(front: object) -> tuple[tuple[Tensor, Tensor], ...]:
    """Weights and biases of a front whose layers are each followed by tanh, float64.

    Raises:
        ConditionsError: another front.
    """
    if isinstance(front, LogisticRegression):
        pairs = [(front.weight, front.bias)]
    elif isinstance(front, MLP) and front.activation == "tanh":
        pairs = list(zip(front.matrices, front.biases, strict=True))
    else:
        raise ConditionsError(
            f"the front is {type(front).__name__}; bounds through a classical front are known for LogisticRegression "
            "and MLP with tanh."
        )
    return tuple((weight.detach().double(), bias.detach().double()) for weight, bias in pairs)


def front_moves(
    layers: Sequence[tuple[Tensor, Tensor]], x: Tensor, radius: Tensor, norm: str, movable: Tensor
) -> FrontMoves:
    r"""Moves of :math:`u = \tanh(W_L \tanh(\dots \tanh(W_1 x + b_1)) + b_L)` over balls around a batch.

    A secant slope of tanh from a point, as a function of the other end, has a single peak: over an interval it is least
    at an end, and it is at most the largest derivative inside.

    Args:
        layers: weight `(outputs, inputs)` and bias `(outputs,)` of each layer.
        x: centres `(batch, features)` float64.
        radius: of the balls `(batch,)`.
        norm: `"linf"`, `"l2"` or `"l1"`.
        movable: features `(features,)` bool that move.

    Example:
        >>> layer = (torch.tensor([[2.0]]).double(), torch.zeros(1).double())
        >>> one = torch.ones(1, dtype=torch.bool)
        >>> moves = front_moves([layer], torch.zeros(1, 1).double(), torch.tensor([0.5]).double(), "l2", one)
        >>> round(moves.reach.item(), 6)  # tanh(1)
        0.761594
    """
    first = layers[0][0] * movable
    slopes = first.expand(len(x), *first.shape)
    errors = torch.zeros_like(slopes)
    value, low, high = x, torch.full_like(x, -torch.inf), torch.full_like(x, torch.inf)
    for index, (weight, bias) in enumerate(layers):
        if index:
            slopes, errors = weight @ slopes, weight.abs() @ errors
            up, down = weight.clamp(min=0), weight.clamp(max=0)
            low, high = low @ up.T + high @ down.T, high @ up.T + low @ down.T
        value = value @ weight.T + bias
        reach = radius[:, None] * sum(torch.linalg.vector_norm(m, ord=_DUAL[norm], dim=2) for m in (slopes, errors))
        reach = reach * (1 + 1e-12)
        # Before the first layer no interval is known: its slopes alone are exact.
        low, high = (torch.maximum(low, -reach), torch.minimum(high, reach)) if index else (-reach, reach)
        least = torch.minimum(_secant(value, low), _secant(value, high)).clamp(min=0)
        nearest = torch.zeros_like(value).clamp(value + low, value + high)
        most = 1 - torch.tanh(nearest).square() + 8 * _EPS
        middle, half = (most + least) / 2, (most - least) / 2
        slopes, errors = middle[:, :, None] * slopes, most[:, :, None] * errors + half[:, :, None] * slopes.abs()
        low, high = (end * (_secant(value, end) + 16 * _EPS) for end in (low, high))
        value = torch.tanh(value)
    return FrontMoves(reach=torch.maximum(-low, high) * (1 + 1e-12), slopes=slopes, errors=errors)


def _secant(value: Tensor, step: Tensor) -> Tensor:
    """Secant slope of tanh from `value` over `step`, some roundings low: (tanh h / h)(1 - tanh a tanh(a + h))."""
    ratio = torch.where(step.abs() > 1e-4, torch.tanh(step) / torch.where(step == 0, 1.0, step), 1 - step.square() / 3)
    return ratio * (1 - torch.tanh(value) * torch.tanh(value + step)) - 8 * _EPS
