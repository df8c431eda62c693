r"""Extrapolation to zero noise of values measured at amplified noise, differentiable and for whole batches at once.

Polynomials and Richardson's are fixed linear combinations of the values (Temme et al., arXiv:1612.02058); exponentials
(Endo et al., arXiv:1712.09271) depend on the data. Extrapolated values may leave the range of the measurement.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from counterspin.errors import ConditionsError, UsageError
from counterspin.mitigation.exponential_fit import (
    fitted_at_zero,
    is_even,
    is_no_decay,
    met_at_zero,
    through_asymptote_at_zero,
)

__all__ = ["Exponential", "Extrapolation", "Polynomial", "Richardson"]


@runtime_checkable
class Extrapolation(Protocol):
    """A model of how values depend on the scale of the noise, and its value at zero noise."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    @property
    def linear(self) -> bool:
        """Whether it is a fixed linear combination of the values."""
        ...

    @property
    def points(self) -> int:
        """The fewest scale factors it can be fitted to."""
        ...

    def coefficients(self, factors: tuple[float, ...], /) -> Tensor:
        """The fixed combination, `(factors,)` float64; ConditionsError where there is none."""
        ...

    def extrapolate(self, factors: tuple[float, ...], values: Tensor, /) -> Tensor:
        """Values at zero noise, `(...)`, of values at the factors, `(factors, ...)`; attached to autograd."""
        ...


@dataclass(frozen=True, kw_only=True)
class Polynomial:
    """The constant of a polynomial fitted by least squares; order 1 is linear extrapolation.

    Args:
        order: of the polynomial, from 1; at least one factor more than that is needed.

    Raises:
        UsageError: an order below 1.

    Example:
        >>> Polynomial().coefficients((1.0, 3.0)).round(decimals=9).tolist()
        [1.5, -0.5]
    """

    order: int = 1

    linear = True

    def __post_init__(self) -> None:
        """Refuse constants."""
        if self.order < 1:
            raise UsageError(f"order is {self.order}; a polynomial to extrapolate with has at least order 1.")

    @property
    def name(self) -> str:
        """For example `linear` or `polynomial of order 2`."""
        return "linear" if self.order == 1 else f"polynomial of order {self.order}"

    @property
    def points(self) -> int:
        """One more than the order."""
        return self.order + 1

    def coefficients(self, factors: tuple[float, ...]) -> Tensor:
        """First row of the pseudo-inverse of the Vandermonde matrix, `(factors,)` float64."""
        return _least_squares(self.order, factors)

    def extrapolate(self, factors: tuple[float, ...], values: Tensor) -> Tensor:
        """The combination of `values` `(factors, ...)`."""
        return _combined(self.coefficients(factors), values)


@dataclass(frozen=True)
class Richardson:
    r"""The polynomial through all points, :math:`c_i = \prod_{j \neq i} \lambda_j / (\lambda_j - \lambda_i)`.

    Example:
        >>> Richardson().coefficients((1.0, 2.0, 3.0)).tolist()
        [3.0, -3.0, 1.0]
    """

    name = "richardson"
    linear = True
    points = 2

    def coefficients(self, factors: tuple[float, ...]) -> Tensor:
        """Lagrange's weights at zero, `(factors,)` float64."""
        return _lagrange(factors)

    def extrapolate(self, factors: tuple[float, ...], values: Tensor) -> Tensor:
        """The combination of `values` `(factors, ...)`."""
        return _combined(self.coefficients(factors), values)


@dataclass(frozen=True, kw_only=True)
class Exponential:
    r"""The exponential :math:`y(\lambda) = a + b\,e^{-c\lambda}`, c > 0, at zero.

    With a known asymptote a it is a straight line through :math:`\log|y - a|`, weighted by :math:`|y - a|` against the
    logarithm's error propagation (as mitiq does). Otherwise a, b, c minimise the sum of squared residuals. Where the
    data are no decay towards an asymptote (not monotone, curved the wrong way, on both sides of a given asymptote), the
    straight line through the data themselves is extrapolated instead; `fallbacks` says where.

    Args:
        asymptote: the value at infinite noise, `Tr(E) / D` under depolarising: 0 for Pauli strings; None: fitted.

    Raises:
        UsageError: an asymptote that is not finite.

    Example:
        >>> values = torch.tensor([[0.5], [0.25], [0.125]], dtype=torch.float64)
        >>> Exponential().extrapolate((1.0, 2.0, 3.0), values).round(decimals=9).tolist()
        [1.0]
    """

    asymptote: float | None = None

    name = "exponential"
    linear = False

    def __post_init__(self) -> None:
        """Refuse asymptotes that are no numbers."""
        if self.asymptote is not None and not math.isfinite(self.asymptote):
            raise UsageError(f"asymptote is {self.asymptote}; give a finite number, or None to fit it.")

    @property
    def points(self) -> int:
        """Two, or three where the asymptote is fitted."""
        return 3 if self.asymptote is None else 2

    def coefficients(self, factors: tuple[float, ...]) -> Tensor:
        """None: what multiplies a value depends on all of them.

        Raises:
            ConditionsError: always.
        """
        raise ConditionsError(
            "exponential extrapolation is not linear in the values, so that it has no fixed coefficients; use "
            "Richardson or a polynomial where they are needed (folding, exact certificates)."
        )

    def extrapolate(self, factors: tuple[float, ...], values: Tensor) -> Tensor:
        """Values at zero noise of `values` `(factors, ...)`, computed in float64, given in the dtype of the values."""
        exact = values.double()
        line = _combined(_least_squares(1, factors), exact)
        if self.asymptote is None and is_even(factors):
            return met_at_zero(factors, exact, line).to(values.dtype)
        refused = self.fallbacks(factors, values)
        # A decay in place of the refused data keeps NaN out of the gradient of the branch that is not taken.
        scales = torch.tensor(factors, dtype=torch.float64, device=values.device)
        harmless = (self.asymptote or 0.0) + torch.exp(-scales).reshape(-1, *(1,) * (values.ndim - 1))
        decays = torch.where(refused, harmless, exact)
        if self.asymptote is None:
            curve = fitted_at_zero(factors, decays)
        else:
            curve = through_asymptote_at_zero(factors, decays, self.asymptote)
        return torch.where(refused, line, curve).to(values.dtype)

    def fallbacks(self, factors: tuple[float, ...], values: Tensor) -> Tensor:
        """Where a straight line is extrapolated instead, bool `(...)`, for `values` `(factors, ...)`."""
        exact = values.detach().double()
        if self.asymptote is None:
            return is_no_decay(factors, exact)
        offset = exact - self.asymptote
        return ~((offset > _LEAST).all(0) | (offset < -_LEAST).all(0))


# Values nearer to a given asymptote have lost their sign to rounding or shots.
_LEAST = 1e-6


@lru_cache(maxsize=256)
def _least_squares(order: int, factors: tuple[float, ...]) -> Tensor:
    powers = torch.tensor(factors, dtype=torch.float64)[:, None] ** torch.arange(order + 1)
    return torch.linalg.pinv(powers)[0]


@lru_cache(maxsize=256)
def _lagrange(factors: tuple[float, ...]) -> Tensor:
    weights = [math.prod(b / (b - a) for b in factors if b != a) for a in factors]
    return torch.tensor(weights, dtype=torch.float64)


def _combined(coefficients: Tensor, values: Tensor) -> Tensor:
    return (coefficients.to(values) @ values.reshape(len(values), -1)).reshape(values.shape[1:])
