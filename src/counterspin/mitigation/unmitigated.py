"""The noisy circuit as it is: what every mitigation is compared with."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.circuits import Circuit
from counterspin.mitigation.base import Variant
from counterspin.noise import NoiseModel

__all__ = ["Unmitigated"]


@dataclass(frozen=True)
class Unmitigated:
    """The noisy circuit as it is: one variant, its values unchanged.

    Example:
        >>> Unmitigated().combine(torch.ones(1, 2, 3)).shape
        torch.Size([2, 3])
    """

    name: str = "none"
    linear = True

    def construct(self, circuit: Circuit, noise: NoiseModel) -> tuple[Variant, ...]:
        """The circuit itself."""
        return (Variant(circuit=circuit, noise=noise),)

    def combine(self, values: Tensor) -> Tensor:
        """The values `(batch, values)` of `(1, batch, values)`."""
        return values[0]

    def linear_map(self, variants: int, values: int) -> tuple[Tensor, Tensor]:
        """The identity."""
        return torch.eye(values, dtype=torch.float64)[None], torch.zeros(values, dtype=torch.float64)

    def shot_factor(self, circuit: Circuit, noise: NoiseModel) -> float:
        """No more shots than without mitigation."""
        return 1.0
