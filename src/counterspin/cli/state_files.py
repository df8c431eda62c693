"""The data file of a circuit: a .npz archive with quantum states."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from counterspin.cli.archives import read_arrays
from counterspin.errors import InputError, UsageError
from counterspin.evaluation.state_observables import threshold_observables
from counterspin.optimum.state_arguments import checked_observables

__all__ = ["ORDERS", "StateFile", "check_order", "read_states"]

ORDERS = ("big", "little")
_EXPECTED = (
    "give a .npz file with an array states, (samples, 2^qubits) pure or (samples, 2^qubits, 2^qubits) mixed, and where "
    "there are any y (labels), weights and observable"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class StateFile:
    """What a data file holds, qubit 0 the most significant bit.

    Args:
        states: pure `(samples, D)` or mixed `(samples, D, D)`, complex128.
        labels: as many as states; None: the file has none.
        weights: of the circuit, float64; None: the file has none.
        observable: Hermitian `(D, D)` or `(classes, D, D)`, complex128; None: the file has none.
    """

    states: Tensor
    labels: np.ndarray | None
    weights: Tensor | None
    observable: Tensor | None

    def observables(self, threshold: float) -> Tensor:
        """One observable per class `(classes, D, D)`: those of the file, or one against a threshold.

        Raises:
            InputError: the file has none, or one that is not Hermitian.
            UsageError: a threshold with several.
        """
        if self.observable is None:
            raise InputError(f"the readout is 'observable' and the file has no array observable; {_EXPECTED}.")
        if self.observable.ndim == 3:
            if threshold:
                raise UsageError(f"threshold is {threshold:g} and the file has an observable per class; leave it out.")
            return checked_observables(self.observable)
        return checked_observables(threshold_observables(self.observable, threshold))


def check_order(order: str) -> None:
    """Refuse an order of qubits that there is not.

    Raises:
        UsageError: an unknown order.
    """
    if order not in ORDERS:
        raise UsageError(f"qubit order is {order!r}; allowed: {', '.join(ORDERS)} (which bit of an index qubit 0 is).")


def read_states(path: Path, qubits: int, order: str = "big") -> StateFile:
    """The states of a data file.

    Args:
        path: the file.
        qubits: of the circuit.
        order: which bit of an index into the file's states qubit 0 is: `"big"`: the most significant one, `"little"`:
            the least significant one; the observable is in the same order.

    Raises:
        InputError: a file that cannot be read, holds Python objects, lacks states or whose states do not fit the
            qubits.
        UsageError: an unknown order.
    """
    check_order(order)
    arrays = read_arrays(path, _EXPECTED)
    if "states" not in arrays:
        raise InputError(f"{path} lacks states (it holds {', '.join(sorted(arrays)) or 'nothing'}); {_EXPECTED}.")
    if "y" in arrays and "labels" in arrays:
        raise InputError(f"{path} holds both y and labels; keep one of them.")
    states = _numbers(arrays["states"], "states", path)
    weights, observable = (
        _numbers(arrays[name], name, path) if name in arrays else None for name in ("weights", "observable")
    )
    labels = arrays.get("y", arrays.get("labels"))
    if labels is not None and labels.shape != states.shape[:1]:
        raise InputError(f"{path} holds {len(states)} states and labels of shape {labels.shape}; give one per state.")
    if weights is not None and bool((weights.imag != 0).any()):
        raise InputError(f"{path} holds complex weights; angles are real, so give real weights.")
    return StateFile(
        states=_ordered(states, qubits, order, axes=max(1, states.ndim - 1), name="states"),
        labels=labels,
        weights=None if weights is None else weights.real.contiguous(),
        observable=None if observable is None else _ordered(observable, qubits, order, axes=2, name="observable"),
    )


def _ordered(values: Tensor, qubits: int, order: str, *, axes: int, name: str) -> Tensor:
    """The values with the bits of the indices into the last axes put into our order."""
    dimension = 2**qubits
    kinds = {"states": ("(samples, {0})", "(samples, {0}, {0})"), "observable": ("({0}, {0})", "(classes, {0}, {0})")}
    fits = values.ndim in (2, 3) and len(values) > 0 and all(size == dimension for size in values.shape[-axes:])
    if not fits:
        allowed = " or ".join(kind.format(dimension) for kind in kinds[name])
        raise InputError(f"{name} has shape {tuple(values.shape)}; the circuit has {qubits} qubits, so give {allowed}.")
    if order == "little":
        reverse = torch.tensor([int(f"{index:0{qubits}b}"[::-1], 2) for index in range(dimension)])
        for axis in range(values.ndim - axes, values.ndim):
            values = values.index_select(axis, reverse)
    return values


def _numbers(values: np.ndarray, name: str, path: Path) -> Tensor:
    if values.dtype.kind not in "fciu":
        raise InputError(f"{path} holds {name} of type {values.dtype}; give real or complex numbers.")
    return torch.as_tensor(np.ascontiguousarray(values, dtype=np.complex128))
