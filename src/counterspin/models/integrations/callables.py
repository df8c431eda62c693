"""Any Python callable as a model: scores, probabilities or labels; torch or NumPy; batches or single samples."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from counterspin.errors import ModelError
from counterspin.models.integrations import jax_functions
from counterspin.models.integrations.jax_functions import is_jax
from counterspin.models.integrations.reading import Candidate, Options
from counterspin.models.integrations.value_kinds import guessed_values

__all__ = ["CallableHome", "claims", "read"]

_DTYPES = (torch.float64, torch.float32)
# (arrays in, tensors must come out): torch where tensors come back, else NumPy, else torch whatever comes back.
_WAYS = ((False, True), (True, False), (False, False))


@dataclass(frozen=True, kw_only=True)
class CallableHome:
    """How a callable wants to be called.

    Args:
        function: the callable.
        arrays: it takes NumPy arrays, otherwise torch tensors.
        batched: it takes `(batch, features)`, otherwise one sample `(features,)` at a time.
        dtype: of what it takes.
    """

    function: Callable[..., Any]
    arrays: bool
    batched: bool
    dtype: torch.dtype

    def __call__(self, x: Tensor) -> Tensor:
        """Raw values `(batch, ...)` of `x` `(batch, features)`, in its dtype and attached to autograd where it can."""
        if self.batched:
            return self._once(x)
        return torch.stack([torch.atleast_1d(self._once(row).squeeze()) for row in x])

    def raw(self, x: Tensor) -> Tensor:
        """What it returns for `x`, in the dtype in which it comes."""
        given = x.to(self.dtype)
        return _as_tensor(self.function(given.detach().cpu().numpy() if self.arrays else given))

    def _once(self, x: Tensor) -> Tensor:
        return self.raw(x).to(x)

    def __str__(self) -> str:
        """How it is called, in words."""
        kind = "NumPy arrays" if self.arrays else "torch tensors"
        return f"{kind} of {str(self.dtype).removeprefix('torch.')}, {'in batches' if self.batched else 'one by one'}"


def claims(model: Any) -> bool:
    """Whether it can be called."""
    return callable(model)


def read(model: Callable[..., Any], options: Options) -> Candidate:
    """The callable as a candidate; how it wants to be called is found by trying.

    Raises:
        ModelError: it raises however it is called, or returns no numbers.
    """
    x = options.x
    if options.weights or options.inputs:
        model = _with_arguments(model, options)
    home = _fitting(model, x)
    if home.arrays and is_jax(home.function((x[:1] if home.batched else x[0]).numpy())):
        return jax_functions.read(model, replace(options, weights={}, inputs=None))
    whole = not home.raw(x[:2] if home.batched else x[0]).is_floating_point()
    values = guessed_values(home, x, whole_numbers=whole)
    attached = options.gradient != "none" and values != "labels" and not home.arrays and _is_attached(home, x)
    repairs = [] if home.batched else ["it takes one sample at a time, and is called in a loop"]
    if home.dtype != torch.float64:
        repairs.append("it computes in float32, where features are rounded")
    gradient = "with gradients" if attached else "without gradients: attacks see its values alone"
    return Candidate(
        kind="callable",
        home=home,
        values=values,
        home_differentiable=attached,
        stochastic=False,
        imported=None,
        reason=f"a plain callable shows no circuit; it is called with {home}, {gradient}",
        repairs=tuple(repairs),
    )


def _with_arguments(model: Callable[..., Any], options: Options) -> Callable[..., Any]:
    """The callable of its features alone."""
    said, name = dict(options.weights), options.inputs
    return lambda x: model(x, **said) if name is None else model(**{name: x}, **said)


def _fitting(model: Callable[..., Any], x: Tensor) -> CallableHome:
    """The first way to call it that works.

    Raises:
        ModelError: none does.
    """
    refusals = []
    for batched, (arrays, tensors), dtype in product((True, False), _WAYS, _DTYPES):
        home = CallableHome(function=model, arrays=arrays, batched=batched, dtype=dtype)
        try:
            with torch.no_grad(), warnings.catch_warnings():
                # NumPy may half accept a tensor, with a complaint: then arrays are what it wants.
                warnings.filterwarnings("error", "__array", DeprecationWarning)
                if tensors and not _gives_tensors(home, x):
                    refusals.append("no torch tensor")
                    continue
                # Two batch sizes: a function of one sample may return as many values as there are rows by chance.
                fits = all(len(_rows(home(x[rows]))) == len(rows) for rows in ([0, 1, 0], [1, 0]))
        except ModelError:
            raise
        except Exception as error:
            refusals.append(f"{type(error).__name__}: {' '.join(str(error).split())[:150]}")
            continue
        if fits:
            return home
        refusals.append("another number of values than samples")
    features = x.shape[1]
    raise ModelError(
        f"model ({getattr(model, '__name__', type(model).__name__)}) does not answer (batch, {features}) or "
        f"({features},) as a torch tensor or NumPy array with one row of scores per sample (first: {refusals[0]}; "
        f"last: {refusals[-1]}); wrap it in a function that does."
    )


def _gives_tensors(home: CallableHome, x: Tensor) -> bool:
    given = (x[:2] if home.batched else x[0]).to(home.dtype)
    values = home.function(given)
    return isinstance(values, Tensor) or (
        isinstance(values, list | tuple) and isinstance(next(iter(values), None), Tensor)
    )


def _rows(values: Tensor) -> Tensor:
    return values if values.ndim in (1, 2) else values[:0]


def _as_tensor(values: Any) -> Tensor:
    """What a callable returned as a tensor, attached where it is one.

    Raises:
        ModelError: text or objects.
    """
    if isinstance(values, Tensor):
        return values
    if isinstance(values, list | tuple) and values and all(isinstance(value, Tensor) for value in values):
        return torch.stack([value.squeeze() for value in values])
    array = np.asarray(values)
    if array.dtype.kind in "USO":
        what = f"{array.ravel()[0]!r}" if array.size else "nothing"
        raise ModelError(
            f"model returned {what} ({type(values).__name__}); return class scores or class numbers 0, 1, ... each."
        )
    return torch.as_tensor(np.ascontiguousarray(array) if array.flags.writeable else array.copy())


def _is_attached(home: CallableHome, x: Tensor) -> bool:
    try:
        with torch.enable_grad():
            return home(x[:2].clone().requires_grad_().clone()).requires_grad
    except Exception:
        return False
