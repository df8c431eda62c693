"""Batches in and out of a QNode: how they enter a call, and what it returns, nested in any way, as one tensor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor

__all__ = ["Layout", "leaves", "side_by_side"]

# How a batch enters one call: as rows (PennyLane's broadcasting), as columns (for code that says `x[0]`), or not.
Layout = Literal["rows", "columns", "loop"]


def leaves(output: Any) -> Iterator[Any]:
    """The arrays in lists, tuples and dictionaries, in order.

    Example:
        >>> list(leaves([1, (2, {"a": 3})]))
        [1, 2, 3]
    """
    if isinstance(output, dict):
        output = list(output.values())
    if isinstance(output, (list, tuple)):
        for part in output:
            yield from leaves(part)
    else:
        yield output


def side_by_side(output: Any, batch: int) -> Tensor:
    """Everything a QNode returned for a batch, `(batch, values)`, attached to autograd."""
    return torch.cat([torch.as_tensor(part).reshape(batch, -1) for part in leaves(output)], dim=1)
