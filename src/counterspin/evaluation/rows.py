"""The rows of an attack as a run directory holds them."""

from dataclasses import dataclass

from torch import Tensor

__all__ = ["StoredRows"]


@dataclass(frozen=True, eq=False, kw_only=True)
class StoredRows:
    """The rows of one attack as read back from the run directory.

    Args:
        correct: samples entered as correctly classified `(batch,)`.
        broken: samples entered as broken `(budgets, batch)`.
    """

    correct: Tensor
    broken: Tensor
