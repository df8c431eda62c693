"""QNodes whose code only runs in JAX, autograd or numpy: values and gradients by that library, inside torch."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor

from counterspin.models.integrations.pennylane.calls import Call
from counterspin.models.integrations.pennylane.outputs import Layout, leaves

__all__ = ["foreign_values", "has_gradient"]

# Features of a batch -> values, and the map from a gradient of the values to one of the features.
Pulled = tuple[Any, Callable[[np.ndarray], Any]]


def has_gradient(call: Call) -> bool:
    """Whether the QNode's own interface differentiates."""
    return _library(call) is not None


def foreign_values(call: Call, x: Tensor, layout: Layout) -> Tensor:
    """Raw values `(batch, values)` of `x` `(batch, features)`.

    Attached to autograd (first derivatives only) if the QNode's interface is JAX or autograd.

    Args:
        call: a numeric call.
        x: features.
        layout: how a batch enters one call, see `Home`.
    """
    library = _library(call)
    if library is None or not (x.requires_grad and torch.is_grad_enabled()):
        return torch.tensor(np.asarray(_values(np, call, x.detach().double().numpy(), layout))).to(x.dtype)
    values = _Foreign.apply(x.double(), call, layout, library)
    return x if values is None else values.to(x.dtype)


class _Foreign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, call: Call, layout: Layout, library: Callable[..., Pulled]) -> Tensor:
        values, ctx.pullback = library(call, x.detach().numpy(), layout)
        return torch.tensor(np.asarray(values, dtype=np.float64))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        gradient = np.asarray(ctx.pullback(gradients[0].numpy()), dtype=np.float64)
        return torch.tensor(gradient), None, None, None


def _library(call: Call) -> Callable[..., Pulled] | None:
    return {"jax": _jax, "jax-jit": _jax, "autograd": _autograd, "auto": _autograd}.get(str(call.qnode.interface))


def _values(library: Any, call: Call, x: Any, layout: Layout) -> Any:
    """All outputs side by side as an array of the library's, `(batch, values)`."""
    others = call.others(torch.float64)

    def outputs(points: Any, batch: int) -> Any:
        parts = leaves(call.qnode(**{**others, call.inputs: points}))
        return library.concatenate([library.reshape(part, (batch, -1)) for part in parts], axis=1)

    if layout == "loop":
        return library.concatenate([outputs(row, 1) for row in x], axis=0)
    return outputs(x.T if layout == "columns" else x, len(x))


def _jax(call: Call, x: np.ndarray, layout: Layout) -> Pulled:
    import jax
    import jax.numpy as jnp

    values, pull = jax.vjp(lambda given: _values(jnp, call, given, layout), jnp.asarray(x))
    return values, lambda gradient: pull(jnp.asarray(gradient, dtype=values.dtype))[0]


def _autograd(call: Call, x: np.ndarray, layout: Layout) -> Pulled:
    pnp: Any = import_module("pennylane.numpy")
    make_vjp: Any = import_module("autograd").make_vjp

    pull, values = make_vjp(lambda given: _values(pnp, call, given, layout))(pnp.array(x, requires_grad=True))
    return values, pull
