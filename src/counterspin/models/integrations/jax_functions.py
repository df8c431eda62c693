"""JAX functions as models: arrays cross by DLPack, gradients by `jax.vjp`, in float64 where the features are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from counterspin.errors import ModelError
from counterspin.models.integrations.reading import Candidate, Options
from counterspin.models.integrations.value_kinds import guessed_values

__all__ = ["JaxHome", "claims", "is_jax", "read"]

_LIBRARIES = ("jax", "jaxlib", "equinox", "flax")


def claims(model: Any) -> bool:
    """Whether `model` is a compiled JAX function or an object of a library on JAX that can be called.

    A plain Python function that returns JAX arrays shows what it is when it is called, see `is_jax`.
    """
    return callable(model) and not isinstance(model, type) and _is_theirs(model)


def is_jax(value: Any) -> bool:
    """Whether a value is a JAX array."""
    return _is_theirs(value) and hasattr(value, "__dlpack__")


class JaxHome:
    """A JAX function of features as a function of torch tensors, attached to autograd.

    Batches are filled up to a power of two with their last row, since JAX compiles once per shape.

    Args:
        function: JAX array `(batch, features)` -> array `(batch, ...)`.
        differentiable: whether gradients are asked for.
    """

    def __init__(self, function: Callable[[Any], Any], *, differentiable: bool = True) -> None:
        import jax

        def pullback(x: Any, cotangent: Any) -> Any:
            return jax.vjp(function, x)[1](cotangent)[0]

        self._values = jax.jit(function)
        self._pullback = jax.jit(pullback)
        self.differentiable = differentiable

    def __call__(self, x: Tensor) -> Tensor:
        """Raw values `(batch, ...)` of `x` `(batch, features)`; whole numbers come back as such."""
        attached = self.differentiable and x.requires_grad and torch.is_grad_enabled()
        return _Function.apply(x, self) if attached else self.values(x)  # pyright: ignore[reportReturnType]

    def values(self, x: Tensor) -> Tensor:
        """The values alone."""
        with _double_precision():
            return _to_torch(self._values(_to_jax(_filled(x))))[: len(x)]

    def gradient(self, x: Tensor, cotangent: Tensor) -> Tensor:
        """Gradient of `sum(cotangent * values)` with respect to `x`."""
        with _double_precision():
            return _to_torch(self._pullback(_to_jax(_filled(x)), _to_jax(_filled(cotangent, zeros=True))))[: len(x)]


class _Function(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, home: JaxHome) -> Tensor:
        ctx.home = home
        ctx.save_for_backward(x)
        return home.values(x)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  (torch names no arguments)
        ctx: Any, *cotangents: Tensor
    ) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return ctx.home.gradient(x, cotangents[0]), None


def read(model: Callable[..., Any], options: Options) -> Candidate:
    """A JAX function as a candidate: of a batch, or of one sample, which is then mapped over the batch.

    Keyword arguments besides the features (`params=`) come from `options.weights`.

    Raises:
        ModelError: it cannot be traced, or returns no numbers.
    """
    import jax

    def given(x: Any) -> Any:
        said = dict(options.weights)
        return model(x, **said) if options.inputs is None else model(**{options.inputs: x}, **said)

    home, reasons = None, []
    for function in (given, jax.vmap(given)):
        home = JaxHome(function, differentiable=False)
        trouble = _trouble(home, options.x)
        if trouble is None:
            break
        reasons.append(trouble)
    else:
        raise ModelError(
            f"model is no function of a batch ({reasons[0]}) nor of one sample ({reasons[1]}) that JAX can trace; give "
            "a function from (batch, features) to (batch, values), or pass a NumPy function."
        )
    whole = not home.values(options.x[:1]).is_floating_point()
    values = guessed_values(home, options.x, whole_numbers=whole)
    repairs = ("it takes one sample at a time, and is mapped over batches with jax.vmap",) if reasons else ()
    without = "its values are labels" if values == "labels" else _no_gradient(home, options)
    home.differentiable = without is None
    return Candidate(
        kind="jax",
        home=home,
        values=values,
        home_differentiable=home.differentiable,
        stochastic=False,
        imported=None,
        reason="a JAX function has no circuit to read; " + (without or "its gradient is jax.vjp"),
        repairs=repairs,
        features=options.x.shape[1],
    )


def _trouble(home: JaxHome, x: Tensor) -> str | None:
    """Why a function is none of a batch; None: it is."""
    rows = x[[0, 1, 0]]  # three, so that a function of one sample is not taken for one of two
    try:
        values = home.values(rows)
        alone = home.values(rows[:1])
    except Exception as error:  # whatever a user's function raises
        return " ".join(f"{type(error).__name__}: {error}".split())[:200]
    if values.ndim not in (1, 2) or len(values) != len(rows) or len(alone) != 1:
        return f"3 samples gave shape {tuple(values.shape)}"
    return None


def _no_gradient(home: JaxHome, options: Options) -> str | None:
    """Why there is no gradient; None: there is one."""
    if options.gradient == "none":
        return "its gradient is not asked for"
    x = options.x[:1]
    try:
        home.gradient(x, torch.ones_like(home.values(x)))
    except Exception as error:  # a callback into Python, an integer on the way, ...
        return f"it has no gradient ({' '.join(str(error).split())[:120]})"
    return None


def _is_theirs(value: Any) -> bool:
    return any(cls.__module__.split(".")[0] in _LIBRARIES for cls in type(value).__mro__)


def _double_precision() -> AbstractContextManager[Any]:
    """Float64 in JAX for the length of a call; the flag of the process stays as it is."""
    import jax

    return jax.enable_x64(True)


def _filled(x: Tensor, *, zeros: bool = False) -> Tensor:
    missing = (1 << (len(x) - 1).bit_length()) - len(x)
    more = x[-1:].expand(missing, *x.shape[1:])
    return torch.cat([x, torch.zeros_like(more) if zeros else more]) if missing else x


def _to_jax(x: Tensor) -> Any:
    import jax

    return jax.dlpack.from_dlpack(x.detach().contiguous())


def _to_torch(value: Any) -> Tensor:
    # A copy: JAX's memory must never be written to.
    return torch.from_dlpack(value).clone()
