"""Polynomial maps of features: what feature maps with products of features compute before their circuit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from counterspin.errors import ConditionsError, ModelError

__all__ = ["PolynomialMap"]


class PolynomialMap(nn.Module):
    r"""The map :math:`u_o(x) = \sum_m c_{om} \prod_i x_i^{p_{mi}}`.

    It is fixed: it was read from a circuit and is not trained.

    Args:
        exponents: one row per monomial, the power of each feature in it; whole numbers of at least 0.
        coefficients: c `(outputs, monomials)`, real.

    Raises:
        ModelError: exponents and coefficients that do not fit together.

    Example:
        >>> angle = PolynomialMap([[0, 0], [1, 1]], torch.tensor([[0.5, 2.0]]))  # 0.5 + 2 x0 x1
        >>> angle(torch.tensor([[3.0, 4.0]])).tolist()
        [[24.5]]
    """

    coefficients: Tensor
    _factors: Tensor

    def __init__(self, exponents: Sequence[Sequence[int]], coefficients: Tensor) -> None:
        super().__init__()
        rows = tuple(tuple(int(power) for power in row) for row in exponents)
        if not rows or not rows[0] or {len(row) for row in rows} != {len(rows[0])} or min(map(min, rows)) < 0:
            raise ModelError("exponents must be rows of whole numbers of at least 0, one per monomial, equally long.")
        if coefficients.ndim != 2 or coefficients.shape[1] != len(rows) or not coefficients.is_floating_point():
            raise ModelError(
                f"coefficients are {coefficients.dtype} {tuple(coefficients.shape)}; {len(rows)} monomials need real "
                f"(outputs, {len(rows)})."
            )
        self.exponents = rows
        self.register_buffer("coefficients", coefficients.detach().double().clone())
        # A monomial as indices of its factors; the index behind the last feature stands for the number 1.
        lists = [[i for i, power in enumerate(row) for _ in range(power)] for row in rows]
        longest = max(1, *map(len, lists))
        table = [factors + [self.features] * (longest - len(factors)) for factors in lists]
        self.register_buffer("_factors", torch.tensor(table), persistent=False)

    @property
    def features(self) -> int:
        """Number of features it takes."""
        return len(self.exponents[0])

    @property
    def outputs(self) -> int:
        """Number of values it gives."""
        return self.coefficients.shape[0]

    @property
    def degree(self) -> int:
        """Highest sum of exponents in a monomial."""
        return max(map(sum, self.exponents))

    def forward(self, x: Tensor) -> Tensor:
        """Values `(batch, outputs)` of `x` `(batch, features)`, in its dtype and attached to autograd."""
        known = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
        monomials = torch.ones((), dtype=x.dtype, device=x.device)
        for factors in self._factors.unbind(dim=1):
            monomials = monomials * known.index_select(1, factors)
        return monomials @ self.coefficients.to(x).T

    def quadratic(self) -> tuple[Tensor, Tensor, Tensor]:
        r"""The map as :math:`u_o = a_o + b_o \cdot x + \tfrac12 x^T H_o x`.

        Returns:
            a `(outputs,)`, b `(outputs, features)` and symmetric H `(outputs, features, features)`.

        Raises:
            ConditionsError: a monomial of degree 3 or more.

        Example:
            >>> constant, linear, hessian = PolynomialMap([[1, 1]], torch.tensor([[2.0]])).quadratic()
            >>> hessian.tolist()
            [[[0.0, 2.0], [2.0, 0.0]]]
        """
        if self.degree > 2:
            raise ConditionsError(
                f"the polynomial map has degree {self.degree}; bounds on its values are known up to degree 2."
            )
        zero = self.coefficients.new_zeros
        constant, linear = zero(self.outputs), zero(self.outputs, self.features)
        hessian = zero(self.outputs, self.features, self.features)
        for row, column in zip(self.exponents, self.coefficients.T, strict=True):
            factors = [i for i, power in enumerate(row) for _ in range(power)]
            match factors:
                case [i, j]:
                    hessian[:, i, j] += column
                    hessian[:, j, i] += column
                case [i]:
                    linear[:, i] += column
                case _:
                    constant += column
        return constant, linear, hessian

    def config(self) -> dict[str, Any]:
        """Everything but the coefficients, as JSON values."""
        return {"exponents": [list(row) for row in self.exponents], "outputs": self.outputs}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> PolynomialMap:
        """The map `config` describes, with coefficients 0."""
        return cls(config["exponents"], torch.zeros(config["outputs"], len(config["exponents"])))
