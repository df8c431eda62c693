"""A part of a run directory with names of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

__all__ = ["Shelf", "Shelves"]


@runtime_checkable
class Shelves(Protocol):
    """Where finished stages live: a run directory, or a part of one."""

    def stage(self, name: str, /) -> Any | None:
        """The JSON value of a finished stage; None if it is not finished."""
        ...

    def save_stage(self, name: str, value: Any, /) -> None:
        """Keep the JSON value of a finished stage."""
        ...

    def tensors(self, name: str, /) -> dict[str, Tensor] | None:
        """The tensors kept under a name; None if there are none."""
        ...

    def save_tensors(self, name: str, tensors: Mapping[str, Tensor], /) -> None:
        """Keep named tensors."""
        ...


class Shelf:
    """Stages and tensors of `store` whose names begin with `prefix`.

    Args:
        store: the run directory.
        prefix: of every name.
    """

    def __init__(self, store: Shelves, prefix: str) -> None:
        self._store, self._prefix = store, prefix

    def stage(self, name: str) -> Any | None:
        """The JSON value of a finished stage; None if it is not finished."""
        return self._store.stage(f"{self._prefix}/{name}")

    def save_stage(self, name: str, value: Any) -> None:
        """Keep the JSON value of a finished stage."""
        self._store.save_stage(f"{self._prefix}/{name}", value)

    def tensors(self, name: str) -> dict[str, Tensor] | None:
        """The tensors kept under a name; None if there are none."""
        return self._store.tensors(f"{self._prefix}-{name}")

    def save_tensors(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Keep named tensors."""
        self._store.save_tensors(f"{self._prefix}-{name}", tensors)
