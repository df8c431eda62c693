"""How a QNode is called: which argument takes the features, and values for all the others."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from counterspin.errors import ModelError
from counterspin.models.integrations.pennylane.library import pennylane

__all__ = ["Call", "feature_argument", "qnode_call"]

_CUSTOMARY = ("inputs", "x", "features")


@dataclass(frozen=True, kw_only=True, eq=False)
class Call:
    """A QNode, the name of the argument that takes the features, and the values of the others.

    Args:
        qnode: the QNode.
        inputs: name of the argument that takes the features.
        weights: gives the other arguments, anew at each call: a layer's parameters may have moved.
        numeric: hand over numpy arrays, for functions that refuse torch tensors (JAX, numpy).
        unit: divide features by their norm first.
    """

    qnode: Any
    inputs: str
    weights: Callable[[], Mapping[str, Any]]
    numeric: bool = False
    unit: bool = False

    def __call__(self, x: Tensor) -> Any:
        """What the QNode returns for features `(features,)`, or `(batch, features)` where it can."""
        return self.qnode(**self.arguments(x))

    def tape(self, x: Tensor, weights: Mapping[str, Any] | None = None) -> Any:
        """The tape the QNode records for these features, its own transforms applied; `weights` replaces some values."""
        qml = pennylane()
        with self._double():
            return qml.workflow.construct_tape(self.qnode)(**(self.arguments(x) | dict(weights or {})))

    def arguments(self, x: Tensor) -> dict[str, Any]:
        """All arguments by name; weights that are floating point tensors come in the precision of `x`, detached."""
        x = x / torch.linalg.vector_norm(x, dim=-1, keepdim=True) if self.unit else x
        return {**self.others(x.dtype), self.inputs: x.detach().numpy() if self.numeric else x}

    def others(self, dtype: torch.dtype) -> dict[str, Any]:
        """All arguments but the features."""
        return {name: _value(value, dtype, self.numeric) for name, value in self.weights().items()}

    def _double(self) -> AbstractContextManager[Any]:
        """Double precision while a tape is recorded: JAX rounds to float32 otherwise."""
        if not (self.numeric and str(self.qnode.interface).startswith("jax")):
            return nullcontext()
        import jax

        return jax.enable_x64(True)


def qnode_call(qnode: Any, weights: Mapping[str, Any], inputs: str | None) -> Call:
    """The call of a QNode whose other arguments have the values `weights`.

    Raises:
        ModelError: arguments without a value, values for arguments it does not have, no argument for the features.
    """
    name = feature_argument(qnode.func, weights, inputs)
    values = dict(weights)
    return Call(qnode=qnode, inputs=name, weights=lambda: values)


def feature_argument(function: Callable[..., Any], weights: Mapping[str, Any], inputs: str | None) -> str:
    """The argument that takes the features: the one named, a customary name, or the first one left.

    Raises:
        ModelError: as `qnode_call`.

    Example:
        >>> def circuit(w, x, depth=2): ...
        >>> feature_argument(circuit, {"w": 0.1}, None)
        'x'
    """
    parameters = inspect.signature(function).parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    named = {name: p for name, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    unknown = [name for name in weights if name not in named]
    if unknown and not open_ended:
        raise ModelError(
            f"weights name {', '.join(map(repr, unknown))}, which the QNode does not take; its arguments are "
            f"{', '.join(map(repr, named)) or 'none'}."
        )
    left = [name for name in named if name not in weights]
    chosen = inputs if inputs is not None else next((name for name in _CUSTOMARY if name in left), None)
    if chosen is None and left:
        chosen = left[0]
    if chosen is None or chosen in weights or (chosen not in named and not open_ended):
        raise ModelError(
            f"inputs is {chosen!r}; the QNode's arguments without a value in weights are "
            f"{', '.join(map(repr, left)) or 'none'}, and one of them has to take the features."
        )
    unbound = [name for name in left if name != chosen and named[name].default is inspect.Parameter.empty]
    if unbound:
        raise ModelError(
            f"unbound parameters: the QNode's arguments {', '.join(map(repr, unbound))} have no value ({chosen!r} "
            f"takes the features); give them, for example weights={{{unbound[0]!r}: ...}} (on the command line a "
            f"variable {unbound[0]} of the file), or say inputs= otherwise."
        )
    return chosen


def _value(value: Any, dtype: torch.dtype, numeric: bool) -> Any:
    """A weight as it is handed over: arrays as torch tensors (or numpy arrays), anything else as it is."""
    if isinstance(value, Tensor):
        tensor = value.detach()
    elif isinstance(value, (list, tuple)) or hasattr(value, "__array__"):
        array = np.asarray(value)
        if array.dtype.kind not in "fc":
            return value  # integers choose wires and depths: code may need them as they are
        tensor = torch.tensor(array)
    else:
        return value
    tensor = tensor.to(dtype) if tensor.is_floating_point() else tensor
    return tensor.numpy() if numeric else tensor
