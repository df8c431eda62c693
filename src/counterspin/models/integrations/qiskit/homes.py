"""Models that Qiskit computes in numpy, attached to torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

__all__ = ["attached"]

Values = Callable[[np.ndarray], Any]


def attached(values: Values, jacobian: Values | None = None) -> Callable[[Tensor], Tensor]:
    """A numpy function of a batch as a function of torch tensors, in their dtype.

    Args:
        values: `(batch, features)` float64 -> `(batch, values)`.
        jacobian: `(batch, features)` float64 -> `(batch, values, features)`; None: no gradient.

    Example:
        >>> square = attached(lambda x: x**2, lambda x: 2 * x[:, :, None])
        >>> x = torch.tensor([[3.0]], requires_grad=True)
        >>> square(x).sum().backward()
        >>> x.grad.item()
        6.0
    """

    def call(x: Tensor) -> Tensor:
        if jacobian is None:
            return _computed(values, x)
        return cast(Tensor, _Attached.apply(x, values, jacobian))

    return call


class _Attached(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, values: Values, jacobian: Values) -> Tensor:
        ctx.save_for_backward(x)
        ctx.jacobian = jacobian
        return _computed(values, x)

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        slopes = _computed(ctx.jacobian, x)
        return torch.einsum("bv,bvf->bf", outer[0], slopes), None, None


def _computed(function: Values, x: Tensor) -> Tensor:
    # In float64 whatever the dtype of x: the library rounds nothing then.
    found = np.asarray(function(x.detach().to("cpu", torch.float64).numpy()), dtype=np.float64)
    return torch.from_numpy(found).to(x)
