r"""The fronts of circuits whose outputs can be bounded over balls of features: layers with tanh, and quadratic maps.

For :math:`u = a + Bx + \tfrac12 x^T H x` and a perturbation δ, :math:`\Delta u = (B + Hx + \tfrac12 H\delta)\,\delta`
exactly: the slope at the centre, off by half of what the Hessian turns it, entry by entry at most the dual norm of a
row of H times half the radius.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from counterspin.certificates.fronts import FrontMoves, front_layers, front_moves
from counterspin.errors import ConditionsError
from counterspin.models.hybrid import HybridClassifier
from counterspin.models.mapped import MappedClassifier
from counterspin.models.polynomial import PolynomialMap
from counterspin.models.quantum import QuantumClassifier

__all__ = ["KnownFront", "known_front", "polynomial_moves"]

_DUAL = {"linf": 1.0, "l2": 2.0, "l1": torch.inf}
_ROUNDING = 1e-14


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownFront:
    """What certificates need of a front.

    Args:
        moves: centres `(batch, features)`, radii `(batch,)`, norm, movable features `(features,)` -> `FrontMoves`.
        sizes: features `(batch, features)` -> bounds on the summands of each output `(batch, outputs)`.
    """

    moves: Callable[[Tensor, Tensor, str, Tensor], FrontMoves]
    sizes: Callable[[Tensor], Tensor]


def known_front(model: Any) -> KnownFront:
    """The front of a model that maps its features before a circuit.

    Raises:
        ConditionsError: another model, or a front whose outputs no bound is known for.

    Example:
        >>> from counterspin.models import MLP
        >>> from counterspin.types import Box
        >>> known_front(MLP(Box.uniform(0, 1, features=2), classes=2, hidden=(3,)))
        Traceback (most recent call last):
        counterspin.errors.ConditionsError: ... HybridClassifier ... the model is MLP...
    """
    noiseless = isinstance(getattr(model, "body", None), QuantumClassifier)
    if isinstance(model, HybridClassifier) and noiseless:
        layers, outputs = front_layers(model.front), model.front.classes
        # Outputs behind tanh are within (-1, 1).
        return KnownFront(moves=partial(front_moves, layers), sizes=lambda x: x.new_ones(len(x), outputs))
    if isinstance(model, MappedClassifier) and noiseless:
        if not isinstance(model.front, PolynomialMap):
            raise ConditionsError(
                f"the front is Python code ({type(model.front).__name__}); bounds through a front are known for "
                "polynomial maps of degree 2 at most, and for LogisticRegression and MLP with tanh."
            )
        front = model.front
        parts = front.quadratic()
        absolute = PolynomialMap(front.exponents, front.coefficients.abs())
        return KnownFront(moves=partial(polynomial_moves, parts), sizes=lambda x: absolute(x.abs()))
    raise ConditionsError(
        f"certificate hybrid bounds a HybridClassifier or MappedClassifier around a noiseless circuit, and the model "
        f"is {type(model).__name__}; models that are one circuit have certificates bures and bernstein."
    )


def polynomial_moves(
    parts: tuple[Tensor, Tensor, Tensor], x: Tensor, radius: Tensor, norm: str, movable: Tensor
) -> FrontMoves:
    """Moves of a quadratic map over balls around a batch.

    Args:
        parts: a, b and H of `PolynomialMap.quadratic`.
        x: centres `(batch, features)` float64.
        radius: of the balls `(batch,)`.
        norm: `"linf"`, `"l2"` or `"l1"`.
        movable: features `(features,)` bool that move.

    Example:
        >>> square = PolynomialMap([[2]], torch.ones(1, 1)).quadratic()
        >>> one, half = torch.ones(1, 1).double(), torch.tensor([0.5]).double()
        >>> moves = polynomial_moves(square, one, half, "l2", torch.ones(1, dtype=torch.bool))
        >>> round(moves.reach.item(), 6)  # 1.5² - 1
        1.25
    """
    _, linear, hessian = parts
    slopes = (linear + torch.einsum("oij,bj->boi", hessian, x)) * movable
    terms = (linear.abs() + torch.einsum("oij,bj->boi", hessian.abs(), x.abs())) * movable
    # Both ends of the Hessian stand on features that move.
    turning = torch.linalg.vector_norm(hessian * movable, ord=_DUAL[norm], dim=2) * movable
    errors = radius[:, None, None] / 2 * turning * (1 + _ROUNDING) + _ROUNDING * terms
    reach = radius[:, None] * sum(torch.linalg.vector_norm(m, ord=_DUAL[norm], dim=2) for m in (slopes, errors))
    return FrontMoves(reach=reach * (1 + 1e-12), slopes=slopes, errors=errors)
