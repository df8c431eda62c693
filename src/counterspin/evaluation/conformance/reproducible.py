"""Whether randomness comes from the generator that was given, and from nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

__all__ = ["foreign_randomness"]

Result = TypeVar("Result")


def foreign_randomness(run: Callable[[], Result], same: Callable[[Result, Result], bool]) -> str | None:
    """What is wrong with how something draws, or None.

    Args:
        run: one run from a fresh generator of the same seed.
        same: whether two results are equal.

    Example:
        >>> foreign_randomness(lambda: torch.rand(3), torch.equal)
        "it draws from torch's global generator; draw from the one it is given"
        >>> foreign_randomness(lambda: torch.rand(3, generator=torch.Generator().manual_seed(0)), torch.equal)
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        before = torch.get_rng_state()
        first = run()
        if not torch.equal(torch.get_rng_state(), before):
            return "it draws from torch's global generator; draw from the one it is given"
        torch.manual_seed(2)
        second = run()
    if same(first, second):
        return None
    return "two runs from one seed differ; draw from the generator it is given and nothing else"
