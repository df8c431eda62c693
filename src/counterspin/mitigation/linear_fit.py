"""Linear combinations of noisy values with fixed coefficients, and their regression."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.errors import InputError

__all__ = ["FixedLinear", "regression"]


@dataclass(frozen=True, eq=False)
class FixedLinear:
    """The predictor `Σ_c a_c n_c + b`, value by value; it looks at no features.

    Args:
        slope: a `(variants, values)`.
        intercept: b `(values,)`.
    """

    slope: Tensor
    intercept: Tensor

    def __call__(self, noisy: Tensor, features: Tensor | None = None) -> Tensor:
        """Values `(batch, values)` of noisy ones `(variants, batch, values)`.

        Raises:
            InputError: fitted to another number of variants or values.
        """
        if tuple(self.slope.shape) != (noisy.shape[0], noisy.shape[2]):
            raise InputError(
                f"the regressor was fitted to {self.slope.shape[0]} variants of {self.slope.shape[1]} values and is "
                f"given {noisy.shape[0]} of {noisy.shape[2]}; fit it to the circuit it is used on."
            )
        return (noisy * self.slope.to(noisy)[:, None]).sum(dim=0) + self.intercept.to(noisy)

    def as_map(self) -> tuple[Tensor, Tensor]:
        """The coefficients as diagonal matrices `(variants, values, values)`, and the intercept."""
        return torch.diag_embed(self.slope), self.intercept

    def variance_factor(self) -> float:
        """Growth of the variance of the value that grows most, from independent noisy values of one variance."""
        return float((self.slope**2).sum(dim=0).max())


def regression(noisy: Tensor, exact: Tensor, *, start: Tensor, ridge: float) -> FixedLinear:
    r"""Least squares of exact values on noisy ones, value by value, drawn towards known coefficients.

    .. math:: \min_{a, b} \tfrac1N \sum_i \Bigl(\sum_c a_c n_{ci} + b - t_i\Bigr)^2
        + \lambda \Bigl(\sum_c (a_c - s_c)^2 + b^2\Bigr)

    Near-Clifford values are often all zero: without the pull, their regression would be arbitrary.

    Args:
        noisy: n `(variants, count, values)` float64.
        exact: t `(count, values)` float64.
        start: s `(variants,)`.
        ridge: λ; 0 is plain least squares, the one nearest to `start` where several are as good.

    Returns:
        The fitted combination.

    Example:
        >>> noisy = torch.tensor([[[0.0], [0.5], [1.0]]], dtype=torch.float64)
        >>> fitted = regression(noisy, 2 * noisy[0] - 1, start=torch.ones(1), ridge=0.0)
        >>> fitted.slope.round(decimals=9).tolist(), fitted.intercept.round(decimals=9).tolist()
        ([[2.0]], [-1.0])
    """
    columns = torch.cat([noisy.permute(2, 1, 0), torch.ones_like(exact.T[..., None])], dim=2)
    known = torch.cat([start.to(exact), torch.zeros(1).to(exact)])
    missing = exact.T - columns @ known
    count, size = columns.shape[1:]
    if ridge:
        pull = (ridge * count) ** 0.5 * torch.eye(size).to(exact).expand(len(columns), -1, -1)
        columns = torch.cat([columns, pull], dim=1)
        missing = torch.cat([missing, missing.new_zeros(len(missing), size)], dim=1)
    solution = known + (torch.linalg.pinv(columns, rtol=1e-10) @ missing[..., None]).squeeze(-1)
    return FixedLinear(solution[:, :-1].T.contiguous(), solution[:, -1].contiguous())
