"""Finite shots: exact multinomial sampling of outcome distributions."""

import torch
from torch import Tensor

__all__ = ["sampled_distribution"]

_DRAWS_AT_ONCE = 2**22  # bounds the memory of one chunk to some tens of MiB

# Shots per outcome from which counting outcome by outcome is faster than drawing shot by shot.
_COUNTED = 4


def sampled_distribution(probabilities: Tensor, shots: int, generator: torch.Generator) -> Tensor:
    """Relative frequencies of `shots` outcomes per row of `probabilities` `(batch, outcomes)`.

    Example:
        >>> even = torch.full((1, 2), 0.5)
        >>> float(sampled_distribution(even, 1000, torch.Generator().manual_seed(0)).sum())
        1.0
    """
    # On the generator's device. Rounding may leave tiny negative numbers after readout errors are applied.
    exact = probabilities.detach().to(generator.device, torch.float64).clamp_min(0.0)
    if shots >= _COUNTED * exact.shape[1]:
        return (_counts(exact, shots, generator) / shots).to(probabilities)
    rows = max(1, _DRAWS_AT_ONCE // shots)
    parts = []
    for block in exact.split(rows):
        outcomes = torch.multinomial(block, shots, replacement=True, generator=generator)
        counts = torch.zeros_like(block).scatter_add_(1, outcomes, torch.ones_like(outcomes, dtype=block.dtype))
        parts.append(counts / shots)
    return torch.cat(parts).to(probabilities)


def _counts(weights: Tensor, shots: int, generator: torch.Generator) -> Tensor:
    """Multinomial counts `(batch, outcomes)`: of the shots that are left, each outcome takes a binomial share."""
    left = torch.full_like(weights[:, 0], float(shots))
    ahead = weights.flip(1).cumsum(1).flip(1)
    counts = torch.empty_like(weights)
    for outcome in range(weights.shape[1] - 1):
        share = (weights[:, outcome] / ahead[:, outcome].clamp_min(torch.finfo(weights.dtype).tiny)).clamp_max(1.0)
        counts[:, outcome] = torch.binomial(left, share, generator=generator)
        left = left - counts[:, outcome]
    counts[:, -1] = left
    return counts
