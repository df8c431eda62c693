"""Where a model is looked at beyond its samples: what hangs on a threshold need not show at any of them."""

from __future__ import annotations

import torch
from torch import Tensor

from counterspin.types import Box

__all__ = ["probe_points"]

# Functions may not be defined at the very end of the box: a logarithm, a vector of zeros.
_INSIDE = 1e-3


def probe_points(x: Tensor, box: Box | None, count: int) -> Tensor:
    """Points all over the box: half of them its corners (all corners, if there are no more), the others anywhere in it.

    Args:
        x: samples `(samples, features)` float64; where the box has no end, their range widened by half of it on either
            side counts instead.
        box: the box the features live in; None: it is not known.
        count: number of points, at least 2.

    Returns:
        `(count, features)`, the same for the same arguments.

    Example:
        >>> x = torch.tensor([[0.25], [0.75]], dtype=torch.float64)
        >>> probe_points(x, Box.uniform(0.0, 1.0, features=1), 8)[:2].flatten().tolist()
        [0.001, 0.999]
    """
    low, high = x.amin(dim=0), x.amax(dim=0)
    spread = torch.where(high > low, high - low, 1.0)
    low, high = low - spread / 2, high + spread / 2
    if box is not None:
        lower, upper = box.lower.to(x), box.upper.to(x)
        low, high = torch.where(lower.isfinite(), lower, low), torch.where(upper.isfinite(), upper, high)
    generator = torch.Generator().manual_seed(0)
    features = x.shape[1]
    if 2**features <= count // 2:
        ends = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=x.dtype)] * features).reshape(-1, features)
    else:
        ends = torch.randint(2, (count // 2, features), generator=generator).to(x)
    inner = torch.rand(count - len(ends), features, generator=generator, dtype=x.dtype)
    shares = torch.cat([_INSIDE + (1 - 2 * _INSIDE) * ends, inner])
    return low + shares * (high - low)
